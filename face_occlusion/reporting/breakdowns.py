"""Scores as long tables: of every measure, of groups of images and of seeds.

Every table is read off the score files alone. Scores are in per cent, NaN where undefined.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise, product
from itertools import combinations as pairs_of
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd

from face_occlusion.core.params import FILLED, Checked, Meta, read_yaml
from face_occlusion.evaluation.bootstrap import Estimate, Resampled
from face_occlusion.evaluation.measures import MEASURES, summarise
from face_occlusion.evaluation.metrics import CLASSES
from face_occlusion.evaluation.scores import BenchmarkScores, ImageFacts, RunScores
from face_occlusion.reporting.cells import CellKey
from face_occlusion.reporting.grid import Grid, shared_views

_TEXTS = read_yaml(Path(__file__).with_name("breakdowns.yaml"))
FACTOR_TITLES = {key: factor["title"] for key, factor in _TEXTS["factors"].items()}
FACTOR_NOTES = {key: factor["note"] for key, factor in _TEXTS["factors"].items()}
TONES: dict[str, float] = _TEXTS["tones"]
MEASURED = ("miou", "iou_face", "boundary_iou")  # of groups of images
NOT_NAMED = "not named"
NOT_MEASURED = "not measured"
MEAN_MODEL = "mean"


@dataclass(frozen=True, kw_only=True)
class BreakdownParams(Checked):
    """Section `report.breakdown` of params.yaml."""

    occluder_kinds: str  # CSV of kinds written down by hand; see `name_kinds`
    # Between the bins of the occluded share.
    covered_edges: Annotated[Sequence[Annotated[float, Meta(gt=0, lt=1)]], FILLED]

    def __post_init__(self) -> None:
        super().__post_init__()
        edges = list(self.covered_edges)
        if edges != sorted(set(edges)):
            raise ValueError(f"covered_edges must increase; got {edges}")

    @property
    def covered_titles(self) -> list[str]:
        """Titles of the bins, least occluded first."""
        cent = [f"{100 * edge:g}" for edge in self.covered_edges]
        middle = [f"{low} to {high} %" for low, high in pairwise(cent)]
        return [f"under {cent[0]} %", *middle, f"{cent[-1]} % and more"]


def tone_of(ita_deg: float | None) -> str:
    """Name the class of an angle; an angle on an edge belongs to the darker class."""
    if ita_deg is None:
        return NOT_MEASURED
    return next(name for name, low in TONES.items() if ita_deg > low)


def level_of(image: ImageFacts, factor: str, params: BreakdownParams) -> str:
    """Name the group of an image within a factor."""
    if factor == "occluder_kind":
        return (image.occluder_kind or NOT_NAMED).replace("_", " ")
    if factor == "skin_tone":
        return tone_of(image.ita_deg)
    if image.covered_frac is None:
        return NOT_MEASURED
    index = np.searchsorted(params.covered_edges, image.covered_frac, side="right")
    return params.covered_titles[int(index)]


def breakdown_table(grid: Grid, params: BreakdownParams) -> pd.DataFrame:
    """Score groups of images: by occluder, by share occluded, by skin tone.

    One row for each benchmark, factor, level, combination, model (and `mean`, over the models) and
    measure of `MEASURED`. The resamples of a group are those of the whole benchmark, so that groups
    and combinations stay paired. Levels without images have no rows; `level` is ordered for
    display, kinds by name, unknown last.
    """
    names = {
        factor: {
            benchmark: [level_of(image, factor, params) for image in grid.images(benchmark)]
            for benchmark in grid.axes.benchmarks
        }
        for factor in FACTOR_TITLES
    }
    last = [NOT_NAMED, NOT_MEASURED]
    kinds = sorted(set(chain(*names["occluder_kind"].values())) - set(last))
    order = [*kinds, *params.covered_titles, *TONES, *last]
    rows = []
    for factor, level, benchmark in product(names, order, grid.axes.benchmarks):
        images = np.flatnonzero([name == level for name in names[factor][benchmark]])
        if len(images):
            rows += _group_rows(grid, benchmark, factor, level, images)
    columns = ["benchmark", "factor", "level", "combination", "model", "measure", "num_images"]
    frame = pd.DataFrame(rows, columns=[*columns, "value", "low", "high"])
    frame["level"] = pd.Categorical(frame["level"], order, ordered=True)
    return frame


def _group_rows(
    grid: Grid, benchmark: str, factor: str, level: str, images: np.ndarray
) -> Iterator[dict[str, object]]:
    group: dict[str, object] = {"benchmark": benchmark, "factor": factor, "level": level}
    for combination in grid.axes.combinations:
        keys = [CellKey(combination, benchmark, model) for model in grid.axes.models]
        resampled = {
            key.model: grid.resample(key, images, MEASURED) for key in keys if grid.parts(key)
        }
        for measure in MEASURED:
            cells = {model: scores[measure] for model, scores in resampled.items()}
            for model, interval in _intervals(grid, cells, len(images)):
                row = group | {"combination": combination, "model": model, "measure": measure}
                yield row | {"num_images": len(images), **_per_cent(interval)}


def _intervals(
    grid: Grid, cells: dict[str, Resampled], num_images: int
) -> Iterator[tuple[str, Estimate]]:
    """Estimate each model's cell, and their mean where there are several."""
    terms = {model: [(1.0, cell)] for model, cell in cells.items()}
    if len(cells) > 1:
        terms[MEAN_MODEL] = [(1 / len(cells), cell) for cell in cells.values()]
    for model, term in terms.items():
        yield model, grid.estimate_sum(term, num_images, model)


