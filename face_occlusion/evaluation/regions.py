"""Regions of a mask that are scored on their own: its outline, and where the face is occluded.

Boundary IoU says how well the outline of the face is met (Cheng et al., CVPR 2021). The occluded
region is estimated from the mask, because no benchmark stores its occluders.
"""

import cv2
import numpy as np

from face_occlusion.core.classes import IGNORED, bounding_window
from face_occlusion.evaluation.metrics import ratio

DILATION_FRAC = 0.02  # width of the band / diagonal of the image: the paper's choice for LVIS
LEAST_PART_FRAC = 0.01  # parts of the face smaller than this share of it do not stretch the hull
SLIVER_FRAC = 0.04  # a gap narrower than this share of the hull's size is no occluder


def band_width_px(height: int, width: int) -> int:
    """Width of the boundary band in pixels, at least 1."""
    return max(1, round(DILATION_FRAC * float(np.hypot(height, width))))


def boundary_region(mask: np.ndarray, width_px: int) -> np.ndarray:
    """Return the pixels of an (H, W) bool mask that lie within `width_px` >= 1 of its outline.

    The mask minus its erosion by a (2 * width_px + 1) square. Outside the image counts as not
    mask, so a face cut by the image's edge has its outline there, as in the authors' code.
    """
    region = np.zeros_like(mask)
    window = bounding_window(mask)
    part = np.ascontiguousarray(mask[window])
    if part.size:
        kernel = np.ones((2 * width_px + 1, 2 * width_px + 1), np.uint8)
        zeros = {"borderType": cv2.BORDER_CONSTANT, "borderValue": (0,)}
        region[window] = part & (cv2.erode(part.view(np.uint8), kernel, **zeros) == 0)
    return region


def boundary_counts(pred: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Count intersection and union of the two boundary bands of the face class: (2,) int64.

    Pixels of value 255 in the target, a uint8 seg_map, belong to neither mask.
    """
    width_px = band_width_px(*target.shape)
    counted = target != IGNORED
    pred_band = boundary_region(pred & counted, width_px)
    target_band = boundary_region(target == 1, width_px)
    both = np.count_nonzero(pred_band & target_band)
    either = np.count_nonzero(pred_band) + np.count_nonzero(target_band) - both
    return np.array([both, either], dtype=np.int64)


def boundary_iou(counts: np.ndarray) -> np.ndarray:
    """Boundary IoU of each image, of (..., 2) [intersection, union]; NaN without a boundary.

    The score of a benchmark is its mean over images, as the paper's is over instances.
    """
    return ratio(counts[..., 0], counts[..., 1])


def occluded_region(target: np.ndarray) -> np.ndarray:
    """Estimate which pixels of a uint8 seg_map cover the face: background in its convex hull.

    These are the holes and notches of the mask. An unoccluded face is nearly convex, so gaps
    narrower than 4 % of the hull's size (square root of its area) are left out. The estimate misses
    an occluder that covers a whole side of the face, because the rest is convex, and it takes a
    deep hairline for an occluder.

    Returns (H, W) bool, no pixel of the face or not counted; all False without a face.
    """
    face = (target == 1).astype(np.uint8)
    hull = _hull(face)
    area = cv2.countNonZero(hull)
    if not area:
        return np.zeros(target.shape, bool)
    side = max(1, round(SLIVER_FRAC * area**0.5)) | 1  # odd
    square = cv2.getStructuringElement(cv2.MORPH_RECT, (side, side))
    opened = cv2.morphologyEx(hull & (1 - face), cv2.MORPH_OPEN, square)
    return opened.astype(bool) & (target != IGNORED)


def _hull(face: np.ndarray) -> np.ndarray:
    """Fill the convex hull of an (H, W) uint8 mask's larger parts; 1 inside."""
    contours, _ = cv2.findContours(face, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hull = np.zeros_like(face)
    areas = [cv2.contourArea(contour) for contour in contours]
    least = LEAST_PART_FRAC * sum(areas)
    large = [one for one, area in zip(contours, areas, strict=True) if area >= least and area > 0]
    if large:
        cv2.fillConvexPoly(hull, cv2.convexHull(np.concatenate(large)), (1,))
    return hull


def border_band(occluded: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the counted pixels near both an occluder and the face it covers, (H, W) bool.

    Near: within boundary IoU's width, 2 % of the image's diagonal, in rows and columns.
    """
    band = np.zeros(target.shape, bool)
    width_px = band_width_px(*target.shape)
    # The band reaches one width beyond the occluder, and the face near the band one more.
    window = bounding_window(occluded, 2 * width_px)
    labels = target[window]
    if labels.size:
        kernel = np.ones((2 * width_px + 1, 2 * width_px + 1), np.uint8)
        near_occluder, near_face = (
            cv2.dilate(part.astype(np.uint8), kernel).astype(bool)
            for part in (occluded[window], labels == 1)
        )
        band[window] = near_occluder & near_face & (labels != IGNORED)
    return band
