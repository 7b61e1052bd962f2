"""Tiny drawn faces, some of them behind something that their mask calls face."""

from pathlib import Path

import cv2
import numpy as np

from face_occlusion.core.imageset import ImageSet
from tests.generation.drawn import write_drawn
from tests.training.conftest import draw_face

HEIGHT, WIDTH = 40, 48  # H != W, so that swapped axes show


def draw(seed: int, occluded: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a drawn face, its mask, and the mask less an occluder in the ground's colours."""
    rng = np.random.default_rng([seed, 0])
    image, whole = draw_face(rng, HEIGHT, WIDTH)
    cover = np.zeros_like(whole)
    if occluded:
        x, y = np.argwhere(whole).mean(axis=0)[::-1].astype(int) + rng.integers(-4, 5, 2)
        cv2.circle(cover, (int(x), int(y)), 8, 1, -1)
        image[cover == 1] = rng.integers(0, 120, (int(cover.sum()), 3))
    return image, whole, whole * (1 - cover)


def face_set(folder: Path, num: int, wrong: set[int], first: int = 0) -> ImageSet:
    """Write faces whose part `original.png` is wrong for some and `png` right for all."""
    samples = []
    for number in range(first, first + num):
        image, whole, visible = draw(number, number in wrong)
        parts = {"jpg": image, "png": visible, "original.png": whole}
        samples.append((f"{number:05d}", parts, {"source": "drawn"}))
    return write_drawn(folder, "faces", folder.name, samples)
