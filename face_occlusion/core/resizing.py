"""Change the size of images and of segmentation maps."""

from __future__ import annotations

import cv2
import numpy as np

from face_occlusion.core.classes import FACE, IGNORED
from face_occlusion.core.images import encode_jpeg

_JPEG_START = b"\xff\xd8\xff"


def fitted_size(size: tuple[int, int], size_px: int) -> tuple[int, int]:
    """Return the size whose longer side is `size_px`, the aspect kept; 0 keeps the size.

    Args:
        size: (height, width) in pixels.
        size_px: The longer side wanted, or 0.

    Returns:
        (height, width), each at least 1.
    """
    height, width = size
    if size_px == 0:
        return height, width
    scale = size_px / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image: by area where it shrinks, bicubic where it grows.

    Args:
        image: (H, W, C) uint8.
        size: (height, width) wanted.

    Returns:
        (height, width, C) uint8; the input itself if it has that size.
    """
    if image.shape[:2] == size:
        return image
    shrinks = size[0] < image.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(image, size[::-1], interpolation=method)


def fitted_jpeg(data: bytes, image: np.ndarray, size: tuple[int, int], quality: int) -> bytes:
    """Return an image as JPEG of a size: its own bytes if it has that size and is a JPEG.

    Args:
        data: The file's bytes.
        image: (H, W, 3) uint8 RGB, decoded from them.
        size: (height, width) wanted.
        quality: JPEG quality, 1-100, where it is encoded anew.
    """
    if image.shape[:2] == size and data.startswith(_JPEG_START):
        return data
    return encode_jpeg(resize_image(image, size), quality)


def coverage(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the share of each pixel of a new grid that a mask covers.

    By area where the mask shrinks, bilinear where it grows. Never Lanczos, which rings.

    Args:
        mask: (H, W) bool.
        size: (height, width) of the new grid.

    Returns:
        (height, width) float32 in [0, 1].
    """
    plane = mask.astype(np.float32)
    if mask.shape == size:
        return plane
    shrinks = size[0] < mask.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(plane, size[::-1], interpolation=method)


def resize_seg_map(seg_map: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize class ids: a pixel is face where face covers at least half of it.

    Args:
        seg_map: (H, W) uint8: 0 background, 1 face, 255 ignored.
        size: (height, width) wanted.

    Returns:
        (height, width) uint8 class ids; ignored where that covers more than half.
    """
    if seg_map.shape == size:
        return seg_map
    resized = (coverage(seg_map == FACE, size) >= 0.5).astype(np.uint8)
    ignored = seg_map == IGNORED
    if ignored.any():
        resized[coverage(ignored, size) > 0.5] = IGNORED
    return resized
