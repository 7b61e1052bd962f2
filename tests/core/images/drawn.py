"""A picture that the tests of codecs share, and its encoding and comparing."""

import io

import cv2
import numpy as np
from PIL import Image

SHAPE = (24, 40)  # H != W, so swapped axes show
CORNERS = np.array([[[250, 10, 20], [30, 200, 40]], [[60, 50, 220], [90, 90, 90]]], np.uint8)
PHOTO = cv2.resize(CORNERS, SHAPE[::-1], interpolation=cv2.INTER_LINEAR)


def save(pixels: np.ndarray | Image.Image, kind: str, turned: int = 0, **options) -> bytes:
    """Encode by Pillow, with an EXIF orientation unless that is 0."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    if turned:
        options["exif"] = exif = Image.Exif()
        exif[0x0112] = turned
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def save_wide(pixels: np.ndarray, extension: str = ".png") -> bytes:
    """Encode 16-bit pixels, (H, W) or BGR(A) as OpenCV has them."""
    return cv2.imencode(extension, pixels)[1].tobytes()


def largest_difference(a: np.ndarray, b: np.ndarray) -> int:
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b.astype(int)).max())