def measure_table(grid: Grid) -> pd.DataFrame:
    """Every score of every view of every cell with its interval; see `shared_views`."""
    rows = []
    for key in grid.cells:
        parts = [part for _, part in grid.parts(key)]
        for view, measure in product(shared_views(parts) if parts else (), MEASURES):
            interval = grid.estimate(key, measure, view)
            if interval is not None:
                row = {**key._asdict(), "view": view, "measure": measure, **_per_cent(interval)}
                rows.append(row | _support(interval))
    return pd.DataFrame(rows)


def difference_table(grid: Grid) -> pd.DataFrame:
    """Differences of every two combinations, paired over images: first minus second, in points."""
    rows = []
    for (first, second), benchmark, model, measure in product(
        pairs_of(grid.axes.combinations, 2), grid.axes.benchmarks, grid.axes.models, MEASURES
    ):
        interval = grid.difference(first, second, benchmark, model, measure)
        if interval is not None:
            row = {"benchmark": benchmark, "model": model, "first": first, "second": second}
            row |= {"measure": measure, **_per_cent(interval), "p_value": interval.p_value()}
            rows.append(row | _support(interval))
    return pd.DataFrame(rows)


def confusion_table(grid: Grid) -> pd.DataFrame:
    """Pixels by class and prediction, headline view; `share` is of the actual class."""
    rows = []
    for key in grid.cells:
        for run, part in grid.parts(key):
            matrix = part.views[run.headline].counts.sum(axis=0).reshape(2, 2)  # row = target
            for (i, actual), (j, predicted) in product(enumerate(CLASSES), repeat=2):
                pixels, total = int(matrix[i, j]), matrix[i].sum()
                share = pixels / total if total else np.nan
                rows.append([*key, run.seed, actual, predicted, pixels, share])
    columns = [*CellKey._fields, "seed", "actual", "predicted", "pixels", "share"]
    return pd.DataFrame(rows, columns=columns)


def seed_table(grid: Grid) -> pd.DataFrame:
    """The pooled mIoU of each run: several rows for a cell only where it has several seeds."""
    rows = []
    for key in grid.cells:
        for run, part in grid.parts(key):
            miou = 100 * summarise(part.views[run.headline], ["miou"])["miou"]
            rows.append({**key._asdict(), "seed": run.seed, "run": run.run, "miou": miou})
    return pd.DataFrame(rows)


def _per_cent(interval: Estimate) -> dict[str, float]:
    return {"value": 100 * interval.value, "low": 100 * interval.low, "high": 100 * interval.high}


def _support(interval: Estimate) -> dict[str, int]:
    return {"num_images": interval.num_images, "num_seeds": interval.num_seeds}


COLUMNS = ["benchmark", "key", "occluder_kind"]


def name_kinds(runs: Mapping[str, RunScores], path: Path) -> dict[str, RunScores]:
    """Replace the kinds that file names give by those of a CSV of benchmark, key, occluder_kind.

    No such file, other columns, an empty value, an image twice, and one that is in no scored
    benchmark are a ValueError.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; report.breakdown.occluder_kinds names it")
    parts = chain.from_iterable(scores.benchmarks.items() for scores in runs.values())
    known = {(name, key) for name, part in parts for key in part.keys}
    kinds: dict[tuple[str, str], str] = {}
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != COLUMNS:
            raise ValueError(f"{path}: columns must be {COLUMNS}; got {reader.fieldnames}")
        for row in reader:
            where = f"{path}: line {reader.line_num}"
            if None in row or not all(row[column] for column in COLUMNS):
                raise ValueError(f"{where}: must hold {', '.join(COLUMNS)}; got {row}")
            benchmark, key = image = (row["benchmark"], row["key"])
            if image in kinds:
                raise ValueError(f"{where}: '{key}' of '{benchmark}' is listed twice")
            if image not in known:
                raise ValueError(f"{where}: no image '{key}' in benchmark '{benchmark}'")
            kinds[image] = row["occluder_kind"]

    def named(name: str, part: BenchmarkScores) -> BenchmarkScores:
        by_hand = [kinds.get((name, image.key), image.occluder_kind) for image in part.images]
        pairs = zip(part.images, by_hand, strict=True)
        return replace(part, images=[replace(image, occluder_kind=kind) for image, kind in pairs])

    return {
        run: replace(
            scores, benchmarks={name: named(name, part) for name, part in scores.benchmarks.items()}
        )
        for run, scores in runs.items()
    }
