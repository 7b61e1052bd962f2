"""Calibration: does a predicted probability of face mean what it says?"""

from __future__ import annotations

import cv2
import numpy as np

from face_occlusion.core.classes import IGNORED
from face_occlusion.evaluation.metrics import ratio

NUM_BINS = 10
_STEPS = 1000  # fine steps within a bin: a probability counts as 5e-5 more or less, at most
_CENTRES = ((np.arange(NUM_BINS * _STEPS) + 0.5) / (NUM_BINS * _STEPS)).reshape(NUM_BINS, _STEPS)


def calibration_counts(probability: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Count the pixels of one image by predicted probability of face.

    One fine histogram of whole numbers: ten times as fast as sums in 10 bins.

    Args:
        probability: (H, W) float32 in [0, 1].
        target: (H, W) uint8 seg_map: 0 background, 1 face, 255 not counted.

    Returns:
        (NUM_BINS, 3) float64: pixels in the bin, sum of their probabilities to three decimals (so
        that files stay small), face pixels.
    """
    num = NUM_BINS * _STEPS
    place = np.minimum(probability * num, num - 1).astype(np.uint16)
    place += (target == 1) * np.uint16(num)
    place += (target == IGNORED) * np.uint16(2 * num)
    counts = cv2.calcHist([place], [0], None, [3 * num], [0, 3 * num]).astype(float)
    background, faces = counts.reshape(3, NUM_BINS, _STEPS)[:2]  # the third is not counted
    counted = background + faces
    probabilities = (counted * _CENTRES).sum(axis=1).round(3)
    return np.stack([counted.sum(axis=1), probabilities, faces.sum(axis=1)], axis=1)


def expected_calibration_error(counts: np.ndarray) -> np.ndarray:
    """Mean gap between probability and share of face, weighted by pixels (Naeini et al. 2015).

    Args:
        counts: (..., 3 * NUM_BINS) of `calibration_counts`, flat, summed over images.

    Returns:
        (...) float64 in [0, 1]; NaN without pixels.
    """
    bins = np.reshape(np.asarray(counts, dtype=float), (*np.shape(counts)[:-1], NUM_BINS, 3))
    pixels, probability, faces = np.moveaxis(bins, -1, 0)  # each (..., NUM_BINS)
    return ratio(np.abs(probability - faces).sum(axis=-1), pixels.sum(axis=-1))
