"""How wrong a mask seems, given what a network thinks that has not seen it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from face_occlusion.apps.auditing.samples import Samples

_DEPTH_FRAC = 1 / 12  # of the side; from this depth on, a pixel counts whole
_TEMPERATURE = 0.1  # of cleanlab's softmin


def disputed_face(samples: Samples, probability: np.ndarray) -> np.ndarray:
    """Return the share of each mask's face that the network disputes, by depth.

    A pixel counts by its distance from the mask's edge: there networks and annotators differ
    without either being wrong. What the mask leaves out does not count: the question is what is
    called face and is not.

    Args:
        samples: With their masks.
        probability: (N, S, S) float32 of face.

    Returns:
        (N,) float64 in [0, 1]; 1 for a mask without a face.
    """
    full = _DEPTH_FRAC * samples.faces.shape[1]
    scores = np.ones(len(samples))
    for place, (face, odds) in enumerate(zip(_faces(samples), probability, strict=True)):
        framed = np.pad(face.astype(np.uint8), 1, mode="edge")  # the image's border is no edge
        depth = cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1]
        weight = np.where(face, np.minimum(depth, full), 0)
        if weight.any():
            scores[place] = float((weight * (1 - odds)).sum() / weight.sum())
    return scores


def disbelief(samples: Samples, probability: np.ndarray) -> np.ndarray:
    """Return the mean probability against the mask, over all its pixels; (N,) in [0, 1]."""
    against = _against(samples, probability)
    return np.nanmean(against.reshape(len(samples), -1), axis=1)


def softmin_disbelief(samples: Samples, probability: np.ndarray) -> np.ndarray:
    """Return 1 - the softmin over pixels of the mask's probability, temperature 0.1.

    As `cleanlab.segmentation.rank.get_label_quality_scores`, "softmin" (Lad and Mueller 2023).
    """
    against = _against(samples, probability).reshape(len(samples), -1)
    weights = np.where(np.isnan(against), 0, np.exp(np.nan_to_num(against) / _TEMPERATURE))
    return (weights * np.nan_to_num(against)).sum(axis=1) / weights.sum(axis=1)


def missed_overlap(samples: Samples, probability: np.ndarray) -> np.ndarray:
    """Return 1 - IoU of the mask's face and the predicted one; (N,) in [0, 1]."""
    faces, predicted = _faces(samples), (probability >= 0.5) & (samples.known >= 128)
    both = (faces & predicted).sum(axis=(1, 2))
    return 1 - both / np.maximum((faces | predicted).sum(axis=(1, 2)), 1)


RULES: dict[str, Callable[[Samples, np.ndarray], np.ndarray]] = {
    "disputed_face": disputed_face,
    "disbelief": disbelief,
    "softmin_disbelief": softmin_disbelief,
    "missed_overlap": missed_overlap,
}


def _faces(samples: Samples) -> np.ndarray:
    return samples.faces >= 128


def _against(samples: Samples, probability: np.ndarray) -> np.ndarray:
    """Return (N, S, S) probability that the mask is wrong; NaN where it says nothing."""
    against = np.where(_faces(samples), 1 - probability, probability)
    return np.where(samples.known >= 128, against, np.nan)
