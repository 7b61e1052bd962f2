"""Parameters, predictions and counts for the tests of evaluation."""

from collections.abc import Callable

import numpy as np

from face_occlusion.core.params import build
from face_occlusion.evaluation.evaluate import EvaluateParams
from face_occlusion.evaluation.measures import ViewCounts
from face_occlusion.evaluation.metrics import NUM_BINS
from tests.training.conftest import SETTINGS

PARAMS = build("evaluate", SETTINGS["evaluate"], EvaluateParams)


def ready(probability: np.ndarray) -> Callable[[], np.ndarray]:
    """Return a prediction that has come."""
    return lambda: probability


def make_view(rng: np.random.Generator, num_images: int) -> ViewCounts:
    return ViewCounts(
        counts=rng.integers(1, 99, (num_images, 4)),
        boundary=np.sort(rng.integers(1, 99, (num_images, 2)), axis=1),
        occluded=rng.integers(1, 99, (num_images, 4)) * [1, 1, 0, 0],
        border=rng.integers(1, 99, (num_images, 4)),
        calibration=rng.integers(1, 99, (num_images, NUM_BINS, 3)) * [1, 0.125, 1],
    )
