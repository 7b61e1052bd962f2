"""What the grid of results is made of: its axes and its cells, ours beside the paper's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from face_occlusion.evaluation.bootstrap import Estimate
from face_occlusion.reporting.paper import PaperCell, Place


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
    run: str | None = None  # of the lowest seed
    seeds: list[int] = field(default_factory=list)
    num_images: int = 0
    scores: dict[str, dict[str, float]] = field(default_factory=dict)  # by view; mean over seeds
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
