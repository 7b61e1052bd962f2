"""How a claim is judged: comparisons of training combinations, and verdicts on them.

A cell counts as above or below only where it is sure: on our scores where the paired bootstrap's
p-value, corrected by Holm over every difference that any claim or anomaly reads, is below
1 - confidence; on the paper's numbers always, for they come without margins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from face_occlusion.evaluation.bootstrap import holm
from face_occlusion.reporting.evidence import MODELS, Evidence, Gap
from face_occlusion.reporting.paper import Place

Outcome = Literal["holds", "fails", "undecided"]
Question = tuple[str, str, str, str, float]  # first, second, benchmark, model, threshold


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of a claim, why, and the cells that were read."""

    outcome: Outcome
    detail: str
    cells: list[Place]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """First combination above second, in each benchmark and model.

    Attributes:
        pairs: (first, second) combinations.
        benchmarks: Where.
        models: Of which.
        lead: First must exceed second by more than this, per cent points; negative allows it to
            fall short ("at a level", "not far behind").
        rule: `all`: holds if every cell is surely above, fails if any is surely below; `most`:
            more than half of the cells decide; `neither`: holds if there are sure cells of
            both signs, or none.
    """

    pairs: Sequence[tuple[str, str]]
    benchmarks: Sequence[str]
    models: Sequence[str] = MODELS
    lead: float = 0.0
    rule: Literal["all", "most", "neither"] = "all"

    def questions(self) -> Iterator[Question]:
        """List the differences that the comparison reads."""
        for first, second in self.pairs:
            for benchmark in self.benchmarks:
                for model in self.models:
                    yield first, second, benchmark, model, self.lead


Test = Comparison | Callable[[Evidence], Verdict]


def sure_differences(
    tests: Iterable[Test], evidence: Evidence, confidence: float
) -> dict[Question, bool]:
    """Test every difference that is read against its threshold, corrected by Holm.

    Args:
        tests: Of all claims and anomalies; those that are no comparison are passed over.
        evidence: Results with margins.
        confidence: 1 - the family-wise error over all differences.

    Returns:
        Whether a difference is sure, for those with a margin; the others are missing.
    """
    p_values: dict[Question, float] = {}
    for test in tests:
        if isinstance(test, Comparison):
            for question in test.questions():
                gap = evidence.gap(*question[:4])
                if gap is not None and gap.estimate is not None:
                    p_values[question] = gap.estimate.p_value(question[4] / 100)
    adjusted = holm(np.array(list(p_values.values())))
    return {
        question: bool(p_value < 1 - confidence)
        for question, p_value in zip(p_values, adjusted, strict=True)
    }


def judge(test: Test, evidence: Evidence, sure: Mapping[Question, bool]) -> Verdict:
    """Judge one test; `sure` as `sure_differences` returns it, empty for printed numbers."""
    if isinstance(test, Comparison):
        return judge_comparison(test, evidence, sure)
    return test(evidence)


def judge_comparison(
    comparison: Comparison, evidence: Evidence, sure: Mapping[Question, bool]
) -> Verdict:
    """Judge one comparison; `sure` as `sure_differences` returns it."""
    gaps: list[tuple[Gap, bool]] = []
    cells: list[Place] = []
    questions = list(comparison.questions())
    for question in questions:
        first, second, benchmark, model, _ = question
        gap = evidence.gap(first, second, benchmark, model)
        if gap is not None:
            gaps.append((gap, sure.get(question, gap.estimate is None)))
            cells += [Place(first, benchmark, model), Place(second, benchmark, model)]
    above = sum(is_sure and gap.value > comparison.lead for gap, is_sure in gaps)
    below = sum(is_sure and gap.value < comparison.lead for gap, is_sure in gaps)
    outcome = _OUTCOMES[comparison.rule](above, below, len(gaps)) if gaps else "undecided"
    if outcome == "holds" and len(gaps) < len(questions):
        outcome = "undecided"  # some of the cells it speaks of are empty
    return Verdict(
        outcome=outcome,
        detail=_describe(gaps, above, below, len(questions)),
        cells=list(dict.fromkeys(cells)),
    )


def _all(above: int, below: int, total: int) -> Outcome:
    return "fails" if below else "holds" if above == total else "undecided"


def _most(above: int, below: int, total: int) -> Outcome:
    return "holds" if 2 * above > total else "fails" if 2 * below >= total else "undecided"


def _neither(above: int, below: int, total: int) -> Outcome:
    return "holds" if bool(above) == bool(below) else "fails"


_OUTCOMES: dict[str, Callable[[int, int, int], Outcome]] = {
    "all": _all,
    "most": _most,
    "neither": _neither,
}


def _describe(gaps: list[tuple[Gap, bool]], above: int, below: int, asked: int) -> str:
    if not gaps:
        return f"no scores in any of {asked} cells"
    values = [gap.value for gap, _ in gaps]
    unsure = len(gaps) - above - below
    parts = [f"above in {above}", f"below in {below}"]
    parts += [f"open in {unsure}"] if unsure else []
    parts += [f"empty in {asked - len(gaps)}"] if asked > len(gaps) else []
    return (
        f"{', '.join(parts)} of {asked} cells; difference {min(values):+.2f} to "
        f"{max(values):+.2f}, mean {np.mean(values):+.2f} points"
    )
