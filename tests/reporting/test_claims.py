import re

import numpy as np
import pytest

from face_occlusion.evaluation.bootstrap import Estimate
from face_occlusion.reporting.cells import CellKey
from face_occlusion.reporting.claims import ANOMALIES, CLAIMS, comparison_of, judge_all
from face_occlusion.reporting.verdicts import (
    COMBINATIONS,
    CellPair,
    Comparison,
    Evidence,
    PaperEvidence,
    judge,
    significant_differences,
)
from tests.tables import rows

PAPER = PaperEvidence()
TESTS = [item.test for item in (*CLAIMS, *ANOMALIES)]


def on_realocc(*combinations):
    return CellPair(*(CellKey(name, "realocc", "pspnet") for name in combinations))


class MadeUp(Evidence):
    """Scores by combination, the same in every cell, with one interval for all differences."""

    printed, counts = False, {}

    def __init__(self, scores, error=0.001):
        self.scores, self.error = scores, error

    def score(self, place, measure="miou"):
        return self.scores.get(place.combination)

    def interval(self, pair):
        value = (self.score(pair.first) - self.score(pair.second)) / 100
        return Estimate(value=value, low=np.nan, high=np.nan, error=self.error, num_images=50)


def claims_judged(evidence):
    sure = significant_differences(TESTS, evidence, 0.95)
    return {item.statement.key: item.ours for item in judge_all(CLAIMS, evidence, PAPER, sure)}


def test_anomalies_and_claims_on_the_papers_own_numbers():
    found = judge_all(ANOMALIES, PAPER, PAPER, {})
    judged = {item.statement.key: [item.paper_measured, item.paper.outcome] for item in found}
    assert judged == rows(__file__, "anomalies")
    assert all(item.paper.detail for item in found)
    verdicts = {item.statement.key: item.paper for item in judge_all(CLAIMS, PAPER, PAPER, {})}
    assert len(verdicts) == len(CLAIMS) and all(verdict.cells for verdict in verdicts.values())
    for outcome, keys in rows(__file__, "claims").items():
        assert {verdicts[key].outcome for key in keys} == {outcome}


def test_all_is_undecided_without_results_and_judged_with_them(inputs):
    for verdict in claims_judged(MadeUp({})).values():
        assert verdict.outcome == "undecided" and "no score" in verdict.detail
    for item in judge_all(ANOMALIES, MadeUp({}), PAPER, {}):
        assert item.ours.outcome == "undecided", item.statement.key
        assert re.search("not known|the excluded|does not apply", item.ours_measured)
    ours = {item.statement.key: item.ours for item in inputs.anomalies}
    assert ours["A1"].outcome == ours["A2"].outcome == ours["A3"].outcome == "holds"
    assert ours["A12"].outcome == "undecided"  # no COFW in the made-up project
    assert ours["A10"].cells


def test_aligned_images_are_compared_cell_by_cell():
    class Aligned(MadeUp):
        def score(self, place, measure="miou"):
            return 90.0 if place.benchmark == "cofw_aligned" else 89.0

    (found,) = [item for item in ANOMALIES if item.key == "A12"]
    # NaN is of single images: no interval is no certainty.
    for error, outcome in ((0.0005, "holds"), (0.005, "undecided"), (np.nan, "undecided")):
        evidence = Aligned({}, error)
        verdict = judge(found.test, evidence, significant_differences(TESTS, evidence, 0.95))
        assert verdict.outcome == outcome and len(verdict.cells) == 54


@pytest.mark.parametrize(("scores", "pairs", "rule", "lead", "outcome"), rows(__file__, "rules"))
def test_a_rule_decides_by_what_is_above_below_and_empty(scores, pairs, rule, lead, outcome):
    entry = {"above": map(" > ".join, pairs), "benchmarks": ["realocc"]}
    comparison = comparison_of(entry | {"rule": rule, "lead": lead})
    sure = {(pair, lead): True for pair in comparison.pairs}
    verdict = judge(comparison, MadeUp(scores), sure)
    assert verdict.outcome == outcome
    if num_empty := 3 * sum("c_original" in pair for pair in pairs if "c_original" not in scores):
        assert f"empty in {num_empty} of {3 * len(pairs)} cells" in verdict.detail


def test_a_lead_is_what_the_p_value_is_of():
    # 2.3 points are 11 standard errors above 0, and 1.5 above the line of 2.
    evidence = MadeUp(dict.fromkeys(COMBINATIONS, 90.0) | {"c_wo": 87.7}, error=0.002)
    sure = significant_differences(TESTS, evidence, 0.95)
    assert not sure[on_realocc("c_wo_randocc", "c_wo"), 2.0]
    verdicts = claims_judged(evidence)
    assert verdicts["randocc-huge"].outcome == "undecided"
    assert verdicts["natocc-improves"].outcome == "holds"


def test_holm_makes_small_p_values_among_many_unsure():
    # 2.6 standard errors: p = 0.012 each, alone below 0.05.
    scores = dict.fromkeys(COMBINATIONS, 90.0) | {"c_wo_randocc": 89.74}
    sure = significant_differences(TESTS, MadeUp(scores, error=0.001), 0.95)
    question = on_realocc("c_wo_mix", "c_wo_randocc"), 0.0
    assert not sure[question]
    assert significant_differences(TESTS, MadeUp(scores, error=0.0001), 0.95)[question]


def test_the_highest_is_judged_by_margins():
    for best, error, outcome in (
        ({"c_wo": 95.0}, 0.001, "fails"),
        ({"c_wo": 95.0}, 0.1, "undecided"),  # by however much: not beyond the interval
        ({"c_cm_natocc_sot": 80.3}, 0.0001, "undecided"),  # its own models print alike
    ):
        evidence = MadeUp(dict.fromkeys(COMBINATIONS, 80.0) | best, error)
        verdict = claims_judged(evidence)["highest"]
        assert verdict.outcome == outcome and verdict.detail.startswith("best: ")


def test_every_comparison_is_in_the_family_that_holm_corrects(inputs):
    comparisons = [test for test in TESTS if isinstance(test, Comparison)]
    asked = [(pair, test.lead) for test in comparisons for pair in test.pairs]
    known = {(pair, lead) for pair, lead in asked if inputs.evidence.gap(pair) is not None}
    assert set(inputs.significant) == known
    keys = {item.key for item in (*CLAIMS, *ANOMALIES) if isinstance(item.test, Comparison)}
    assert {claim.key for claim in CLAIMS} | {"A7", "A8", "A12"} <= keys


def test_the_classes_of_a_cell_are_compared_with_a_margin(inputs):
    (claim,) = [item for item in CLAIMS if item.key == "imbalance"]
    (pair,) = claim.test.pairs
    gap = inputs.evidence.gap(pair)
    scores = inputs.grid.cells[pair.first].scores["last"]
    assert gap.estimate.value == pytest.approx(scores["iou_background"] - scores["iou_face"])
    assert gap.estimate.low < gap.estimate.value < gap.estimate.high
    assert PAPER.gap(pair).value == 11.05
