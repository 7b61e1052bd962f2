"""The grid of results: every combination, benchmark and model, with intervals and the paper's cell.

The grid comes from the parameters (`runs`, `combinations`, `models`), never from the files found:
a score file of a run that left the grid is not shown, and a run without scores is an error.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product, starmap
from typing import Annotated

import numpy as np

from face_occlusion.core.params import Checked, Meta, Natural
from face_occlusion.evaluation.bootstrap import Estimate, Resampled, estimate_sum, resample_weights
from face_occlusion.evaluation.measures import MEASURES, ViewCounts, resample_every, summarise
from face_occlusion.evaluation.scores import BenchmarkScores, ImageFacts, RunScores
from face_occlusion.reporting.cells import Axes, Cell, CellKey, paper_cells


@dataclass(frozen=True, kw_only=True)
class BootstrapParams(Checked):
    """Section `report.bootstrap` of params.yaml."""

    num_resamples: Annotated[int, Meta(ge=100, le=100_000)]
    confidence: Annotated[float, Meta(gt=0, lt=1)]
    seed: Natural


class Grid:
    """All results of a profile, with intervals by a paired bootstrap over images (and seeds).

    `runs` are score files by name of the run, one for each of `runs` in params.yaml. Runs of one
    combination and model with different seeds share a cell, which shows their mean. Two runs that
    share a cell and a seed, scored different images under one benchmark's name, or were scored in
    different ways, are a ValueError.
    """

    def __init__(self, axes: Axes, runs: Mapping[str, RunScores], params: BootstrapParams) -> None:
        self.axes = axes
        self.params = params
        self.runs: dict[tuple[str, str], list[RunScores]] = {}
        by_title = {title: key for key, title in axes.combinations.items()}
        for name, scores in runs.items():
            self._add_run(name, (by_title[scores.combination], scores.model), scores)
        self._check_comparable()
        self._weights: dict[str, np.ndarray] = {}
        self._resampled: dict[tuple[CellKey, str, str], Resampled] = {}
        self._num_images: dict[tuple[CellKey, str, str], int] = {}
        self.cells = {key: self._cell(key) for key in self.keys(axes.benchmarks)}

    def _add_run(self, name: str, key: tuple[str, str], scores: RunScores) -> None:
        mates = self.runs.setdefault(key, [])
        for mate in mates:
            if mate.seed == scores.seed:
                raise ValueError(
                    f"runs '{name}' and '{mate.run}' are the same cell with the same seed "
                    f"{scores.seed}; give one another `seed` in `runs` of params.yaml"
                )
        mates.append(scores)
        mates.sort(key=lambda mate: mate.seed)

    def _check_comparable(self) -> None:
        """Refuse runs that were seen, or scored, in different ways: they share tables and pairs."""
        runs = [scores for mates in self.runs.values() for scores in mates]
        seen: dict[str, tuple[str, tuple[str, list[str]]]] = {}
        for scores in runs:
            for key in ("headline", "inference"):
                ours, others = getattr(scores, key), getattr(runs[0], key)
                if ours != others:
                    raise ValueError(
                        f"runs '{runs[0].run}' and '{scores.run}' were scored with different "
                        f"'{key}': {others!r} and {ours!r}; score both again"
                    )
            for name, part in scores.benchmarks.items():
                mark = part.fingerprint, part.keys
                other, first = seen.setdefault(name, (scores.run, mark))
                if mark != first:
                    raise ValueError(
                        f"benchmark '{name}': runs '{other}' and '{scores.run}' were scored on "
                        "different images, or in another order; score both again"
                    )

    def keys(self, benchmarks: Iterable[str]) -> Iterator[CellKey]:
        """Name the cells of some benchmarks, row by row of a table."""
        return starmap(CellKey, product(self.axes.combinations, benchmarks, self.axes.models))

    def select(self, benchmarks: Iterable[str]) -> list[Cell]:
        """Return the cells of some benchmarks, row by row of a table."""
        return [self.cells[key] for key in self.keys(benchmarks)]

    def parts(self, key: CellKey) -> list[tuple[RunScores, BenchmarkScores]]:
        """Return a cell's runs, one for each seed, with their scores; none for an empty cell."""
        runs = self.runs.get((key.combination, key.model), [])
        pairs = [(run, run.benchmarks.get(key.benchmark)) for run in runs]
        return [(run, part) for run, part in pairs if part is not None and part.absent is None]

    def first_part(self, key: CellKey) -> BenchmarkScores | None:
        """Return what is shown of a cell's single images: the lowest seed's; None if empty."""
        return next((part for _, part in self.parts(key)), None)

    def images(self, benchmark: str) -> list[ImageFacts]:
        """Return what is known of a benchmark's images; none if no run scored it."""
        parts = map(self.first_part, self.keys([benchmark]))
        return next((part.images for part in parts if part is not None), [])

    def difference(
        self, first: str, second: str, benchmark: str, model: str, measure: str = "miou"
    ) -> Estimate | None:
        """Estimate first less second combination, paired over images; None if a cell is empty."""
        keys = (CellKey(name, benchmark, model) for name in (first, second))
        return self.compare(*keys, measures=(measure, measure))

    def compare(
        self, first: CellKey, second: CellKey, measures: tuple[str, str] = ("miou", "miou")
    ) -> Estimate | None:
        """Estimate first less second cell, each by its measure; None if empty.

        Cells of one benchmark are paired over images, those of two drawn each on its own.
        """
        if not self.parts(first) or not self.parts(second):
            return None
        one, other = self.resampled(first, measures[0]), self.resampled(second, measures[1])
        terms = [(1, one), (-1, other)]
        if first == second:  # the same networks: their seeds are paired too
            terms = [(1, one - other)]
        num_images = min(map(self.num_images, (first, second), measures))
        return self.estimate_sum(terms, num_images, "/".join((*first, *second)))

    def estimate(self, key: CellKey, measure: str, view: str | None = None) -> Estimate | None:
        """Estimate any measure of a cell, by default of the headline view; None if it is empty."""
        if not self.parts(key):
            return None
        terms = [(1, self.resampled(key, measure, view))]
        return self.estimate_sum(terms, self.num_images(key, measure, view), "/".join(key))

    def estimate_sum(
        self, terms: Sequence[tuple[float, Resampled]], num_images: int, name: str
    ) -> Estimate:
        """Estimate a weighted sum of cells; its `name` decides which seeds are drawn."""
        return estimate_sum(terms, num_images, self.params.confidence, self.rng(name))

    def num_images(self, key: CellKey, measure: str, view: str | None = None) -> int:
        """Count the images of a cell that hold something to score, which an interval rests on.

        Most faces may have no occluded region, say: they are no evidence.
        """
        asked = key, measure, view or ""
        if asked not in self._num_images:
            scores = (
                MEASURES[measure].per_image(part.views[view or run.headline])
                for run, part in self.parts(key)
            )
            self._num_images[asked] = min(int((~np.isnan(score)).sum()) for score in scores)
        return self._num_images[asked]

    def resampled(self, key: CellKey, measure: str, view: str | None = None) -> Resampled:
        """Return a measure of a cell with its resamples; a ValueError if the cell is empty.

        Cells of one benchmark have the same resamples.
        """
        parts = self.parts(key)
        if not parts:
            raise ValueError(f"no scores for {key}")
        view = view or parts[0][0].headline
        if (key, measure, view) not in self._resampled:
            weights = self.weights(key.benchmark)
            self._resampled |= {
                (key, name, view): cell
                for name, cell in _resample([part.views[view] for _, part in parts], weights)
            }
        return self._resampled[key, measure, view]

    def resample(
        self, key: CellKey, images: np.ndarray, measures: Sequence[str]
    ) -> dict[str, Resampled]:
        """Score some images, by their (n,) numbers, of a cell with scores; headline view.

        The resamples are those of the whole benchmark: what they drew of these images.
        """
        weights = self.weights(key.benchmark)[:, images]
        views = [part.views[run.headline].take(images) for run, part in self.parts(key)]
        return dict(_resample(views, weights, measures))

    def weights(self, benchmark: str) -> np.ndarray:
        """Return how often each resample drew each image of a benchmark, (B, N)."""
        if benchmark not in self._weights:
            sizes = len(self.images(benchmark)), self.params.num_resamples
            self._weights[benchmark] = resample_weights(*sizes, self.rng(benchmark))
        return self._weights[benchmark]

    def rng(self, name: str) -> np.random.Generator:
        """Return the randomness of one purpose, from its name: order changes nothing."""
        return np.random.default_rng([zlib.crc32(name.encode()), self.params.seed])

    def _cell(self, key: CellKey) -> Cell:
        paper = paper_cells().get(key)
        runs = self.runs.get((key.combination, key.model))
        if not runs:
            return Cell(key=key, paper=paper, empty="no such run in params.yaml")
        parts = self.parts(key)
        if not parts:
            part = runs[0].benchmarks.get(key.benchmark)
            reason = part.absent if part else "not among evaluate.benchmarks in params.yaml"
            return Cell(key=key, paper=paper, empty=reason)
        return Cell(
            key=key,
            paper=paper,
            estimate=self.estimate(key, "miou"),
            num_images=len(parts[0][1].images),
            scores=_mean_scores([part for _, part in parts]),
            headline=runs[0].headline,
        )


