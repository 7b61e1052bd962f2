"""JPEG: writing, and what a file says of itself before its pixels."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import simplejpeg
from PIL import Image

JPEG_START = b"\xff\xd8\xff"
ORIENTATION_TAG = 0x0112  # EXIF, TIFF 6.0


def segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and body of each segment before the scan (ITU-T T.81, B.1.1)."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF and data[position + 1] != 0xDA:
        if data[position + 1] == 0xFF:  # a fill byte
            position += 1
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        yield data[position + 1], data[position + 4 : position + 2 + length]
        position += 2 + length


def orientation(data: bytes) -> int:
    """Return the EXIF orientation, 1 (upright) where there is none or its tag is damaged."""
    for marker, body in segments(data):
        if marker == 0xE1 and body[:6] == b"Exif\0\0":
            exif = Image.Exif()
            try:
                exif.load(body)
                return exif.get(ORIENTATION_TAG, 1)
            except (SyntaxError, struct.error, ValueError):  # the pixels are whole
                return 1
    return 1


def is_adobes(data: bytes) -> bool:
    """Tell whether Adobe's marker is there: CMYK is then stored inverted."""
    return any(marker == 0xEE and body[:5] == b"Adobe" for marker, body in segments(data))


def is_plain(data: bytes) -> bool:
    """Tell whether this is a JPEG that any reader shows alike: upright, grey or RGB."""
    if not data.startswith(JPEG_START) or orientation(data) != 1:
        return False
    return simplejpeg.decode_jpeg_header(data, strict=False)[2] not in ("CMYK", "YCCK")


def encode_jpeg(image: np.ndarray, quality: int) -> bytes:
    """Encode a photograph as JPEG without colour subsampling (4:4:4).

    Args:
        image: (H, W, 3) uint8 RGB.
        quality: 1-100.

    Raises:
        ValueError: If shape, dtype or quality differ.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(f"an image must be (H, W, 3) uint8; got {image.shape} {image.dtype}")
    if not 1 <= quality <= 100:
        raise ValueError(f"jpeg quality must be 1-100; got {quality}")
    return simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality, "RGB", "444")
