"""Encoding and comparing pictures, for these tests."""

import io

import numpy as np
from PIL import Image

SHAPE = (24, 40)  # H != W, so swapped axes show


def save(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def largest_difference(a: np.ndarray, b: np.ndarray) -> int:
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b.astype(int)).max())
