"""A picture that the tests of codecs share."""

import cv2
import numpy as np
import pytest

from tests.core.images.drawn import SHAPE


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """A smooth (H, W, 3) uint8 RGB picture whose corners all differ."""
    corners = np.array([[[250, 10, 20], [30, 200, 40]], [[60, 50, 220], [90, 90, 90]]], np.uint8)
    return cv2.resize(corners, SHAPE[::-1], interpolation=cv2.INTER_LINEAR)
