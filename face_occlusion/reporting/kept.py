"""What the score files keep of each image: its mIoU and a reduced mask, for one run of a cell."""

from __future__ import annotations

import numpy as np

from face_occlusion.evaluation import metrics
from face_occlusion.evaluation.previews import decode_preview
from face_occlusion.evaluation.scores import BenchmarkScores
from face_occlusion.reporting.grid import Grid
from face_occlusion.reporting.paper import Place


def run_name(grid: Grid, place: Place) -> str | None:
    """Return the name of the run whose predictions are shown for a cell; None if there is none."""
    run = grid.first_run(place)
    return run.run if run else None


def scored_part(grid: Grid, place: Place) -> BenchmarkScores | None:
    """Return what that run has of the cell's benchmark; None for an empty cell."""
    run = grid.first_run(place)
    part = run.benchmarks.get(place.benchmark) if run else None
    return part if part is not None and part.absent is None else None


def predicted_mask(grid: Grid, place: Place, key: str) -> np.ndarray | None:
    """Return a kept prediction as a reduced (h, w) bool mask; None if none was kept."""
    part = scored_part(grid, place)
    if part is None or key not in part.keys or not part.previews:
        return None
    preview = part.previews[part.keys.index(key)]
    return None if preview is None else decode_preview(preview)


def image_scores(grid: Grid, place: Place) -> dict[str, float]:
    """Return the mIoU of each image of a cell by its key, fractions; empty for an empty cell."""
    part, view = scored_part(grid, place), grid.view(place)
    if part is None or view is None:
        return {}
    return dict(zip(part.keys, metrics.mean_iou(view.counts).tolist(), strict=True))
