"""Cut an occluder out of its photograph: clean mask, soft edge, no fringe of the background."""

import cv2
import numpy as np

from face_occlusion.core.classes import bounding_window
from face_occlusion.core.images import straight_alpha


def clean_mask(mask: np.ndarray, *, hole_frac: float, close_px: int) -> np.ndarray:
    """Keep a mask's largest piece, close fine cracks and fill small holes.

    Holes of (H, W) bool up to `hole_frac` of the piece's area are filled, cracks up to `close_px`
    wide are closed; 0 closes none. An empty mask is a ValueError.
    """
    if not mask.any():
        raise ValueError("the mask is empty")
    plane = mask.astype(np.uint8)
    if close_px > 1:
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (close_px, close_px))
        padded = np.pad(plane, close_px, mode="edge")
        closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc)
        plane = closed[close_px:-close_px, close_px:-close_px]
    piece = largest_piece(plane > 0)
    area = int(piece.sum())
    outside = (~piece).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(outside, connectivity=4)
    for label in range(1, count):
        left, top, width, height, size = stats[label]
        below, beside = mask.shape[0] - top - height, mask.shape[1] - left - width
        inside = min(left, top, below, beside) > 0
        if inside and size <= hole_frac * area:
            piece |= labels == label
    return piece


def largest_piece(mask: np.ndarray) -> np.ndarray:
    """Return the largest connected piece of an (H, W) bool mask that is not empty.

    8 neighbours; the first of equals.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))


def cut_out(
    image: np.ndarray,
    mask: np.ndarray,
    *,
    soft_px: float,
    edge_px: int,
    own: np.ndarray | None = None,
) -> np.ndarray:
    """Cut an object out as premultiplied RGBA, cropped to its alpha.

    Alpha is the mask blurred: its 0.5 level stays on the mask's outline, and where the mask
    meets the border of the photograph, the edge stays hard. In any photograph, the outer
    `edge_px` of an object are mixed with the background. Their colours are replaced by the
    nearest ones farther inside, so that no fringe of the background remains. Parts too thin to
    have an inside keep their own colours.

    Args:
        image: (H, W, 3) uint8 RGB; left unchanged.
        mask: (H, W) bool, not empty; left unchanged. Another size is a ValueError.
        soft_px: Standard deviation of the blur in pixels, 0 for a hard edge.
        edge_px: Width of the edge whose colours are replaced, in pixels.
        own: (H, W) bool, the mask before cracks and holes were closed: these show the
            background, so their colours are replaced too. None: the mask itself.

    Returns (h, w, 4) uint8 premultiplied RGBA.
    """
    if image.shape[:2] != mask.shape:
        raise ValueError(
            f"a mask of {mask.shape[0]}x{mask.shape[1]} pixels, while its image has "
            f"{image.shape[0]}x{image.shape[1]}; expected the same size"
        )
    rows, columns = bounding_window(mask, int(np.ceil(3 * soft_px)) + 1)
    own = mask if own is None else own & mask
    image, mask, own = image[rows, columns], mask[rows, columns], own[rows, columns]
    alpha = mask * np.uint16(65535)  # OpenCV blurs whole numbers alike on every CPU, floats not
    if soft_px > 0:
        alpha = cv2.GaussianBlur(alpha, (0, 0), soft_px, borderType=cv2.BORDER_REPLICATE)
    alpha = alpha / np.float32(65535)
    colours = extend_colours(image, own, edge_px) if edge_px > 0 else image
    return crop_to_alpha(premultiply(colours, alpha))


def extend_colours(image: np.ndarray, mask: np.ndarray, edge_px: int) -> np.ndarray:
    """Replace the colours outside a mask's inside by the nearest ones inside.

    Pixels of the (H, W) bool mask nearer than `edge_px` to its outline are not inside.
    """
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    inside = depth > edge_px
    if not inside.any():
        inside = mask
    away, labels = _nearest_labels(inside)
    thin = mask & ~inside & (away > 2 * edge_px + 1)
    if thin.any():
        inside |= thin
        _, labels = _nearest_labels(inside)
    return _colours_of(image, inside, labels)


def _colours_of(image: np.ndarray, inside: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Give each pixel the colour of the inside pixel that has its label."""
    nearest = np.zeros(int(labels.max()) + 1, dtype=np.intp)
    nearest[labels[inside]] = np.flatnonzero(inside)
    return image.reshape(-1, 3)[nearest[labels]]


def _nearest_labels(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each pixel's distance to the nearest inside pixel, and that pixel's label."""
    away, labels = cv2.distanceTransformWithLabels(
        (~inside).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    return away, labels.astype(np.intp)


def fill_colours(rgba: np.ndarray) -> np.ndarray:
    """Return a cut-out's straight colours, those of its solid part extended over everything else.

    Takes premultiplied RGBA, returns (H, W, 3) uint8: colours of the most opaque pixels where none
    is half opaque.
    """
    alpha = rgba[..., 3]
    solid = alpha >= min(128, int(alpha.max()))
    colours = np.ascontiguousarray(straight_alpha(rgba)[..., :3])
    return _colours_of(colours, solid, _nearest_labels(solid)[1])


def premultiply(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Join uint8 RGB and alpha, (H, W) float in [0, 1], into (H, W, 4) uint8 premultiplied RGBA."""
    levels = np.rint(alpha * 255).astype(np.uint16)  # (H, W)
    colours = (image * levels[..., np.newaxis] + 127) // 255
    return np.dstack([colours, levels]).astype(np.uint8)


def crop_to_alpha(rgba: np.ndarray) -> np.ndarray:
    """Crop a cut-out, RGBA, to the pixels that it covers at all; contiguous."""
    return np.ascontiguousarray(rgba[bounding_window(rgba[..., 3] > 0)])


def size_and_alpha(rgba: np.ndarray) -> dict[str, object]:
    """Return what a cut-out's record says of its pixels: size, and mean alpha in [0, 1]."""
    return {"size": list(rgba.shape[:2]), "alpha_frac": float(rgba[..., 3].mean() / 255)}
