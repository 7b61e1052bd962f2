"""The cells of the results, ours and those of the paper, and other numbers that it prints.

Voo, Jiang, Loy, "Delving into High-Quality Synthetic Face Occlusion Segmentation Datasets",
CVPR Workshops 2022. Scores of the paper in per cent as printed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from face_occlusion.core.params import read_yaml
from face_occlusion.evaluation.bootstrap import Estimate


class CellKey(NamedTuple):
    """Where a cell stands: keys of params.yaml."""

    combination: str
    benchmark: str
    model: str


_NUMBERS = read_yaml(Path(__file__).with_name("paper_numbers.yaml"))
PARTITION: dict[str, int] = _NUMBERS["partition"]
IMAGES: dict[str, int] = PARTITION | _NUMBERS["images"]
CLASS_IOU: dict[str, float] = _NUMBERS["class_iou"]
BENCHMARK_IMAGES: dict[str, int] = _NUMBERS["benchmark_images"]


class PaperCell(NamedTuple):
    """One cell of Table 4 or 5."""

    table: int
    miou: float  # per cent, two decimals as printed
    quantity: str  # training images as printed in that table: "24602+49204"


@cache
def paper_cells() -> dict[CellKey, PaperCell]:
    """Read the 135 cells, by (combination, benchmark, model)."""
    table = pd.read_csv(Path(__file__).with_name("paper_cells.csv"), dtype={"quantity": str})
    keys = map(CellKey._make, table[list(CellKey._fields)].itertuples(index=False))
    cells = map(PaperCell._make, table[list(PaperCell._fields)].itertuples(index=False))
    return dict(zip(keys, cells, strict=True))


def paper_quantity(combination: str, table: int) -> str | None:
    """Return the training images that a table prints for a combination; None without such a row."""
    for (name, _, _), cell in paper_cells().items():
        if name == combination and cell.table == table:
            return " + ".join(f"{int(part):,}" for part in cell.quantity.split("+"))
    return None


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

    key: CellKey
    paper: PaperCell | None
    estimate: Estimate | None = None
    empty: str | None = None  # why there is no score
    num_images: int = 0
    scores: dict[str, dict[str, float]] = field(default_factory=dict)  # by view; mean over seeds
    headline: str = ""  # the view that `estimate` is of

    @property
    def ours(self) -> float | None:
        """Our mIoU in per cent, two decimals as tables print it; None if empty."""
        return None if self.estimate is None else round(100 * self.estimate.value, 2)

    @property
    def boundary(self) -> float | None:
        """Our boundary IoU of face in per cent, two decimals; None where there is none."""
        score = self.scores.get(self.headline, {}).get("boundary_iou", float("nan"))
        return round(100 * score, 2) if score == score else None

    @property
    def printed(self) -> float | None:
        """The paper's mIoU in per cent; None where the paper has no such cell."""
        return None if self.paper is None else self.paper.miou

    @property
    def difference(self) -> float | None:
        """Ours minus the paper's, in per cent points; None if either is missing."""
        if self.ours is None or self.printed is None:
            return None
        return round(self.ours - self.printed, 2)


def axes_of(
    combinations: Mapping[str, Any], models: Mapping[str, Any], benchmarks: Mapping[str, str]
) -> Axes:
    """Take the grid's axes from the sections of params.yaml.

    Two combinations that share a title are a ValueError: runs name their combination by it.
    """
    titles = {key: value["title"] for key, value in combinations.items()}
    if len(set(titles.values())) < len(titles):
        raise ValueError(f"combinations: titles must differ; got {sorted(titles.values())}")
    return Axes(
        combinations=titles,
        models={key: value["title"] for key, value in models.items()},
        benchmarks=dict(benchmarks),
    )


def best_of_columns(cells: Sequence[Cell], *, paper: bool = False) -> set[CellKey]:
    """Find the best cells of each column (benchmark and model), or the best of the `paper`'s.

    Ties are included: values that are printed alike, to two decimals of per cent.
    """
    shown = {cell.key: cell.printed if paper else cell.ours for cell in cells}
    known = {key: value for key, value in shown.items() if value is not None}
    best: dict[tuple[str, ...], float] = {}
    for key, value in known.items():
        best[key[1:]] = max(value, best.get(key[1:], value))
    return {key for key, value in known.items() if value == best[key[1:]]}