def _resample(
    views: Sequence[ViewCounts], weights: np.ndarray, measures: Sequence[str] = tuple(MEASURES)
) -> Iterator[tuple[str, Resampled]]:
    values = [summarise(view, measures) for view in views]
    resamples = [resample_every(view, weights, measures) for view in views]
    for key in measures:
        each = np.array([value[key] for value in values])
        stacked = np.stack([resample[key] for resample in resamples])
        yield key, Resampled(values=each, resamples=stacked)


def shared_views(parts: Sequence[BenchmarkScores]) -> list[str]:
    """Return the views that every seed has: of another there is no mean over the seeds."""
    return [view for view in parts[0].views if all(view in part.views for part in parts)]


def _mean_scores(parts: Sequence[BenchmarkScores]) -> dict[str, dict[str, float]]:
    means = {}
    for view in shared_views(parts):
        runs = [summarise(part.views[view]) for part in parts]
        means[view] = {key: float(np.mean([run[key] for run in runs])) for key in MEASURES}
    return means


def mean_over_models(
    grid: Grid, combination: str, benchmark: str, models: Iterable[str] | None = None
) -> float | None:
    """Average a combination's mIoU on a benchmark over (these) models with a score, per cent."""
    models = grid.axes.models if models is None else models
    cells = [grid.cells[CellKey(combination, benchmark, model)] for model in models]
    scores = [cell.estimate.value for cell in cells if cell.estimate is not None]
    return round(100 * sum(scores) / len(scores), 2) if scores else None


def mean_difference(grid: Grid, first: str, second: str, benchmark: str) -> Estimate | None:
    """Estimate first less second combination, mean over the models; None if a cell is empty."""
    terms, number = [], len(grid.axes.models)
    for model in grid.axes.models:
        for name, weight in ((first, 1 / number), (second, -1 / number)):
            if not grid.parts(key := CellKey(name, benchmark, model)):
                return None
            terms.append((weight, grid.resampled(key, "miou")))
    name = "/".join((first, second, benchmark))
    return grid.estimate_sum(terms, len(grid.images(benchmark)), name)
