"""An occluder ready to be placed: premultiplied RGBA at several sizes, and its geometry.

Points are (x, y) in pixels of the full-size cut-out, y downwards; the centre of the first pixel is
(0, 0). Angles are in degrees in the image: 0 points right, 90 down.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

CUT_SHARE = 0.15  # a straight run along this share of a border is a cut, not a tangent
MAX_HULL_POINTS = 64


@dataclass(frozen=True)
class Occluder:
    """A cut-out at full, half, quarter ... size, so that shrinking it does not alias.

    Attributes:
        key: Its name in the image set it comes from.
        levels: (H, W, 4) uint8 premultiplied RGBA; level k is 2**k times smaller.
        area_px: Sum of its coverage at full size.
        centre_xy: (2,) float64 centre of its coverage.
        hull_xy: (N, 2) float64 convex hull of the pixels it covers at least half.
        pointing_deg: Direction of a hand's fingers; None for what has no direction.
        cut_xy: (M, 2) float64 points along the straight cuts where the occluder left its
            photograph; they must come to lie outside the picture. Empty if it is whole.
    """

    key: str
    levels: tuple[np.ndarray, ...]
    area_px: float
    centre_xy: np.ndarray
    hull_xy: np.ndarray
    pointing_deg: float | None
    cut_xy: np.ndarray

    def __repr__(self) -> str:
        return f"Occluder({self.key!r}, {self.levels[0].shape[1]}x{self.levels[0].shape[0]} px)"


def make_occluder(
    cutout: np.ndarray, *, key: str = "occluder", pointing_deg: float | None = None
) -> Occluder:
    """Measure a cut-out and shrink it by halves.

    Args:
        cutout: (H, W, 4) uint8 premultiplied RGBA.
        key: Its name, for records and errors.
        pointing_deg: Direction in which the fingers of a hand point.

    Raises:
        ValueError: If the cut-out is not premultiplied RGBA or covers less than one pixel.
    """
    if cutout.ndim != 3 or cutout.shape[2] != 4 or cutout.dtype != np.uint8:
        raise ValueError(
            f"occluder {key}: must be (H, W, 4) uint8 premultiplied RGBA; "
            f"got {cutout.shape} {cutout.dtype}"
        )
    alpha = np.ascontiguousarray(cutout[..., 3])
    if (cutout[..., :3] > alpha[..., np.newaxis]).any():
        raise ValueError(f"occluder {key}: has colours above alpha; multiply colours by alpha")
    if not (alpha >= 128).any():
        raise ValueError(f"occluder {key}: covers no pixel by half; it cannot occlude anything")
    moments = cv2.moments(alpha)
    return Occluder(
        key=key,
        levels=tuple(pyramid(cutout)),
        area_px=moments["m00"] / 255,
        centre_xy=np.array([moments["m10"], moments["m01"]]) / moments["m00"],
        hull_xy=convex_hull(alpha),
        pointing_deg=pointing_deg,
        cut_xy=cut_points(alpha),
    )


def pyramid(cutout: np.ndarray, smallest_px: int = 16) -> list[np.ndarray]:
    """Shrink premultiplied RGBA by halves, by area, until its longer side is small.

    A side that a halving does not divide is first filled up with transparent pixels, so that the
    pixel grids of all levels stay aligned: x at level k is (x + 0.5) / 2**k - 0.5.
    """
    levels = [np.ascontiguousarray(cutout)]
    while max(levels[-1].shape[:2]) > smallest_px:
        height, width = levels[-1].shape[:2]
        even = cv2.copyMakeBorder(
            levels[-1], 0, height % 2, 0, width % 2, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0)
        )
        size = (even.shape[1] // 2, even.shape[0] // 2)
        levels.append(cv2.resize(even, size, interpolation=cv2.INTER_AREA))
    return levels


def convex_hull(alpha: np.ndarray) -> np.ndarray:
    """Return the convex hull of the pixels covered at least half, (N, 2) float64 (x, y)."""
    points = cv2.findNonZero((alpha >= 128).astype(np.uint8))
    hull = cv2.convexHull(points)[:, 0].astype(np.float64)
    stride = -(-len(hull) // MAX_HULL_POINTS)
    return hull[::stride]


def cut_points(alpha: np.ndarray) -> np.ndarray:
    """Find where a cut-out ends in a straight cut along a border of its frame.

    Cut-outs are cropped to their coverage, so a whole thing touches each border in a short run;
    one that left its photograph runs along it.

    Args:
        alpha: (H, W) uint8 coverage.

    Returns:
        (M, 2) float64 points (x, y) on the outer border of the cut pixels; empty if whole.
    """
    height, width = alpha.shape
    points = []
    for line, fixed, horizontal in (
        (alpha[0], -0.5, True),
        (alpha[-1], height - 0.5, True),
        (alpha[:, 0], -0.5, False),
        (alpha[:, -1], width - 0.5, False),
    ):
        along = np.flatnonzero(line >= 128)
        if len(along) < max(CUT_SHARE * len(line), 8):
            continue
        span = np.linspace(along[0] - 0.5, along[-1] + 0.5, 17)
        across = np.full_like(span, fixed)
        points.append(np.stack([span, across] if horizontal else [across, span], axis=1))
    return np.concatenate(points) if points else np.zeros((0, 2))
