"""Occluders and faces as placement sees them, and the geometry that both need.

Points are (x, y) in pixels of the full-size cut-out, y downwards; the centre of the first pixel is
(0, 0). Angles are in degrees in the image: 0 points right, 90 down.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from face_occlusion.core.arithmetic import determinant, direction, project, transform
from face_occlusion.core.images import warp_affine

CUT_SHARE = 0.15  # a straight run along this share of a border is a cut, not a tangent
MAX_HULL_POINTS = 64
WRIST_SHARE = 0.125  # of a hand's length
BORDERS = ("left", "right", "top", "bottom")
SMALL_PX = 128  # limit of the longer side of the map on which a placement is tried
CUT_PADDING_PX = 3.0  # a cut lies at least this far outside the picture: no blur brings it back


@dataclass(frozen=True)
class Occluder:
    """A cut-out at full, half, quarter ... size, so that shrinking it does not alias."""

    key: str  # its name in the image set it comes from
    levels: tuple[np.ndarray, ...]  # (H, W, 4) uint8 premultiplied RGBA; k is 2**k times smaller
    area_px: float  # sum of its coverage at full size
    centre_xy: np.ndarray  # (2,) float64 centre of its coverage
    hull_xy: np.ndarray  # (N, 2) float64 convex hull of the pixels it covers at least half
    extent_xy: np.ndarray  # (N, 2) convex hull of every pixel it touches, borders included
    pointing_deg: float | None  # direction of a hand's fingers; None for what has no direction
    # (M, 2) float64 points along the straight cuts where the occluder left its photograph; they
    # must come to lie outside the picture. Empty if it is whole.
    cut_xy: np.ndarray
    wrist_xy: np.ndarray  # (M, 2) float64 the hull's points away from a hand's fingers, or empty

    def __repr__(self) -> str:
        return f"Occluder({self.key!r}, {self.levels[0].shape[1]}x{self.levels[0].shape[0]} px)"

    def shrunk(self, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the size from which an affine shrinks by less than two, if there is one.

        The affine is from full-size pixels. Returns (h, w, 4) uint8 pixels of that size, and the
        affine rewritten for them.
        """
        level, local = at_level(matrix, len(self.levels))
        return self.levels[level], local


def at_level(matrix: np.ndarray, num_levels: int) -> tuple[int, np.ndarray]:
    """Choose the level from which an affine shrinks by less than two, and rewrite it for that."""
    mantissa, exponent = math.frexp(max(math.sqrt(abs(determinant(matrix))), 1e-9))
    level = min(max((mantissa == 0.5) - exponent, 0), num_levels - 1)
    local = np.array(matrix, dtype=np.float64)
    local[:, 2] += (local[:, 0] + local[:, 1]) * ((2.0**level - 1) / 2)
    local[:, :2] *= 2.0**level
    return level, local


def make_occluder(
    cutout: np.ndarray,
    *,
    key: str = "occluder",
    pointing_deg: float | None = None,
    enters: str = "none",
) -> Occluder:
    """Measure a cut-out, (H, W, 4) uint8 premultiplied RGBA, and shrink it by halves.

    Args:
        cutout: The pixels.
        key: Its name, for records and errors.
        pointing_deg: Direction in which the fingers of a hand point; None for what has none.
        enters: Border at which an arm left its photograph: left, right, top, bottom or none.

    Raises:
        ValueError: If the cut-out is not premultiplied RGBA or covers no pixel by half.
    """
    if enters not in (*BORDERS, "none"):
        raise ValueError(f"occluder {key}: enters must be one of {BORDERS} or none; got {enters!r}")
    if cutout.ndim != 3 or cutout.shape[2] != 4 or cutout.dtype != np.uint8:
        raise ValueError(
            f"occluder {key}: must be (H, W, 4) uint8 premultiplied RGBA; "
            f"got {cutout.shape} {cutout.dtype}"
        )
    alpha = cv2.extractChannel(cutout, 3)
    if any(cv2.countNonZero(cv2.subtract(cv2.extractChannel(cutout, i), alpha)) for i in range(3)):
        raise ValueError(f"occluder {key}: has colours above alpha; multiply colours by alpha")
    if not (alpha >= 128).any():
        raise ValueError(f"occluder {key}: covers no pixel by half; it cannot occlude anything")
    moments = cv2.moments(alpha)
    hull = convex_hull(alpha)
    return Occluder(
        key=key,
        levels=tuple(halved_levels(cutout)),
        area_px=moments["m00"] / 255,
        centre_xy=np.array([moments["m10"], moments["m01"]]) / moments["m00"],
        hull_xy=subsample(hull),
        extent_xy=_with_borders(convex_hull(alpha, least=1)),
        pointing_deg=pointing_deg,
        cut_xy=cut_points(alpha, enters, is_hand=pointing_deg is not None),
        wrist_xy=wrist_points(hull, pointing_deg),
    )


