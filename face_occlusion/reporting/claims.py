"""The paper's prose claims (Q40) as data: each judged on our scores and on its own numbers.

Most claims say that one training combination beats another in some cells; `verdicts` says when a
cell counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from face_occlusion.reporting.evidence import (
    BENCHMARKS,
    CNNS,
    COMBINATIONS,
    MODELS,
    TABLE_4,
    Evidence,
)
from face_occlusion.reporting.paper import Place
from face_occlusion.reporting.verdicts import (
    Comparison,
    Outcome,
    Question,
    Test,
    Verdict,
    judge,
)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence of the paper, and how it is read here."""

    key: str
    where: str
    text: str  # the paper's words, shortened
    reading: str  # what is tested
    test: Test


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A claim with its verdicts."""

    claim: Claim
    ours: Verdict
    paper: Verdict


def judge_claims(ours: Evidence, paper: Evidence, sure: Mapping[Question, bool]) -> list[Judgement]:
    """Judge every claim on our scores and on the paper's numbers.

    Args:
        ours: Evidence with margins.
        paper: Evidence without.
        sure: Of `verdicts.sure_differences`, over claims and anomalies together.
    """
    return [
        Judgement(
            claim=claim, ours=judge(claim.test, ours, sure), paper=judge(claim.test, paper, {})
        )
        for claim in CLAIMS
    ]


def _highest(evidence: Evidence) -> Verdict:
    """Find the best cell of RealOcc."""
    places = [Place(name, "realocc", model) for name in COMBINATIONS for model in MODELS]
    scores = {place: evidence.score(place) for place in places}
    known = {place: score for place, score in scores.items() if score is not None}
    claimed = Place("c_cm_natocc_sot", "realocc", "segformer")
    if claimed not in known:
        return Verdict(outcome="undecided", detail="no score of that run", cells=[])
    best = max(known, key=lambda place: known[place])
    gap = evidence.gap(claimed.combination, best.combination, "realocc", "segformer")
    detail = f"best: {best.model} on {best.combination}, {known[best]:.2f}"
    if known[best] > known[claimed]:
        detail += f"; the claimed run has {known[claimed]:.2f}"
        has_margin = gap is not None and gap.estimate is not None
        open_gap = has_margin and known[best] - known[claimed] < 0.5
        return Verdict(
            outcome="undecided" if open_gap else "fails", detail=detail, cells=list(known)
        )
    return Verdict(outcome="holds", detail=detail, cells=list(known))


def _imbalance(evidence: Evidence) -> Verdict:
    """Compare the IoU of the classes on C-Original, PSPNet, RealOcc."""
    place = Place("c_original", "realocc", "pspnet")
    pair = evidence.class_iou(place)
    if pair is None:
        return Verdict(outcome="undecided", detail="no score of that run", cells=[])
    background, face = pair
    detail = f"background {background:.2f}, face {face:.2f}, mean {(background + face) / 2:.2f}"
    outcome: Outcome = "holds" if background > face else "fails"
    return Verdict(outcome=outcome, detail=detail, cells=[place])


NATOCC = ("c_wo_natocc", "c_wo_natocc_sot")
SYNTHETIC = (*NATOCC, "c_wo_randocc", "c_wo_mix")

CLAIMS: list[Claim] = [
    Claim(
        key="natocc-level-cnn",
        where="4.2 NatOcc",
        text="NatOcc performs at a level with or better than real occlusions (C-CM), especially "
        "with the CNNs",
        reading="PSPNet and DeepLabv3+ on RealOcc: more than C-CM less 0.5 points",
        test=Comparison(
            pairs=[(name, "c_cm") for name in NATOCC],
            benchmarks=("realocc",),
            models=CNNS,
            lead=-0.5,
        ),
    ),
    Claim(
        key="natocc-better-cm",
        where="Abstract; 1",
        text="Both methods perform at a level with, or even better than, real occlusions",
        reading="NatOcc above C-CM in most of the cells of Tables 4 and 5",
        test=Comparison(
            pairs=[(name, "c_cm") for name in NATOCC], benchmarks=BENCHMARKS, rule="most"
        ),
    ),
    Claim(
        key="natocc-improves",
        where="4.2 NatOcc",
        text="Models trained with NatOcc generalise to unseen occluders",
        reading="NatOcc above C-WO in every cell of Table 4",
        test=Comparison(pairs=[(name, "c_wo") for name in NATOCC], benchmarks=TABLE_4),
    ),
    Claim(
        key="wild-better",
        where="4.2 Robustness",
        text="In the wild, overall, the models trained with the synthetic sets performed better",
        reading="NatOcc, NatOcc-SOT, RandOcc and Mix above C-WO on COFW and RealOcc-Wild",
        test=Comparison(
            pairs=[(name, "c_wo") for name in SYNTHETIC],
            benchmarks=("cofw", "realocc_wild"),
        ),
    ),
    Claim(
        key="cm-adds",
        where="4.2 NatOcc",
        text="Adding C-CM to NatOcc further enhances the performance",
        reading="C-CM + NatOcc above C-WO + NatOcc in every cell of Table 4, either transfer",
        test=Comparison(
            pairs=[("c_cm_natocc", "c_wo_natocc"), ("c_cm_natocc_sot", "c_wo_natocc_sot")],
            benchmarks=TABLE_4,
        ),
    ),
    Claim(
        key="highest",
        where="4.2 NatOcc",
        text="SegFormer trained on NatOcc-SOT and C-CM achieves the highest score, 98.02",
        reading="It has the best cell of RealOcc (open if the best leads by less than 0.5)",
        test=_highest,
    ),
    Claim(
        key="randocc-huge",
        where="4.2 RandOcc",
        text="RandOcc brings a huge improvement over no occlusions (C-WO)",
        reading="More than 2 points above C-WO on RealOcc, all models",
        test=Comparison(pairs=[("c_wo_randocc", "c_wo")], benchmarks=("realocc",), lead=2.0),
    ),
    Claim(
        key="randocc-not-far",
        where="4.2 RandOcc",
        text="RandOcc is not far behind real occlusions (C-CM)",
        reading="More than C-CM less 2 points on RealOcc, all models",
        test=Comparison(pairs=[("c_wo_randocc", "c_cm")], benchmarks=("realocc",), lead=-2.0),
    ),
    Claim(
        key="mix-improves",
        where="4.2 RandOcc",
        text="Mix further improves the performance, closer to C-CM",
        reading="Mix above RandOcc in every cell of Tables 4 and 5",
        test=Comparison(pairs=[("c_wo_mix", "c_wo_randocc")], benchmarks=BENCHMARKS),
    ),
    Claim(
        key="original-worse",
        where="4.2 Unclean dataset",
        text="C-Original, with incorrect masks, is surprisingly worse than C-WO",
        reading="C-WO above C-Original in every cell of Table 4",
        test=Comparison(pairs=[("c_wo", "c_original")], benchmarks=TABLE_4),
    ),
    Claim(
        key="unclean-harms",
        where="4.2 Unclean dataset",
        text="Unclean masks have a significant negative impact, even with SegFormer",
        reading="C-CM above C-Original, the same images, in every cell of Table 4",
        test=Comparison(pairs=[("c_cm", "c_original")], benchmarks=TABLE_4),
    ),
    Claim(
        key="imbalance",
        where="4.2 Class imbalance",
        text="Background lifts the mIoU: PSPNet on C-Original has IoU 95.04 and 83.99",
        reading="Background IoU above face IoU in that cell (RealOcc)",
        test=_imbalance,
    ),
    Claim(
        key="transfer-open",
        where="4.2 Colour transfer",
        text="With or without colour transfer: no conclusion which is better",
        reading="NatOcc-SOT against NatOcc in Tables 4 and 5: sure cells of both signs, or none",
        test=Comparison(
            pairs=[("c_wo_natocc_sot", "c_wo_natocc")], benchmarks=BENCHMARKS, rule="neither"
        ),
    ),
    Claim(
        key="boosts-cm",
        where="4.2 Robustness",
        text="The synthetic sets boost the real occlusions (C-CM) in the wild",
        reading="C-CM + NatOcc above C-CM in most cells of COFW and RealOcc-Wild",
        test=Comparison(
            pairs=[("c_cm_natocc", "c_cm"), ("c_cm_natocc_sot", "c_cm")],
            benchmarks=("cofw", "realocc_wild"),
            rule="most",
        ),
    ),
    Claim(
        key="no-side-effect",
        where="4.2 Robustness; App. A",
        text="NatOcc and RandOcc have no negative effect on unoccluded faces; they improve on C-WO",
        reading="NatOcc, NatOcc-SOT, RandOcc and Mix above C-WO on CelebAMask-HQ-WO (Test)",
        test=Comparison(
            pairs=[(name, "c_wo") for name in SYNTHETIC],
            benchmarks=("wo_test",),
        ),
    ),
    Claim(
        key="unoccluded-original",
        where="App. A",
        text="On unoccluded faces the synthetic sets improve on C-Original",
        reading="NatOcc, NatOcc-SOT, RandOcc and Mix above C-Original on CelebAMask-HQ-WO (Test)",
        test=Comparison(
            pairs=[(name, "c_original") for name in SYNTHETIC],
            benchmarks=("wo_test",),
        ),
    ),
]
