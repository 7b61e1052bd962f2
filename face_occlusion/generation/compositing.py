"""Put a premultiplied RGBA occluder over a face: warp, soften, blend, label.

Colours are blended as stored (sRGB values). Premultiplied colour stands for itself at any
coverage, so no resampling or blur can pull the black around a cut-out into its edge (D9).
A `Layer` is a window of the canvas: only the pixels the occluder touches are computed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from face_occlusion.generation.occluder import Occluder

HALF = 128  # coverage of 0.5 and above, in 0-255


@dataclass
class Layer:
    """A premultiplied occluder on a window of the canvas.

    Attributes:
        rgba: (h, w, 4) uint8 premultiplied RGBA.
        x: Column of the canvas at which the window begins; may be negative.
        y: Row, likewise.
    """

    rgba: np.ndarray
    x: int
    y: int

    @property
    def alpha(self) -> np.ndarray:
        """(h, w) uint8 coverage, 255 = occluder only."""
        return self.rgba[..., 3]

    def inside(self, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Return the part inside an (H, W) canvas, as slices of the canvas and of the window."""
        height, width = self.rgba.shape[:2]
        top, left = max(self.y, 0), max(self.x, 0)
        bottom = max(min(self.y + height, shape[0]), top)
        right = max(min(self.x + width, shape[1]), left)
        return (
            (slice(top, bottom), slice(left, right)),
            (slice(top - self.y, bottom - self.y), slice(left - self.x, right - self.x)),
        )


def between(values: np.ndarray, low: int, high: int) -> np.ndarray:
    """Return uint8 255 where `values`, (H, W) uint8, lie in [low, high], 0 elsewhere."""
    return cv2.inRange(values, (low,), (high,))


def transform(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Apply a (2, 3) affine to (N, 2) points."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def window(points: np.ndarray, shape: tuple[int, ...], margin: int) -> tuple[int, int, int, int]:
    """Bound (N, 2) points by a window (x, y, width, height) within `margin` of the canvas.

    At least one pixel wide and high, also where the points lie off the canvas.
    """
    low = np.floor(points.min(axis=0)).astype(int) - margin
    high = np.ceil(points.max(axis=0)).astype(int) + margin + 1
    limit = np.array([shape[1], shape[0]]) + margin
    low = np.clip(low, -margin, limit - 1)
    high = np.maximum(np.clip(high, -margin, limit), low + 1)
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def pick_level(matrix: np.ndarray, num_levels: int) -> int:
    """Choose the size of the occluder from which `matrix` shrinks by less than two."""
    scale = math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))
    return min(max(math.floor(-math.log2(max(scale, 1e-9))), 0), num_levels - 1)


def warp(occluder: Occluder, matrix: np.ndarray, shape: tuple[int, ...], margin: int) -> Layer:
    """Warp an occluder onto a canvas by one affine: scale, shear and rotation together.

    Args:
        occluder: What is placed.
        matrix: (2, 3) affine from the occluder's full-size pixels to the canvas'.
        shape: (H, W) of the canvas.
        margin: Pixels computed beyond the occluder and the canvas' border, for later blurs.
    """
    height, width = occluder.levels[0].shape[:2]
    corners = np.array([[-0.5, -0.5], [width - 0.5, -0.5], [-0.5, height - 0.5]])
    corners = np.vstack([corners, [[width - 0.5, height - 0.5]]])
    x, y, w, h = window(transform(matrix, corners), shape, margin)
    level = pick_level(matrix, len(occluder.levels))
    local = at_level(matrix, level)
    local[:, 2] -= (x, y)
    rgba = cv2.warpAffine(
        occluder.levels[level], local, (w, h), flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0, 0)
    )
    return Layer(rgba, x, y)


def at_level(matrix: np.ndarray, level: int) -> np.ndarray:
    """Rewrite an affine from full-size pixels for pixels of pyramid level `level`."""
    factor = 2.0**level
    local = np.array(matrix, dtype=np.float64)
    local[:, 2] += local[:, :2] @ np.full(2, (factor - 1) / 2)
    local[:, :2] *= factor
    return local