def halved_levels(cutout: np.ndarray, smallest_px: int = 16) -> list[np.ndarray]:
    """Shrink premultiplied RGBA by halves, by area, until its longer side is small.

    A side that a halving does not divide is first filled up with transparent pixels, so that the
    pixel grids of all levels stay aligned: x at level k is (x + 0.5) / 2**k - 0.5.
    """
    levels = [np.ascontiguousarray(cutout)]
    while max(levels[-1].shape[:2]) > smallest_px:
        levels.append(halve(levels[-1]))
    return levels


def halve(image: np.ndarray) -> np.ndarray:
    """Shrink an image to half its size by area; an odd side is first filled up with zeros."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_CONSTANT, None, 0)
    size = (image.shape[1] // 2, image.shape[0] // 2)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def convex_hull(alpha: np.ndarray, least: int = 128) -> np.ndarray:
    """Return the convex hull of the pixels covered by `least` of 255, (N, 2) float64 (x, y)."""
    covered = cv2.inRange(alpha, (least,), (255,))
    outlines, _ = cv2.findContours(covered, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return cv2.convexHull(np.concatenate(outlines))[:, 0].astype(np.float64)


def subsample(hull: np.ndarray) -> np.ndarray:
    """Keep at most `MAX_HULL_POINTS` of a hull's points."""
    return hull[:: -(-len(hull) // MAX_HULL_POINTS)]


def _with_borders(hull: np.ndarray) -> np.ndarray:
    """Return the hull of the pixels' squares instead of their centres."""
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]])
    squares = (hull[:, np.newaxis] + corners).reshape(-1, 2).astype(np.float32)
    return cv2.convexHull(squares)[:, 0].astype(np.float64)


def cut_points(alpha: np.ndarray, enters: str, *, is_hand: bool) -> np.ndarray:
    """Find where a cut-out ends in a straight cut along a border of its frame.

    The border at which the arm `enters` is one. Cut-outs are cropped to their coverage, so a whole
    hand touches the other borders in short runs; where it runs along one, it was cut there too.
    An object may have a straight side and counts as whole.

    Returns (M, 2) float64 points (x, y) on the outer border of the cut pixels; empty if whole.
    """
    lines = {"left": alpha[:, 0], "right": alpha[:, -1], "top": alpha[0], "bottom": alpha[-1]}
    points = []
    for border, line in lines.items():
        along = np.flatnonzero(line >= 128)
        is_cut = len(along) >= max(CUT_SHARE * len(line), 8) if is_hand else False
        if len(along) and (is_cut or border == enters):
            points.append(_along_border(along[0] - 0.5, along[-1] + 0.5, border, alpha.shape))
    return np.concatenate(points) if points else np.zeros((0, 2))


