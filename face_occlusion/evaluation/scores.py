"""The score file `reports/scores/RUN.json`: counts per image first, scores after.

One file holds one run on all benchmarks, one image per line. Version 1:

    format, version     "face-occlusion scores", 1
    profile, run        names in params.yaml
    model, combination  key of the model, title of the training combination
    headline            the view that the tables show; the other views are reported beside it
    benchmarks.NAME
      fingerprint       sha256 of the benchmark's index.json when it was scored
      absent            null, or why there is nothing to score (the rest is then null)
      scores.VIEW       what `summarise` makes of the counts; fractions, null where undefined
      calibration.VIEW  10 bins of predicted probability: [pixels, sum of probability, face pixels]
      images            key, occluder_kind, size [height, width], and per view `counts`
                        [tn, fp, fn, tp] and `boundary` [intersection, union], in pixels;
                        `preview` is the headline's mask, a 1-bit PNG in base64, reduced in size

A view is a checkpoint: `last`, `best`, or either with `_tta` behind it (averaged over flips and
scales). The scores can be computed again from the counts, and are when the file is read.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from face_occlusion.evaluation import metrics
from face_occlusion.evaluation.boundary import boundary_iou
from face_occlusion.evaluation.calibration import expected_calibration_error

FORMAT = "face-occlusion scores"
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class ViewCounts:
    """What one checkpoint predicted on one benchmark, as counts."""

    counts: np.ndarray  # (N, 4) int64 [tn, fp, fn, tp]
    boundary: np.ndarray  # (N, 2) int64 [intersection, union]
    calibration: np.ndarray  # (NUM_BINS, 3) float64


@dataclass(frozen=True, kw_only=True)
class BenchmarkScores:
    """One run on one benchmark; `absent` says why there are no images, if there are none."""

    fingerprint: str
    absent: str | None = None
    keys: list[str] = field(default_factory=list)
    occluder_kinds: list[str | None] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)  # (height, width)
    views: dict[str, ViewCounts] = field(default_factory=dict)
    previews: list[str | None] = field(default_factory=list)  # base64 PNG of the headline's mask


@dataclass(frozen=True, kw_only=True)
class RunScores:
    """The content of a score file."""

    profile: str
    run: str
    model: str
    combination: str
    headline: str
    benchmarks: dict[str, BenchmarkScores]


def fingerprint(folder: Path) -> str:
    """Return the sha256 of an image set's index.json, in hex.

    Raises:
        ValueError: If the folder has no index.
    """
    path = folder / "index.json"
    if not path.is_file():
        raise ValueError(f"{folder}: no index.json; it is not an image set")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def summarise(view: ViewCounts) -> dict[str, float]:
    """Score the counts of one view.

    Returns:
        Fractions in [0, 1], NaN where undefined: `miou` (pooled over pixels; the headline),
        `iou_background`, `iou_face`, `miou_per_image`, `dice_face` (F1), `precision_face`,
        `recall_face`, `fwiou` (weighs background more), `accuracy`, `boundary_iou`, `ece`.
    """
    total = view.counts.sum(axis=0)
    background, face = metrics.iou_per_class(total)
    precision, recall = metrics.precision_recall(total)
    return {
        "miou": float(metrics.mean_iou(total)),
        "iou_background": float(background),
        "iou_face": float(face),
        "miou_per_image": metrics.per_image_mean_iou(view.counts),
        "dice_face": float(metrics.dice_per_class(total)[1]),
        "precision_face": float(precision),
        "recall_face": float(recall),
        "fwiou": float(metrics.frequency_weighted_iou(total)),
        "accuracy": float(metrics.pixel_accuracy(total)),
        "boundary_iou": boundary_iou(view.boundary),
        "ece": expected_calibration_error(view.calibration),
    }


def write_scores(path: Path, scores: RunScores) -> None:
    """Write a score file, aside first and then renamed; the same scores give the same bytes."""
    head = {
        "format": FORMAT,
        "version": VERSION,
        "profile": scores.profile,
        "run": scores.run,
        "model": scores.model,
        "combination": scores.combination,
        "headline": scores.headline,
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    benchmarks = ",\n".join(
        f"  {json.dumps(name)}: {_benchmark_text(part, scores.headline)}"
        for name, part in scores.benchmarks.items()
    )
    text = "{\n" + ",\n".join([*lines, ' "benchmarks": {\n' + benchmarks + "\n }"]) + "\n}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.partial")
    aside.write_text(text)
    aside.replace(path)


def read_scores(
    path: Path, *, profile: str | None = None, benchmarks_folder: Path | None = None
) -> RunScores:
    """Read a score file.

    Args:
        path: The file.
        profile: Refuse scores of another profile, if given.
        benchmarks_folder: Refuse scores of benchmarks that have changed since, if given.

    Raises:
        ValueError: If the file is missing, truncated, of another format, version or profile,
            disagrees with itself, or a benchmark is no longer the one that was scored.
    """
    raw = _read_json(path)
    if profile is not None and raw["profile"] != profile:
        raise ValueError(
            f"{path}: scores of profile '{raw['profile']}', expected '{profile}'; "
            "run `dvc repro` to score this profile's models"
        )
    benchmarks = {}
    for name, part in raw["benchmarks"].items():
        try:
            benchmarks[name] = _parse_benchmark(part)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: benchmark '{name}': {_reason(error)}") from error
        if benchmarks_folder is not None:
            _check_fingerprint(path, name, benchmarks[name], benchmarks_folder / name)
    return RunScores(
        **{key: raw[key] for key in ("profile", "run", "model", "combination", "headline")},
        benchmarks=benchmarks,
    )


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f"{path}: no such score file; run `dvc repro evaluate`")
    try:
        raw = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: truncated or not JSON: {error}") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise ValueError(f"{path}: not a score file: 'format' must be '{FORMAT}'")
    if raw.get("version") != VERSION:
        raise ValueError(
            f"{path}: format version {raw.get('version')}, this code reads {VERSION}; "
            "score the run again"
        )
    expected = ("profile", "run", "model", "combination", "headline", "benchmarks")
    if missing := [key for key in expected if key not in raw]:
        raise ValueError(f"{path}: truncated: missing {missing}")
    return raw


def _check_fingerprint(path: Path, name: str, scored: BenchmarkScores, folder: Path) -> None:
    if (now := fingerprint(folder)) != scored.fingerprint:
        raise ValueError(
            f"{path}: benchmark '{name}' changed since it was scored: its index.json has sha256 "
            f"{now[:12]}, scored was {scored.fingerprint[:12]}; score the run again"
        )


def _reason(error: Exception) -> str:
    return f"missing key {error}" if isinstance(error, KeyError) else str(error)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _benchmark_text(part: BenchmarkScores, headline: str) -> str:
    """Encode one benchmark with one image per line."""
    summaries = {
        view: {key: _number(value) for key, value in summarise(counts).items()}
        for view, counts in part.views.items()
    }
    head = {
        "fingerprint": part.fingerprint,
        "absent": part.absent,
        "scores": None if part.absent else summaries,
        "calibration": None
        if part.absent
        else {view: counts.calibration.tolist() for view, counts in part.views.items()},
    }
    lines = [f"   {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    rows = [f"    {json.dumps(_image_row(part, index))}" for index in range(len(part.keys))]
    images = "null" if part.absent else "[\n" + ",\n".join(rows) + "\n   ]"
    return "{\n" + ",\n".join([*lines, f'   "images": {images}']) + "\n  }"


def _image_row(part: BenchmarkScores, index: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "key": part.keys[index],
        "occluder_kind": part.occluder_kinds[index],
        "size": list(part.sizes[index]),
    }
    for view, counts in part.views.items():
        row[view] = {
            "counts": counts.counts[index].tolist(),
            "boundary": counts.boundary[index].tolist(),
        }
    if part.previews and part.previews[index] is not None:
        row["preview"] = part.previews[index]
    return row


def _parse_benchmark(raw: Mapping[str, Any]) -> BenchmarkScores:
    if raw["absent"] is not None:
        return BenchmarkScores(fingerprint=raw["fingerprint"], absent=raw["absent"])
    rows = raw["images"]
    views = {}
    for view, calibration in raw["calibration"].items():
        views[view] = ViewCounts(
            counts=_columns([row[view]["counts"] for row in rows], 4),
            boundary=_columns([row[view]["boundary"] for row in rows], 2),
            calibration=np.asarray(calibration, dtype=float),
        )
        _check_agrees(view, raw["scores"][view]["miou"], summarise(views[view])["miou"])
    return BenchmarkScores(
        fingerprint=raw["fingerprint"],
        keys=[row["key"] for row in rows],
        occluder_kinds=[row["occluder_kind"] for row in rows],
        sizes=[(row["size"][0], row["size"][1]) for row in rows],
        views=views,
        previews=[row.get("preview") for row in rows],
    )


def _check_agrees(view: str, stored: float | None, again: float) -> None:
    if not math.isclose(math.nan if stored is None else stored, again, abs_tol=1e-9) and not (
        stored is None and math.isnan(again)
    ):
        raise ValueError(f"scores.{view}.miou is {stored}, but its counts give {_number(again)}")


def _columns(rows: list[list[int]], width: int) -> np.ndarray:
    table = np.asarray(rows, dtype=np.int64).reshape(len(rows), -1)
    if table.shape[1] != width and len(rows):
        raise ValueError(f"images: expected {width} counts per image; got {table.shape[1]}")
    return table.reshape(len(rows), width)
