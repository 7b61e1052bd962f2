"""Boundary IoU: how well the outline of the face is met (Cheng et al., CVPR 2021)."""

from __future__ import annotations

import cv2
import numpy as np

from face_occlusion.core.classes import IGNORED
from face_occlusion.evaluation.metrics import ratio

DILATION_FRAC = 0.02  # width of the band / diagonal of the image: the paper's choice for LVIS


def band_width_px(height: int, width: int, dilation_frac: float = DILATION_FRAC) -> int:
    """Width of the boundary band in pixels, at least 1."""
    return max(1, round(dilation_frac * float(np.hypot(height, width))))


def bounding_window(mask: np.ndarray, margin_px: int = 0) -> tuple[slice, slice]:
    """Return the rows and columns that hold a mask, and a margin around it inside the image.

    Args:
        mask: (H, W) bool.
        margin_px: Width of the margin.

    Returns:
        Slices of (H, W); empty for an empty mask.
    """
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return slice(0), slice(0)
    top, left = max(0, y - margin_px), max(0, x - margin_px)
    return slice(top, y + height + margin_px), slice(left, x + width + margin_px)


def boundary_region(mask: np.ndarray, width_px: int) -> np.ndarray:
    """Return the pixels of a mask that lie within `width_px` of its outline.

    The mask less its erosion by a (2 * width_px + 1) square; outside the image counts as not
    mask, so a face cut by the image's edge has its outline there, as in the authors' code.

    Args:
        mask: (H, W) bool; left unchanged.
        width_px: Width of the band, at least 1.

    Returns:
        (H, W) bool.
    """
    region = np.zeros_like(mask)
    window = bounding_window(mask)
    part = np.ascontiguousarray(mask[window])
    if part.size:
        kernel = np.ones((2 * width_px + 1, 2 * width_px + 1), np.uint8)
        inside = cv2.erode(
            part.view(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=(0,)
        )
        region[window] = part & (inside == 0)
    return region


def boundary_counts(pred: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Count intersection and union of the two boundary bands of the face class.

    The bands are drawn first and pixels of value 255 in the target left out afterwards; an
    ignored region takes part in neither mask.

    Args:
        pred: (H, W) bool, True = face.
        target: (H, W) uint8 seg_map with 255 not counted.

    Returns:
        (2,) int64 [intersection, union].
    """
    width_px = band_width_px(*target.shape)
    counted = target != IGNORED
    pred_band = boundary_region(pred & counted, width_px)
    target_band = boundary_region(target == 1, width_px)
    both = np.count_nonzero(pred_band & target_band)
    either = np.count_nonzero(pred_band) + np.count_nonzero(target_band) - both
    return np.array([both, either], dtype=np.int64)


def boundary_iou(counts: np.ndarray) -> np.ndarray:
    """Boundary IoU of each image; its mean over images is the score, as over instances.

    Args:
        counts: (..., 2) [intersection, union].

    Returns:
        (...) float64 in [0, 1]; NaN for an image without a boundary in either mask.
    """
    return ratio(counts[..., 0], counts[..., 1])