def wrist_points(hull: np.ndarray, pointing_deg: float | None) -> np.ndarray:
    """Return the points of a hull in the eighth of its length away from where a hand points."""
    if pointing_deg is None:
        return np.zeros((0, 2))
    along = project(hull, direction(pointing_deg))
    return hull[along <= along.min() + WRIST_SHARE * np.ptp(along)]


def _along_border(start: float, end: float, border: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return 17 points (x, y) from `start` to `end` on a border of an (H, W) frame."""
    outer = {"left": -0.5, "top": -0.5, "right": shape[1] - 0.5, "bottom": shape[0] - 0.5}
    along = np.linspace(start, end, 17)
    across = np.full_like(along, outer[border])
    return np.stack([across, along] if border in ("left", "right") else [along, across], axis=1)


@dataclass(frozen=True)
class FaceGeometry:
    """A face's size and place."""

    shape: tuple[int, int]  # of the image
    area_px: int  # pixels of the face
    centre_xy: np.ndarray  # (2,) centre of mass
    size_xy: np.ndarray  # (2,) width and height of its bounding box
    hull_xy: np.ndarray  # (N, 2) convex hull
    small: np.ndarray  # (h, w) float32 share of face in each cell of a small map
    cell_px: int  # image pixels to one cell of the small map, a power of two


def measure_face(face_mask: np.ndarray) -> FaceGeometry:
    """Measure where the face is; a mask without a face is a ValueError."""
    area = cv2.countNonZero(face_mask)
    if not area:
        raise ValueError("the mask has no face pixel, so there is nothing to occlude")
    height, width = face_mask.shape
    shares, cell = face_mask, 1
    while max(shares.shape) > SMALL_PX:
        shares, cell = halve(shares), 2 * cell
    moments = cv2.moments(shares)
    centre = np.array([moments["m10"], moments["m01"]]) / moments["m00"]
    hull = subsample(convex_hull(shares, least=min(128, int(shares.max()))))
    hull = (hull + 0.5) * cell - 0.5
    return FaceGeometry(
        shape=(height, width),
        area_px=area,
        centre_xy=(centre + 0.5) * cell - 0.5,
        size_xy=np.ptp(hull, axis=0) + cell,
        hull_xy=hull,
        small=shares.astype(np.float32) / 255,
        cell_px=cell,
    )


def leave_distance(points: np.ndarray, along: np.ndarray, shape: tuple[int, int]) -> float:
    """Return how far back along `-along` points must move until all lie outside the picture.

    `points` are (N, 2), `along` is a (2,) unit vector, `shape` the picture's.
    """
    if not len(points):
        return -math.inf
    last = np.array([shape[1], shape[0]]) - 1.0
    rim = np.where(along > 0, -CUT_PADDING_PX - 0.5, last + CUT_PADDING_PX + 0.5)
    axes = np.abs(along) > 1e-9
    needed = (points - rim)[:, axes] / along[axes]  # per axis; either one is enough
    return float(needed.min(axis=1).max())


def ends_outside(occluder: Occluder, matrix: np.ndarray, shape: tuple[int, int]) -> bool:
    """Say whether every cut of the occluder, and a hand's wrist, lies outside the picture."""
    points = transform(matrix, np.vstack([occluder.cut_xy, occluder.wrist_xy]))
    outside = (points < -0.5) | (points > np.array([shape[1], shape[0]]) - 0.5)
    return bool(outside.any(axis=1).all())


def estimate_covered(occluder: Occluder, matrix: np.ndarray, face: FaceGeometry) -> float:
    """Estimate the share of the face that a placement covers, on the small map."""
    to_small = np.array(matrix, dtype=np.float64)
    to_small[:, 2] += 0.5
    to_small /= face.cell_px
    to_small[:, 2] -= 0.5
    cutout, local = occluder.shrunk(to_small)
    alpha = warp_affine(cv2.extractChannel(cutout, 3), local, face.small.shape)
    return float((face.small * alpha).sum() / (255 * face.small.sum()))
