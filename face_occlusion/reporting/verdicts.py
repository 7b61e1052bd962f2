"""How a statement about scores is judged, on our results and on the numbers that the paper prints.

A cell counts as above or below only where the difference is significant: on our scores where the
p-value of the paired bootstrap, corrected by Holm over every difference that any claim or anomaly
reads, is below 1 - confidence; on the paper's numbers always, because they come without
confidence intervals.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from face_occlusion.evaluation.bootstrap import Estimate, holm
from face_occlusion.reporting.cells import CLASS_IOU, IMAGES, CellKey, paper_cells
from face_occlusion.reporting.grid import Grid

CLASS_MEASURES = ("iou_background", "iou_face")
COMBINATIONS, BENCHMARKS, MODELS = (
    list(dict.fromkeys(names)) for names in zip(*paper_cells(), strict=True)
)


class CellPair(NamedTuple):
    """Two cells to compare, first minus second; or two measures of one cell."""

    first: CellKey
    second: CellKey
    measures: tuple[str, str] = ("miou", "miou")


class Gap(NamedTuple):
    """First less second cell of a pair, in per cent points, two decimals as tables print them."""

    value: float
    estimate: Estimate | None = None  # fractions; None for printed numbers, which have no interval


class Evidence(ABC):
    """A set of results; scores in per cent."""

    printed: bool  # whether these are the paper's own numbers
    # Images by name: `wo`, `wo_test`, `o`, `excluded`, `release` (the sum), `corrected`, and
    # `COMBINATION` and `COMBINATION.generated` for each combination's photographs and generated
    # images. A name that is not there was not counted.
    counts: Mapping[str, int]

    @abstractmethod
    def score(self, key: CellKey, measure: str = "miou") -> float | None:
        """Return a measure of a cell, two decimals; None for an empty cell or where not known."""

    def interval(self, pair: CellPair) -> Estimate | None:
        """Estimate the difference of two cells that have scores; printed numbers have none."""
        return None

    def gap(self, pair: CellPair) -> Gap | None:
        """Subtract two cells as they are printed, two decimals; None if either is empty."""
        first, second = map(self.score, pair[:2], pair.measures)
        if first is None or second is None:
            return None
        return Gap(value=round(first - second, 2), estimate=self.interval(pair))


class PaperEvidence(Evidence):
    """The paper's Tables 2, 4 and 5 and the class IoU that its section 4.2 quotes."""

    printed, counts = True, IMAGES

    def score(self, key: CellKey, measure: str = "miou") -> float | None:
        """Return the printed mIoU; the IoU of a class too for PSPNet on C-Original, RealOcc."""
        if measure in CLASS_MEASURES and key == CellKey("c_original", "realocc", "pspnet"):
            return CLASS_IOU[measure]
        cell = paper_cells().get(key)
        return None if cell is None or measure != "miou" else cell.miou


class OurEvidence(Evidence):
    """Our grid and the sizes of our image sets."""

    printed = False

    def __init__(self, grid: Grid, counts: Mapping[str, int]) -> None:
        self.grid, self.counts = grid, counts

    def score(self, key: CellKey, measure: str = "miou") -> float | None:
        """Return a measure of our cell."""
        cell = self.grid.cells.get(key)
        if cell is None or cell.estimate is None:
            return None
        return round(100 * cell.scores[cell.headline][measure], 2)

    def interval(self, pair: CellPair) -> Estimate | None:
        """Estimate a difference: paired over images, or of two benchmarks each on its own."""
        return self.grid.compare(*pair)


Outcome = Literal["holds", "fails", "undecided"]
Question = tuple[CellPair, float]  # which cells, and the difference asked about, per cent points


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a statement holds, why, and the cells that were read."""

    outcome: Outcome
    detail: str
    cells: list[CellKey]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The first cell of each pair above the second."""

    pairs: Sequence[CellPair]
    # By more than this the first must exceed the second, per cent points; negative allows it to
    # fall short ("at a level", "not far behind").
    lead: float = 0.0
    # `all`: holds if every pair is significantly above, fails if any is below; `most`: more than
    # half of the pairs decide; `neither`: holds if there are significant pairs of both signs, or
    # none. A pair with an empty cell could be of either sign.
    rule: Literal["all", "most", "neither"] = "all"
    remark: Callable[[Evidence], str] | None = None  # what was compared; precedes the counts


Test = Comparison | Callable[[Evidence], Verdict]


def significant_differences(
    tests: Iterable[Test], evidence: Evidence, confidence: float
) -> dict[Question, bool]:
    """Test every difference that comparisons read against its threshold, corrected by Holm.

    `confidence` is 1 less the family-wise error. Differences without an interval are left out.
    """
    p_values: dict[Question, float] = {}
    for test in tests:
        for pair in test.pairs if isinstance(test, Comparison) else ():
            gap = evidence.gap(pair)
            if gap is not None and gap.estimate is not None:
                p_values[pair, test.lead] = gap.estimate.p_value(test.lead / 100)
    adjusted = holm(np.array(list(p_values.values())))
    return {
        question: bool(p_value < 1 - confidence)
        for question, p_value in zip(p_values, adjusted, strict=True)
    }


def judge(test: Test, evidence: Evidence, significant: Mapping[Question, bool]) -> Verdict:
    """Judge one test; `significant` is empty for the paper's printed numbers."""
    if not isinstance(test, Comparison):
        return test(evidence)
    gaps = [(pair, gap) for pair in test.pairs if (gap := evidence.gap(pair)) is not None]
    sure = [
        gap.value for pair, gap in gaps if significant.get((pair, test.lead), gap.estimate is None)
    ]
    above, below = sum(gap > test.lead for gap in sure), sum(gap < test.lead for gap in sure)
    asked = len(test.pairs)
    detail = _describe([gap.value for _, gap in gaps], above, below, asked)
    if test.remark is not None and gaps:
        detail = f"{test.remark(evidence)}; {detail}"
    return Verdict(
        outcome=_outcome(test.rule, above, below, asked, empty=asked - len(gaps)),
        detail=detail,
        cells=list(dict.fromkeys(cell for pair, _ in gaps for cell in pair[:2])),
    )


def _outcome(rule: str, above: int, below: int, total: int, empty: int) -> Outcome:
    """Decide by a rule of `Comparison`; empty cells are neither above nor below."""
    if rule == "all":
        return "fails" if below else "holds" if above == total else "undecided"
    if rule == "most":
        return "holds" if 2 * above > total else "fails" if 2 * below >= total else "undecided"
    if above and below:
        return "holds"
    return "undecided" if empty else "fails" if above or below else "holds"


def _describe(values: Sequence[float], above: int, below: int, asked: int) -> str:
    if not values:
        return f"no scores in any of {asked} cells"
    unsure, empty = len(values) - above - below, asked - len(values)
    parts = [f"above in {above}", f"below in {below}"]
    parts += [f"{word} in {count}" for word, count in (("open", unsure), ("empty", empty)) if count]
    return (
        f"{', '.join(parts)} of {asked} cells; difference {min(values):+.2f} to "
        f"{max(values):+.2f}, mean {np.mean(values):+.2f} points"
    )
