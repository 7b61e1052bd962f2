"""Measure one image and count what was predicted of it; called in threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from face_occlusion.evaluation.boundary import boundary_counts
from face_occlusion.evaluation.calibration import calibration_counts
from face_occlusion.evaluation.metrics import confusion_counts
from face_occlusion.evaluation.occluded import Regions
from face_occlusion.evaluation.previews import encode_preview
from face_occlusion.evaluation.reading import Sample
from face_occlusion.evaluation.scores import ImageFacts
from face_occlusion.evaluation.skin_tone import ita_deg


class Result(Protocol):
    """A prediction on its way; `inference.Prediction` is one."""

    def numpy(self) -> np.ndarray:
        """Wait for it: (H, W) float32 probability of face."""
        ...


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Counts of one view of one image: a row of `ViewCounts`, and the mask for the page."""

    columns: dict[str, np.ndarray]
    preview: str | None


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What is kept of an image: its facts, and the tally of each view."""

    facts: ImageFacts
    tallies: dict[str, Tally]


def count_sample(sample: Sample, results: Mapping[str, Result], preview_px: int) -> Counted:
    """Count one image for every view; views that share a prediction share its counts.

    Args:
        sample: The image; measured first, while its predictions may still be computed.
        results: Its predictions by view.
        preview_px: Longer side of the first view's mask for the page; 0 keeps none.

    Raises:
        ValueError: If a prediction is not of the mask's size.
    """
    facts, regions = measure(sample)
    done: dict[int, Tally] = {}
    for number, result in enumerate(results.values()):
        if id(result) not in done:
            kept_px = 0 if number else preview_px
            done[id(result)] = _count(sample, regions, result.numpy(), kept_px)
    return Counted(
        facts=facts, tallies={view: done[id(result)] for view, result in results.items()}
    )


def measure(sample: Sample) -> tuple[ImageFacts, Regions]:
    """Measure what does not depend on the prediction."""
    target = sample.target
    regions = Regions.of(target)
    face = target == 1
    facts = ImageFacts(
        key=sample.key,
        occluder_kind=sample.occluder_kind,
        size=(target.shape[0], target.shape[1]),
        face_px=int(np.count_nonzero(face)),
        occluded_px=int(np.count_nonzero(regions.occluded)),
        ita_deg=ita_deg(sample.image, face),
    )
    return facts, regions


def _count(sample: Sample, regions: Regions, probability: np.ndarray, preview_px: int) -> Tally:
    """Count one prediction; face from a probability of 0.5."""
    target = sample.target
    if probability.shape != target.shape:
        raise ValueError(
            f"{sample.name}: mask is {target.shape}, the image's prediction {probability.shape}; "
            "image and mask must share one size"
        )
    pred = probability >= 0.5
    return Tally(
        columns={
            "counts": confusion_counts(pred, target),
            "boundary": boundary_counts(pred, target),
            "occluded": confusion_counts(pred[regions.occluded], target[regions.occluded]),
            "border": confusion_counts(pred[regions.border], target[regions.border]),
            "calibration": calibration_counts(probability, target),
        },
        preview=encode_preview(pred, preview_px) if preview_px else None,
    )
