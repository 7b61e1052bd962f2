"""Decode masks to their raw values, and turn them into class ids."""

from __future__ import annotations

import numpy as np
from PIL import ImageOps

from face_occlusion.core.images import jpeg
from face_occlusion.core.images.decoding import (
    MAX_PIXELS,
    check_png_header,
    decode_jpeg,
    decode_other,
    decode_with_cv2,
    load,
    open_image,
    png_kind,
)


def decode_mask(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode a mask's raw values.

    Palette images give their indices, images of 1, 2 or 4 bits their values (0, 1, ...), colour
    images whose channels are equal one channel. 16 bits are accepted where they hold values up
    to 255, or multiples of 257 (0 and 65535 become 0 and 255). Orientation as `decode_image`.

    Returns:
        (H, W) uint8.

    Raises:
        ValueError: As `decode_image`, and if the image is coloured, partly transparent, or
            needs more than 8 bits.
    """
    if data[:3] == jpeg.JPEG_START:
        return _one_channel(decode_jpeg(data, name, max_pixels), name)
    depth, colour_type = png_kind(data)
    if (depth, colour_type) == (8, 0) and b"eXIf" not in data:
        check_png_header(data, name, max_pixels)
        mask = decode_with_cv2(data, name)
        return mask if mask.ndim == 2 else _one_channel(mask, name)
    image = open_image(data, name, max_pixels)
    if image.mode in ("1", "P"):
        return np.array(ImageOps.exif_transpose(load(image, name))).astype(np.uint8)
    mask = _one_channel(decode_other(data, name, max_pixels), name)
    if colour_type == 0 and depth in (2, 4):
        mask //= {2: 85, 4: 17}[depth]  # undo the stretch to 0-255
    return mask


def _one_channel(pixels: np.ndarray, name: str) -> np.ndarray:
    """Reduce a grey image in colour to (H, W) uint8."""
    if pixels.ndim == 3:
        if pixels.shape[2] == 4 and (pixels[..., 3] != np.iinfo(pixels.dtype).max).any():
            raise ValueError(f"{name}: a mask must not be transparent; save it as grey")
        if (pixels[..., :3] != pixels[..., :1]).any():
            raise ValueError(f"{name}: a mask must be grey or have a palette; got colours")
        pixels = pixels[..., 0]
    if pixels.dtype == np.uint16:
        if pixels.max() > 255:
            if (pixels % 257).any():
                raise ValueError(f"{name}: a mask must fit 8 bits; got {int(pixels.max())}")
            pixels = pixels // 257
        pixels = pixels.astype(np.uint8)
    return np.ascontiguousarray(pixels)


def to_seg_map(mask: np.ndarray, name: str) -> np.ndarray:
    """Turn a mask into class ids: 0 background, 1 face, 255 ignored.

    Where both 1 and 255 occur, 255 is "ignored"; where only 0 and 255 occur, 255 is face.

    Args:
        mask: (H, W) bool, or integers 0/1, 0/255 or 0/1/255; left unchanged.
        name: What errors call it.

    Returns:
        (H, W) uint8 in {0, 1, 255}.

    Raises:
        ValueError: If the mask has other values or not two axes.
    """
    if mask.ndim != 2:
        raise ValueError(f"{name}: a mask must be (height, width); got shape {mask.shape}")
    if mask.dtype == bool:
        return mask.astype(np.uint8)
    face = mask == 255
    covered, high = np.count_nonzero(mask), np.count_nonzero(face)
    if covered == high:
        return face.view(np.uint8)
    if covered == high + np.count_nonzero(mask == 1):
        return mask.astype(np.uint8)
    found = np.unique(mask).tolist()
    some = ", ".join(map(str, found[:8])) + (", ..." if len(found) > 8 else "")
    raise ValueError(f"{name}: a face mask must hold 0/1, 0/255 or 0/1/255; got {some}")
