"""The grid of results: every combination, benchmark and model, with margins and the paper's cell.

The grid comes from the parameters (`runs`, `combinations`, `models`), never from the files found:
a score file of a run that left the grid is not shown, and a run without scores is an error.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product, starmap
from typing import Any

import numpy as np

from face_occlusion.evaluation import metrics
from face_occlusion.evaluation.bootstrap import Estimate, estimate, pooled, resample_weights
from face_occlusion.evaluation.scores import RunScores, ViewCounts, summarise
from face_occlusion.reporting.paper import PaperCell, Place, paper_cells


@dataclass(frozen=True, kw_only=True)
class BootstrapParams:
    """Section `report.bootstrap` of params.yaml."""

    num_resamples: int
    confidence: float
    seed: int

    def __post_init__(self) -> None:
        if not 100 <= self.num_resamples <= 100_000:
            raise ValueError(f"num_resamples must lie in [100, 100000]; got {self.num_resamples}")
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence must lie in (0, 1); got {self.confidence}")


@dataclass(frozen=True, kw_only=True)
class Axes:
    """Keys and titles of the grid, in the order of params.yaml."""

    combinations: dict[str, str]
    models: dict[str, str]
    benchmarks: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One combination on one benchmark with one model; scores as fractions.

    Exactly one of `estimate` and `empty` is None.
    """

    place: Place
    paper: PaperCell | None
    estimate: Estimate | None = None
    empty: str | None = None  # why there is no score
    run: str | None = None
    num_images: int = 0
    scores: dict[str, dict[str, float]] = field(default_factory=dict)  # by view, of `summarise`
    headline: str = ""  # the view that `estimate` is of

    @property
    def ours(self) -> float | None:
        """Our mIoU in per cent, two decimals as tables print it; None if empty."""
        return None if self.estimate is None else round(100 * self.estimate.value, 2)

    @property
    def printed(self) -> float | None:
        """The paper's mIoU in per cent; None where the paper has no such cell."""
        return None if self.paper is None else self.paper.miou

    @property
    def difference(self) -> float | None:
        """Ours less the paper's, in per cent points; None if either is missing."""
        if self.ours is None or self.printed is None:
            return None
        return round(self.ours - self.printed, 2)


def axes_of(
    combinations: Mapping[str, Any], models: Mapping[str, Any], benchmarks: Mapping[str, str]
) -> Axes:
    """Take the grid's axes from the sections of params.yaml.

    Raises:
        ValueError: If two combinations share a title: runs name their combination by it.
    """
    titles = {key: value["title"] for key, value in combinations.items()}
    if len(set(titles.values())) < len(titles):
        raise ValueError(f"combinations: titles must differ; got {sorted(titles.values())}")
    return Axes(
        combinations=titles,
        models={key: value["title"] for key, value in models.items()},
        benchmarks=dict(benchmarks),
    )


