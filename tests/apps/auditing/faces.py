"""Tiny drawn faces, some of them behind something that their mask calls face."""

from pathlib import Path

import cv2
import numpy as np

from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.core.imageset import ImageSet
from tests.generation.drawn import write_drawn

HEIGHT, WIDTH = 40, 48  # H != W, so that swapped axes show


def draw(seed: int, occluded: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw a skin-coloured ellipse; return image, its mask, and the mask less the occluder."""
    rng = np.random.default_rng([seed, 0])
    image = rng.normal((60, 90, 120), 12, (HEIGHT, WIDTH, 3))
    whole = np.zeros((HEIGHT, WIDTH), np.uint8)
    centre = int(24 + rng.integers(-3, 4)), int(20 + rng.integers(-2, 3))
    cv2.ellipse(whole, centre, (12, 15), 0, 0, 360, 1, -1)
    image[whole == 1] = rng.normal((215, 165, 140), 12, (int(whole.sum()), 3))
    visible = whole.copy()
    if occluded:
        cover = np.zeros_like(whole)
        cv2.circle(cover, (centre[0] + int(rng.integers(-4, 5)), centre[1] + 5), 8, 1, -1)
        image[cover == 1] = rng.normal((60, 90, 120), 12, (int(cover.sum()), 3))
        visible[cover == 1] = 0
    return np.clip(image, 0, 255).astype(np.uint8), whole, visible


def face_set(folder: Path, num: int, wrong: set[int], first: int = 0) -> ImageSet:
    """Write faces whose part `original.png` is wrong for some and `png` right for all."""
    samples = []
    for number in range(first, first + num):
        image, whole, visible = draw(number, number in wrong)
        parts = {"jpg": encode_jpeg(image, 95), "png": encode_png(visible)}
        parts["original.png"] = encode_png(whole)
        samples.append((f"{number:05d}", parts, {"source": "drawn"}))
    return write_drawn(folder, "faces", folder.name, samples)
