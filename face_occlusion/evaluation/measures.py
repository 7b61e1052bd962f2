"""Every reported score, as one function of the counts of a benchmark or of its resamples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from face_occlusion.core.arithmetic import on_grid
from face_occlusion.evaluation import metrics
from face_occlusion.evaluation.regions import boundary_iou


@dataclass(frozen=True, kw_only=True)
class ViewCounts:
    """Counts per image of what one checkpoint predicted on one benchmark."""

    counts: np.ndarray  # (N, 4) int64 [tn, fp, fn, tp]
    boundary: np.ndarray  # (N, 2) int64 [intersection, union]
    occluded: np.ndarray  # (N, 4) int64 [tn, fp, fn, tp] in the occluded region; fn = tp = 0
    border: np.ndarray  # (N, 4) int64 [tn, fp, fn, tp] in its border band
    calibration: np.ndarray  # (N, NUM_BINS, 3) float64 of `calibration_counts`

    def take(self, images: np.ndarray) -> ViewCounts:
        """Return the counts of some images, by mask or by number."""
        return ViewCounts(**{name: counts[images] for name, counts in vars(self).items()})


Field = Literal["counts", "boundary", "occluded", "border", "calibration"]
Over = Literal["pixels", "images"]
Score = Callable[[np.ndarray], np.ndarray]  # counts (..., K) -> (...)


@dataclass(frozen=True)
class Measure:
    """A score: which counts it reads, how it combines images, and its formula.

    Over `pixels` it sums the counts over images and scores once; over `images` it scores each image
    and averages, leaving out images where the score is undefined.
    """

    key: str  # in score files and tables
    title: str  # for readers
    field: Field  # of `ViewCounts`
    over: Over
    score: Score  # (..., K) counts -> (...) float64, NaN where undefined

    def table(self, view: ViewCounts) -> np.ndarray:
        """Return the counts that the score reads, (N, K) float64."""
        table = np.asarray(getattr(view, self.field), dtype=float)
        return on_grid(table.reshape(len(table), -1), 20)

    def per_image(self, view: ViewCounts) -> np.ndarray:
        """Score each image, (N,) float64; NaN where undefined."""
        return self.score(self.table(view))


def averaged(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average (N,) values in each resample of (B, N) weights, leaving images of NaN out: (B,)."""
    present = ~np.isnan(values)
    return metrics.ratio(weights @ on_grid(np.where(present, values, 0), 40), weights @ present)


def _of_class(score: Score, index: int) -> Score:
    """Return the score of one class, of a function that scores each."""
    return lambda counts: score(counts)[..., index]


_IOU, _DICE = (
    [_of_class(score, index) for index in range(2)]
    for score in (metrics.iou_per_class, metrics.dice_per_class)
)
_FWIOU = "Frequency-weighted IoU (weighs background more, so hides the problem)"
_ALL = (
    Measure("miou", "mIoU", "counts", "pixels", metrics.mean_iou),
    Measure("iou_background", "IoU of background", "counts", "pixels", _IOU[0]),
    Measure("iou_face", "IoU of face", "counts", "pixels", _IOU[1]),
    Measure("miou_per_image", "mIoU, mean over images", "counts", "images", metrics.mean_iou),
    Measure("dice_background", "Dice (F1) of background", "counts", "pixels", _DICE[0]),
    Measure("dice_face", "Dice (F1) of face", "counts", "pixels", _DICE[1]),
    Measure("mdice", "Dice (F1), mean of classes", "counts", "pixels", metrics.mean_dice),
    Measure("precision_face", "Precision of face", "counts", "pixels", metrics.precision),
    Measure("recall_face", "Recall of face", "counts", "pixels", metrics.recall),
    Measure("fwiou", _FWIOU, "counts", "pixels", metrics.frequency_weighted_iou),
    Measure("accuracy", "Pixel accuracy", "counts", "pixels", metrics.pixel_accuracy),
    Measure("boundary_iou", "Boundary IoU of face", "boundary", "images", boundary_iou),
    Measure("iou_occluded", "IoU in the occluded region", "occluded", "pixels", _IOU[0]),
    Measure("miou_border", "mIoU in its border band", "border", "pixels", metrics.mean_iou),
    Measure(
        "ece", "Calibration error", "calibration", "pixels", metrics.expected_calibration_error
    ),
)
MEASURES = {measure.key: measure for measure in _ALL}


def summarise(view: ViewCounts, keys: Iterable[str] = MEASURES) -> dict[str, float]:
    """Score the counts of one view: by measure, fractions in [0, 1], NaN where undefined."""
    once = np.ones((1, len(view.counts)))
    return {key: float(scores[0]) for key, scores in resample_every(view, once, keys).items()}


def resample_every(
    view: ViewCounts, weights: np.ndarray, keys: Iterable[str] = MEASURES
) -> dict[str, np.ndarray]:
    """Score resamples of (B, N) weights of the images: by measure (B,), NaN where undefined."""
    sums: dict[str, np.ndarray] = {}  # each field is summed once
    scores = {}
    for key in keys:
        measure = MEASURES[key]
        if measure.over == "images":
            scores[key] = averaged(measure.per_image(view), weights)
            continue
        if measure.field not in sums:
            sums[measure.field] = weights @ measure.table(view)
        scores[key] = measure.score(sums[measure.field])
    return scores
