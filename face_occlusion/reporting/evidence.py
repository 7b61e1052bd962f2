"""What a claim may ask of a set of results: ours, or the numbers that the paper prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from face_occlusion.evaluation.bootstrap import Estimate
from face_occlusion.reporting import paper
from face_occlusion.reporting.grid import Grid
from face_occlusion.reporting.paper import Place, paper_cells

TABLE_4 = ("realocc", "cofw", "realocc_wild")
TABLE_5 = ("wo_test", "cofw_aligned")
BENCHMARKS = TABLE_4 + TABLE_5
CNNS = ("pspnet", "deeplabv3plus")
MODELS = (*CNNS, "segformer")
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


@dataclass(frozen=True, kw_only=True)
class Gap:
    """First less second combination, in per cent points, two decimals as tables print them."""

    value: float
    estimate: Estimate | None = None  # fractions; None for printed numbers, which have no margin


class Evidence(Protocol):
    """A set of results; scores in per cent."""

    @property
    def printed(self) -> bool:
        """Whether these are the paper's own numbers."""
        ...

    def score(self, place: Place) -> float | None:
        """Return a cell's mIoU, two decimals; None for an empty cell."""
        ...

    def class_iou(self, place: Place) -> tuple[float, float] | None:
        """Return the IoU of background and face, two decimals; None where not known."""
        ...

    def gap(self, first: str, second: str, benchmark: str, model: str) -> Gap | None:
        """Compare two combinations; None if either cell is empty."""
        ...

    def margin(self, place: Place) -> Estimate | None:
        """Return a cell's own margin, fractions; None for an empty cell or printed numbers."""
        ...

    def images(self, name: str) -> int | None:
        """Return a number of images: see `OurEvidence.counts`; None where not known."""
        ...


class PaperEvidence:
    """The paper's Tables 2, 4 and 5 and the class IoU that its section 4.2 quotes."""

    printed = True

    def score(self, place: Place) -> float | None:
        """Return the printed mIoU of a cell."""
        cell = paper_cells().get(place)
        return None if cell is None else cell.miou

    def class_iou(self, place: Place) -> tuple[float, float] | None:
        """Return the one pair that the paper gives: PSPNet trained on C-Original, RealOcc."""
        known = Place("c_original", "realocc", "pspnet")
        return paper.CLASS_IOU if place == known else None

    def gap(self, first: str, second: str, benchmark: str, model: str) -> Gap | None:
        """Subtract two printed values."""
        values = [self.score(Place(name, benchmark, model)) for name in (first, second)]
        if values[0] is None or values[1] is None:
            return None
        return Gap(value=round(values[0] - values[1], 2))

    def margin(self, place: Place) -> Estimate | None:
        """Return nothing: the paper prints no margins."""
        return None

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

    def score(self, place: Place) -> float | None:
        """Return our mIoU of a cell."""
        cell = self.grid.cells.get(place)
        return None if cell is None else cell.ours

    def class_iou(self, place: Place) -> tuple[float, float] | None:
        """Return our IoU of background and face."""
        cell = self.grid.cells.get(place)
        if cell is None or cell.estimate is None:
            return None
        scores = cell.scores[cell.headline]
        return round(100 * scores["iou_background"], 2), round(100 * scores["iou_face"], 2)

    def gap(self, first: str, second: str, benchmark: str, model: str) -> Gap | None:
        """Estimate a difference, paired over images."""
        scores = [self.score(Place(name, benchmark, model)) for name in (first, second)]
        margin = self.grid.difference(first, second, benchmark, model)
        if scores[0] is None or scores[1] is None or margin is None:
            return None
        return Gap(value=round(scores[0] - scores[1], 2), estimate=margin)

    def margin(self, place: Place) -> Estimate | None:
        """Return our cell's margin."""
        cell = self.grid.cells.get(place)
        return None if cell is None else cell.estimate

    def images(self, name: str) -> int | None:
        """Return a number of our images."""
        return self.counts.get(name)