class Grid:
    """All results of a profile, with margins by a paired bootstrap over images.

    Args:
        axes: What the grid spans.
        runs: Score files by name of the run, one for each of `runs` in params.yaml.
        params: Of the bootstrap.

    Raises:
        ValueError: If a run's model or combination is not on the axes, two runs share a cell, or
            two runs scored different images under one benchmark's name.
    """

    def __init__(self, axes: Axes, runs: Mapping[str, RunScores], params: BootstrapParams) -> None:
        self.axes = axes
        self.params = params
        self.runs: dict[tuple[str, str], RunScores] = {}
        by_title = {title: key for key, title in axes.combinations.items()}
        for name, scores in runs.items():
            if scores.combination not in by_title or scores.model not in axes.models:
                raise ValueError(
                    f"run '{name}': scored as {scores.model} on '{scores.combination}', which "
                    "params.yaml no longer has; score the run again"
                )
            place = (by_title[scores.combination], scores.model)
            if place in self.runs:
                raise ValueError(f"runs '{name}' and '{self.runs[place].run}' are the same cell")
            self.runs[place] = scores
        self._check_same_benchmarks()
        self._weights: dict[str, np.ndarray] = {}
        self._pools: dict[Place, np.ndarray] = {}
        self.cells = {
            place: self._cell(place)
            for place in starmap(Place, product(axes.combinations, axes.benchmarks, axes.models))
        }

    def _check_same_benchmarks(self) -> None:
        seen: dict[str, tuple[str, str]] = {}
        for scores in self.runs.values():
            for name, part in scores.benchmarks.items():
                other, mark = seen.setdefault(name, (scores.run, part.fingerprint))
                if mark != part.fingerprint:
                    raise ValueError(
                        f"benchmark '{name}': runs '{other}' and '{scores.run}' were scored on "
                        "different images; score both again"
                    )

    def select(self, benchmarks: Sequence[str]) -> list[Cell]:
        """Return the cells of some benchmarks, row by row of a table."""
        return [
            self.cells[Place(combination, benchmark, model)]
            for combination in self.axes.combinations
            for benchmark in benchmarks
            for model in self.axes.models
        ]

    def view(self, place: Place) -> ViewCounts | None:
        """Return a run's headline counts on a benchmark; None for an empty cell."""
        run = self.runs.get((place.combination, place.model))
        part = run.benchmarks.get(place.benchmark) if run else None
        return part.views[run.headline] if run and part and part.absent is None else None

    def difference(self, first: str, second: str, benchmark: str, model: str) -> Estimate | None:
        """Estimate first less second combination: pooled mIoU, paired over images, as a fraction.

        Returns:
            The estimate, or None if either cell is empty.
        """
        places = Place(first, benchmark, model), Place(second, benchmark, model)
        views = self.view(places[0]), self.view(places[1])
        if views[0] is None or views[1] is None:
            return None
        value = metrics.mean_iou(views[0].counts.sum(axis=0))
        value -= metrics.mean_iou(views[1].counts.sum(axis=0))
        resampled = self._pool(places[0]) - self._pool(places[1])
        return estimate(float(value), resampled, len(views[0].counts), self.params.confidence)

    def _cell(self, place: Place) -> Cell:
        paper = paper_cells().get(place)
        run = self.runs.get((place.combination, place.model))
        if run is None:
            return Cell(place=place, paper=paper, empty="no such run in params.yaml")
        part = run.benchmarks.get(place.benchmark)
        if part is None or part.absent is not None:
            reason = part.absent if part else "not among evaluate.benchmarks in params.yaml"
            return Cell(place=place, paper=paper, empty=reason, run=run.run)
        scores = {name: summarise(view) for name, view in part.views.items()}
        margin = estimate(
            scores[run.headline]["miou"],
            self._pool(place),
            len(part.keys),
            self.params.confidence,
        )
        return Cell(
            place=place,
            paper=paper,
            estimate=margin,
            run=run.run,
            num_images=len(part.keys),
            scores=scores,
            headline=run.headline,
        )

    def _pool(self, place: Place) -> np.ndarray:
        """Return the pooled mIoU of each resample, (B,); one benchmark, the same resamples."""
        if place not in self._pools:
            view = self.view(place)
            if view is None:
                raise ValueError(f"no scores for {place}")
            if place.benchmark not in self._weights:
                # A seed of its own for each benchmark, from its name: order changes nothing.
                seed = [zlib.crc32(place.benchmark.encode()), self.params.seed]
                self._weights[place.benchmark] = resample_weights(
                    len(view.counts), self.params.num_resamples, np.random.default_rng(seed)
                )
            self._pools[place] = pooled(
                view.counts, self._weights[place.benchmark], metrics.mean_iou
            )
        return self._pools[place]


def best_of_columns(cells: Sequence[Cell], *, paper: bool = False) -> set[Place]:
    """Find the best cells of each column (benchmark and model), ties included (Q39).

    Values tie when they are printed alike, to two decimals of per cent.

    Args:
        cells: The cells of a table.
        paper: Compare the paper's values instead of ours.

    Returns:
        The places of the best cells.
    """
    columns: dict[tuple[str, str], list[tuple[float, Cell]]] = {}
    for cell in cells:
        value = cell.printed if paper else cell.ours
        if value is not None:
            columns.setdefault((cell.place.benchmark, cell.place.model), []).append((value, cell))
    return {
        cell.place
        for column in columns.values()
        for value, cell in column
        if value == max(other for other, _ in column)
    }
