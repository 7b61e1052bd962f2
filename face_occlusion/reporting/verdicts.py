"""How a claim is judged: comparisons of training combinations, and verdicts on them.

A cell counts as above or below only where it is sure: on our scores where the paired bootstrap's
p-value, corrected by Holm over every difference that any claim or anomaly reads, is below
1 - confidence; on the paper's numbers always, for they come without margins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from face_occlusion.evaluation.bootstrap import holm
from face_occlusion.reporting.evidence import Evidence, Gap, Pair
from face_occlusion.reporting.paper import Place

Outcome = Literal["holds", "fails", "undecided"]
Question = tuple[Pair, float]  # which cells, and the difference asked about, per cent points


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of a claim, why, and the cells that were read."""

    outcome: Outcome
    detail: str
    cells: list[Place]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The first cell of each pair above the second.

    Attributes:
        pairs: The cells.
        lead: First must exceed second by more than this, per cent points; negative allows it to
            fall short ("at a level", "not far behind").
        rule: `all`: holds if every pair is surely above, fails if any is surely below; `most`:
            more than half of the pairs decide; `neither`: holds if there are sure pairs of both
            signs, or none. A pair with an empty cell could be of either sign.
        remark: Says more of what was compared, to stand before the counts.
    """

    pairs: Sequence[Pair]
    lead: float = 0.0
    rule: Literal["all", "most", "neither"] = "all"
    remark: Callable[[Evidence], str] | None = None

    def questions(self) -> list[Question]:
        """List the differences that the comparison reads."""
        return [(pair, self.lead) for pair in self.pairs]


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
                pair, lead = question
                gap = evidence.gap(pair)
                if gap is not None and gap.estimate is not None:
                    p_values[question] = gap.estimate.p_value(lead / 100)
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
    questions = comparison.questions()
    for question in questions:
        pair = question[0]
        gap = evidence.gap(pair)
        if gap is not None:
            gaps.append((gap, sure.get(question, gap.estimate is None)))
            cells += [pair.first, pair.second]
    above = sum(is_sure and gap.value > comparison.lead for gap, is_sure in gaps)
    below = sum(is_sure and gap.value < comparison.lead for gap, is_sure in gaps)
    empty = len(questions) - len(gaps)
    detail = _describe(gaps, above, below, len(questions))
    if comparison.remark is not None and gaps:
        detail = f"{comparison.remark(evidence)}; {detail}"
    return Verdict(
        outcome=_OUTCOMES[comparison.rule](above, below, len(questions), empty),
        detail=detail,
        cells=list(dict.fromkeys(cells)),
    )


def _all(above: int, below: int, total: int, empty: int) -> Outcome:
    del empty  # those are not above
    return "fails" if below else "holds" if above == total else "undecided"


def _most(above: int, below: int, total: int, empty: int) -> Outcome:
    del empty  # those are neither
    return "holds" if 2 * above > total else "fails" if 2 * below >= total else "undecided"


def _neither(above: int, below: int, total: int, empty: int) -> Outcome:
    del total
    if above and below:
        return "holds"
    return "undecided" if empty else "fails" if above or below else "holds"


_OUTCOMES: dict[str, Callable[[int, int, int, int], Outcome]] = {
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
