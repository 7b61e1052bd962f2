"""Calibration: does a predicted probability of face mean what it says?"""

from __future__ import annotations

import numpy as np

from face_occlusion.evaluation.metrics import IGNORE_INDEX

NUM_BINS = 10


def calibration_counts(probability: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Count the pixels of one image by predicted probability of face.

    Args:
        probability: (H, W) float32 in [0, 1].
        target: (H, W) uint8 seg_map: 0 background, 1 face, 255 not counted.

    Returns:
        (NUM_BINS, 3) float64: pixels in the bin, sum of their probabilities, face pixels.
    """
    counted = target != IGNORE_INDEX
    values = probability[counted]
    bins = np.minimum((values * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    return np.stack(
        [
            np.bincount(bins, minlength=NUM_BINS),
            np.bincount(bins, weights=values, minlength=NUM_BINS),
            np.bincount(bins, weights=target[counted] == 1, minlength=NUM_BINS),
        ],
        axis=1,
    )


def expected_calibration_error(counts: np.ndarray) -> float:
    """Mean gap between probability and share of face, weighted by pixels (Naeini et al. 2015).

    Args:
        counts: (NUM_BINS, 3) summed over images.

    Returns:
        A fraction in [0, 1]; NaN without pixels.
    """
    pixels, probability, faces = np.asarray(counts, dtype=float).T
    if pixels.sum() == 0:
        return float("nan")
    return float(np.abs(probability - faces).sum() / pixels.sum())