def soften(layer: Layer, sigma_px: float) -> Layer:
    """Blur the edge of an occluder; its inside stays sharp (Q22).

    Coverage and premultiplied colour are blurred alike, so the colour of the edge is the mean of
    the occluder's own colours near by. Where the occluder was opaque it keeps its own colour.

    Args:
        layer: The occluder; left unchanged.
        sigma_px: Standard deviation of the Gaussian; 0 leaves the edge as it is.
    """
    if sigma_px <= 0:
        return layer
    blurred = blur(layer.rgba, sigma_px)
    opaque = between(layer.alpha, 255, 255)
    whole = between(blurred[..., 3], 255, 255)
    fading = np.flatnonzero(opaque & ~whole)  # opaque before, no longer after: own colour, less
    flat, own = blurred.reshape(-1, 4), layer.rgba.reshape(-1, 4)
    alpha = flat[fading, 3].astype(np.uint16)[:, np.newaxis]
    faded = (own[fading, :3] * alpha + 127) // 255
    cv2.copyTo(layer.rgba, whole, blurred)
    flat[fading, :3] = faded
    return Layer(blurred, layer.x, layer.y)


def blur(image: np.ndarray, sigma_px: float) -> np.ndarray:
    """Blur with a Gaussian cut at three sigma; borders are repeated, nothing wraps (D1)."""
    size = 2 * math.ceil(3 * sigma_px) + 1
    return cv2.GaussianBlur(image, (size, size), sigma_px, borderType=cv2.BORDER_REPLICATE)


def fade(layer: Layer, opacity: float) -> Layer:
    """Make an occluder transparent: colour and coverage times `opacity`, rounded."""
    if opacity >= 1:
        return layer
    return Layer(cv2.convertScaleAbs(layer.rgba, alpha=opacity), layer.x, layer.y)


def blend(image: np.ndarray, layer: Layer) -> None:
    """Put an occluder over an image, in place: P + (1 - alpha) * image, rounded (D12).

    Args:
        image: (H, W, 3) uint8 RGB; pixels without coverage keep their values exactly.
        layer: The occluder, premultiplied.
    """
    canvas, part = layer.inside(image.shape)
    alpha = np.ascontiguousarray(layer.alpha[part])
    if not alpha.size:
        return
    target, source = image[canvas], layer.rgba[part]
    colour = cv2.cvtColor(source, cv2.COLOR_BGRA2BGR)  # drops alpha, keeps the order
    partial = np.flatnonzero((alpha > 0) & (alpha < 255))
    rows, columns = np.divmod(partial, alpha.shape[1])
    rest = 255 - alpha[rows, columns].astype(np.uint16)[:, np.newaxis]
    mixed = colour[rows, columns] + (target[rows, columns] * rest + 127) // 255
    cv2.copyTo(colour, between(alpha, 255, 255), target)
    target[rows, columns] = np.minimum(mixed, 255)


def occlude_label(seg_map: np.ndarray, layer: Layer, class_id: int = 0) -> None:
    """Relabel as background what the occluder covers by half or more, in place (D8).

    Args:
        seg_map: (H, W) uint8 class ids.
        layer: The occluder as it is seen, its opacity left out.
        class_id: What is written; 0 is background.
    """
    canvas, part = layer.inside(seg_map.shape)
    seg_map[canvas][layer.alpha[part] >= HALF] = class_id


def soften_contact(
    image: np.ndarray,
    face_mask: np.ndarray,
    layer: Layer,
    sigma_px: float,
    *,
    inside_only: bool = False,
) -> None:
    """Blur the composite where the occluder's edge meets the face, in place (Q23, D17).

    Args:
        image: (H, W, 3) uint8 RGB composite.
        face_mask: (H, W) bool or 0/1 uint8: the face before it was occluded.
        layer: The occluder as it is seen, its opacity left out.
        sigma_px: Standard deviation of the Gaussian; 0 changes nothing.
        inside_only: Change no pixel that the occluder does not touch.
    """
    canvas, part = layer.inside(image.shape)
    if sigma_px <= 0 or not image[canvas].size:
        return
    alpha = np.ascontiguousarray(layer.alpha[part])
    near = blur(alpha, sigma_px)
    edge = (near > 0) & (near < 255) & (face_mask[canvas] > 0)
    if inside_only:
        edge &= alpha > 0
    rows, columns = np.divmod(np.flatnonzero(edge), alpha.shape[1])
    if not len(rows):
        return
    target = image[canvas]
    coverage = near[rows, columns].astype(np.float32) / 255
    weight = (4 * coverage * (1 - coverage))[:, np.newaxis]  # 1 on the edge, 0 off it
    sharp = target[rows, columns].astype(np.float32)
    smooth = blur(target, sigma_px)[rows, columns]
    target[rows, columns] = np.rint(sharp + weight * (smooth - sharp)).astype(np.uint8)
