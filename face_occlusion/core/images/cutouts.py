"""Decode and encode cut-outs: 8-bit RGBA, colours premultiplied by alpha."""

from __future__ import annotations

import numpy as np

from face_occlusion.core.images.decoding import (
    MAX_PIXELS,
    check_png_header,
    decode_with_cv2,
    png_kind,
)
from face_occlusion.core.images.png import encode_png


def decode_rgba(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode a cut-out as it is stored: alpha is not multiplied in, nor out.

    Returns:
        (H, W, 4) uint8 RGBA.

    Raises:
        ValueError: If it is damaged, too large, or not a PNG with 8-bit RGBA.
    """
    if png_kind(data) != (8, 6):
        raise ValueError(f"{name}: a cut-out must be a PNG with 8-bit RGBA")
    check_png_header(data, name, max_pixels)
    return decode_with_cv2(data, name)


def encode_rgba(cutout: np.ndarray) -> bytes:
    """Encode a cut-out whose colours are premultiplied by alpha, as `decode_rgba` reads it.

    Args:
        cutout: (H, W, 4) uint8 RGBA with RGB <= alpha.

    Raises:
        ValueError: If shape or dtype differ, or a colour exceeds its alpha.
    """
    if cutout.ndim != 3 or cutout.shape[2] != 4:
        raise ValueError(f"a cut-out must be (H, W, 4) uint8; got {cutout.shape} {cutout.dtype}")
    if (cutout[..., :3] > cutout[..., 3:]).any():
        raise ValueError("a cut-out must be premultiplied: no colour may exceed its alpha")
    return encode_png(cutout)
