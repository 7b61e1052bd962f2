"""Where a face is occluded, estimated from its mask: no benchmark stores its occluders."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from face_occlusion.core.classes import IGNORED
from face_occlusion.evaluation.boundary import band_width_px, bounding_window

LEAST_PART_FRAC = 0.01  # parts of the face smaller than this share of it do not stretch the hull
SLIVER_FRAC = 0.04  # a gap narrower than this share of the hull's size is no occluder


@dataclass(frozen=True, kw_only=True)
class Regions:
    """The estimated occluder of one image and its border with the visible face."""

    occluded: np.ndarray  # (H, W) bool
    border: np.ndarray  # (H, W) bool

    @classmethod
    def of(cls, target: np.ndarray) -> Regions:
        """Estimate both from an (H, W) uint8 seg_map."""
        occluded = occluded_region(target)
        return cls(occluded=occluded, border=border_band(occluded, target))


def occluded_region(target: np.ndarray) -> np.ndarray:
    """Estimate which background pixels cover the face: those inside its convex hull.

    Holes and notches of the mask, that is. An unoccluded face is nearly convex, so gaps narrower
    than 4 % of the hull's size (square root of its area) are left out. What the estimate cannot
    see: an occluder that takes a whole side of the face, so that what is left is convex; and it
    takes a deep hairline for an occluder.

    Args:
        target: (H, W) uint8 seg_map: 0 background, 1 face, 255 not counted; left unchanged.

    Returns:
        (H, W) bool, no pixel of the face or not counted; all False without a face.
    """
    face = (target == 1).astype(np.uint8)
    hull = _hull(face)
    area = cv2.countNonZero(hull)
    if not area:
        return np.zeros(target.shape, bool)
    side = max(1, round(SLIVER_FRAC * area**0.5)) | 1  # odd
    opened = cv2.morphologyEx(
        hull & (1 - face), cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_RECT, (side, side))
    )
    return opened.astype(bool) & (target != IGNORED)


def _hull(face: np.ndarray) -> np.ndarray:
    """Fill the convex hull of an (H, W) uint8 mask's larger parts; 1 inside."""
    contours, _ = cv2.findContours(face, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hull = np.zeros_like(face)
    areas = [cv2.contourArea(contour) for contour in contours]
    large = [
        contour
        for contour, area in zip(contours, areas, strict=True)
        if area >= LEAST_PART_FRAC * sum(areas) and area > 0
    ]
    if large:
        cv2.fillConvexPoly(hull, cv2.convexHull(np.concatenate(large)), (1,))
    return hull


def border_band(occluded: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the pixels near both an occluder and the face it covers.

    Near: within boundary IoU's width, 2 % of the image's diagonal, in rows and columns.

    Args:
        occluded: (H, W) bool of `occluded_region`.
        target: (H, W) uint8 seg_map.

    Returns:
        (H, W) bool without pixels that are not counted.
    """
    band = np.zeros(target.shape, bool)
    width_px = band_width_px(*target.shape)
    # The band reaches one width from the occluder, and the face that makes it another.
    window = bounding_window(occluded, 2 * width_px)
    labels = target[window]
    if labels.size:
        side = 2 * width_px + 1
        kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (side, side))
        near_occluder = cv2.dilate(occluded[window].astype(np.uint8), kernel)
        near_face = cv2.dilate((labels == 1).astype(np.uint8), kernel)
        both = near_occluder.astype(bool) & near_face.astype(bool)
        band[window] = both & (labels != IGNORED)
    return band
