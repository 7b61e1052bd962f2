"""Masks and segmentation maps (seg_maps): class ids, sizes, and masks drawn from polygons."""

from typing import Any

import cv2
import numpy as np
import pycocotools.mask

BACKGROUND, FACE, IGNORED = 0, 1, 255


def to_seg_map(mask: np.ndarray, name: str) -> np.ndarray:
    """Turn a mask into (H, W) uint8 class ids: 0 background, 1 face, 255 ignored.

    Where both 1 and 255 occur, 255 is "ignored"; where only 0 and 255 occur, 255 is face. The mask
    is (H, W) bool, or integers 0/1, 0/255 or 0/1/255, and left unchanged; one of other values or
    axes is a ValueError that calls it by its `name`.
    """
    if mask.ndim != 2:
        raise ValueError(f"{name}: a mask must be (height, width); got shape {mask.shape}")
    if mask.dtype == bool:
        return mask.astype(np.uint8)
    face = mask == IGNORED
    covered, high = np.count_nonzero(mask), np.count_nonzero(face)
    if covered == high:
        return face.view(np.uint8)
    if covered == high + np.count_nonzero(mask == 1):
        return mask.astype(np.uint8)
    found = np.unique(mask).tolist()
    some = ", ".join(map(str, found[:8])) + (", ..." if len(found) > 8 else "")
    raise ValueError(f"{name}: a face mask must hold 0/1, 0/255 or 0/1/255; got {some}")


def coverage(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the share of each pixel of a new grid that a mask, (H, W) bool, covers.

    By area where the mask shrinks, bilinear where it grows; never Lanczos, which rings. Returns
    float32 in [0, 1] of the size (height, width).
    """
    plane = mask.astype(np.float32)
    if mask.shape == size:
        return plane
    shrinks = size[0] < mask.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(plane, size[::-1], interpolation=method)


def resize_seg_map(seg_map: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize class ids to (height, width): a pixel is face where face covers at least half of it.

    It is ignored where that covers more than half.
    """
    if seg_map.shape == size:
        return seg_map
    resized = (coverage(seg_map == FACE, size) >= 0.5).astype(np.uint8)
    ignored = seg_map == IGNORED
    if ignored.any():
        resized[coverage(ignored, size) > 0.5] = IGNORED
    return resized


def bounding_window(mask: np.ndarray, padding_px: int = 0) -> tuple[slice, slice]:
    """Return the rows and columns that hold an (H, W) bool mask, padded; empty without a mask."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return slice(0), slice(0)
    top, left = max(0, y - padding_px), max(0, x - padding_px)
    return slice(top, y + height + padding_px), slice(left, x + width + padding_px)


def instance_mask(segmentation: Any, size: tuple[int, int]) -> np.ndarray:
    """Draw COCO's polygons [[x0, y0, ...], ...] or run lengths as a bool mask of (height, width).

    Coordinates are (x, y) pixels along the edges of pixels: (0, 0) is the upper left corner of the
    image, (width, height) its lower right corner.
    """
    if isinstance(segmentation, list):
        runs = pycocotools.mask.merge(pycocotools.mask.frPyObjects(segmentation, *size))
    elif isinstance(segmentation["counts"], list):
        runs = pycocotools.mask.frPyObjects(segmentation, *size)
    else:
        runs = segmentation
    return pycocotools.mask.decode(runs).astype(bool)
