"""What a claim may ask of a set of results: ours, or the numbers that the paper prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from face_occlusion.evaluation.bootstrap import Estimate
from face_occlusion.reporting import paper
from face_occlusion.reporting.grid import Grid
from face_occlusion.reporting.paper import Place, paper_cells

TABLE_4 = ("realocc", "cofw", "realocc_wild")
TABLE_5 = ("wo_test", "cofw_aligned")
BENCHMARKS = TABLE_4 + TABLE_5
CNNS = ("pspnet", "deeplabv3plus")
MODELS = (*CNNS, "segformer")
CLASS_MEASURES = ("iou_background", "iou_face")
COMBINATIONS = (
    "c_original",
    "c_cm",
    "c_wo",
    "c_wo_natocc",
    "c_wo_natocc_sot",
    "c_wo_randocc",
    "c_wo_mix",
    "c_cm_natocc",
    "c_cm_natocc_sot",
)


class Pair(NamedTuple):
    """Two cells to compare, first less second; or two measures of one cell."""

    first: Place
    second: Place
    measures: tuple[str, str] = ("miou", "miou")


def between(
    combinations: Iterable[tuple[str, str]],
    benchmarks: Sequence[str],
    models: Sequence[str] = MODELS,
) -> list[Pair]:
    """Pair combinations, first and second, in each benchmark and model."""
    return [
        Pair(Place(first, benchmark, model), Place(second, benchmark, model))
        for first, second in combinations
        for benchmark in benchmarks
        for model in models
    ]


@dataclass(frozen=True, kw_only=True)
class Gap:
    """First less second cell of a pair, in per cent points, two decimals as tables print them."""

    value: float
    estimate: Estimate | None = None  # fractions; None for printed numbers, which have no margin


class Evidence(Protocol):
    """A set of results; scores in per cent."""

    @property
    def printed(self) -> bool:
        """Whether these are the paper's own numbers."""
        ...

    def score(self, place: Place, measure: str = "miou") -> float | None:
        """Return a measure of a cell, two decimals; None for an empty cell or where not known."""
        ...

    def gap(self, pair: Pair) -> Gap | None:
        """Compare two cells; None if either is empty."""
        ...

    def images(self, name: str) -> int | None:
        """Return a number of images: see `OurEvidence.counts`; None where not known."""
        ...


class PaperEvidence:
    """The paper's Tables 2, 4 and 5 and the class IoU that its section 4.2 quotes."""

    printed = True

    def score(self, place: Place, measure: str = "miou") -> float | None:
        """Return the printed mIoU; the IoU of a class too for PSPNet on C-Original, RealOcc."""
        if measure in CLASS_MEASURES and place == Place("c_original", "realocc", "pspnet"):
            return paper.CLASS_IOU[CLASS_MEASURES.index(measure)]
        cell = paper_cells().get(place)
        return None if cell is None or measure != "miou" else cell.miou

    def gap(self, pair: Pair) -> Gap | None:
        """Subtract two printed values."""
        value = _printed_gap(self, pair)
        return None if value is None else Gap(value=value)

    def images(self, name: str) -> int | None:
        """Return a number of images that the paper prints."""
        return paper.IMAGES.get(name)


@dataclass(frozen=True, kw_only=True)
class OurEvidence:
    """Our grid and the sizes of our image sets.

    Attributes:
        grid: All results.
        counts: Images by name: `wo`, `wo_test`, `o`, `excluded`, `release` (the sum),
            `corrected`, and `COMBINATION` and `COMBINATION.generated` for each combination's
            photographs and generated images. A name that is not there was not counted.
    """

    grid: Grid
    counts: Mapping[str, int]
    printed: bool = False

    def score(self, place: Place, measure: str = "miou") -> float | None:
        """Return a measure of our cell."""
        cell = self.grid.cells.get(place)
        if cell is None or cell.estimate is None:
            return None
        return round(100 * cell.scores[cell.headline][measure], 2)

    def gap(self, pair: Pair) -> Gap | None:
        """Estimate a difference: paired over images, or of two benchmarks each on its own."""
        value, margin = _printed_gap(self, pair), self.grid.compare(*pair)
        if value is None or margin is None:
            return None
        return Gap(value=value, estimate=margin)

    def images(self, name: str) -> int | None:
        """Return a number of our images."""
        return self.counts.get(name)


def _printed_gap(evidence: Evidence, pair: Pair) -> float | None:
    """Subtract two cells as they are printed, two decimals."""
    first, second = map(evidence.score, pair[:2], pair.measures)
    return None if first is None or second is None else round(first - second, 2)
