"""The paper's prose claims (Q40) as data: each judged on our scores and on its own numbers.

Most claims say that one training combination beats another in some cells; `verdicts` says when a
cell counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from face_occlusion.reporting.cells import CellKey
from face_occlusion.reporting.tables import Table
from face_occlusion.reporting.verdicts import (
    BENCHMARKS,
    CLASS_MEASURES,
    CNNS,
    COMBINATIONS,
    MODELS,
    TABLE_4,
    CellPair,
    Comparison,
    Evidence,
    Question,
    Test,
    Verdict,
    between,
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
        ours: Evidence with intervals.
        paper: Evidence without.
        sure: Of `verdicts.significant_differences`, over claims and anomalies together.
    """
    return [
        Judgement(
            claim=claim, ours=judge(claim.test, ours, sure), paper=judge(claim.test, paper, {})
        )
        for claim in CLAIMS
    ]


def _best(evidence: Evidence) -> str:
    """Name the best cell of RealOcc."""
    scores = {key: evidence.score(key) for key in REALOCC}
    known = {key: score for key, score in scores.items() if score is not None}
    best = max(known, key=lambda key: known[key])
    return f"best: {best.model} on {best.combination}, {known[best]:.2f}"


def _classes(evidence: Evidence) -> str:
    """Write the IoU of the classes."""
    background, face = (evidence.score(IMBALANCED, measure) or 0.0 for measure in CLASS_MEASURES)
    return f"background {background:.2f}, face {face:.2f}, mean {(background + face) / 2:.2f}"


REALOCC = [CellKey(name, "realocc", model) for name in COMBINATIONS for model in MODELS]
HIGHEST = CellKey("c_cm_natocc_sot", "realocc", "segformer")
IMBALANCED = CellKey("c_original", "realocc", "pspnet")
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
            pairs=between([(name, "c_cm") for name in NATOCC], ("realocc",), CNNS),
            lead=-0.5,
        ),
    ),
    Claim(
        key="level-cm",
        where="Abstract; 1",
        text="Both methods perform at a level with, or even better than, real occlusions",
        reading="NatOcc, NatOcc-SOT and RandOcc: more than C-CM less 0.5 points in most of the "
        "cells of Tables 4 and 5",
        test=Comparison(
            pairs=between([(name, "c_cm") for name in (*NATOCC, "c_wo_randocc")], BENCHMARKS),
            lead=-0.5,
            rule="most",
        ),
    ),
    Claim(
        key="natocc-improves",
        where="4.2 NatOcc",
        text="Models trained with NatOcc generalise to unseen occluders",
        reading="NatOcc above C-WO in every cell of Table 4",
        test=Comparison(pairs=between([(name, "c_wo") for name in NATOCC], TABLE_4)),
    ),
    Claim(
        key="wild-better",
        where="4.2 Robustness",
        text="In the wild, overall, the models trained with the synthetic sets performed better",
        reading="NatOcc, NatOcc-SOT, RandOcc and Mix above C-WO on COFW and RealOcc-Wild",
        test=Comparison(
            pairs=between([(name, "c_wo") for name in SYNTHETIC], ("cofw", "realocc_wild"))
        ),
    ),
    Claim(
        key="cm-adds",
        where="4.2 NatOcc",
        text="Adding C-CM to NatOcc further enhances the performance",
        reading="C-CM + NatOcc above C-WO + NatOcc in every cell of Table 4, either transfer",
        test=Comparison(
            pairs=between(
                [("c_cm_natocc", "c_wo_natocc"), ("c_cm_natocc_sot", "c_wo_natocc_sot")], TABLE_4
            ),
        ),
    ),
    Claim(
        key="highest",
        where="4.2 NatOcc",
        text="SegFormer trained on NatOcc-SOT and C-CM achieves the highest score, 98.02",
        reading="It is above each of the 26 other cells of RealOcc",
        test=Comparison(
            pairs=[CellPair(HIGHEST, key) for key in REALOCC if key != HIGHEST], remark=_best
        ),
    ),
    Claim(
        key="randocc-huge",
        where="4.2 RandOcc",
        text="RandOcc brings a huge improvement over no occlusions (C-WO)",
        reading="More than 2 points above C-WO on RealOcc, all models",
        test=Comparison(pairs=between([("c_wo_randocc", "c_wo")], ("realocc",)), lead=2.0),
    ),
    Claim(
        key="randocc-not-far",
        where="4.2 RandOcc",
        text="RandOcc is not far behind real occlusions (C-CM)",
        reading="More than C-CM less 2 points on RealOcc, all models",
        test=Comparison(pairs=between([("c_wo_randocc", "c_cm")], ("realocc",)), lead=-2.0),
    ),
    Claim(
        key="mix-improves",
        where="4.2 RandOcc",
        text="Mix further improves the performance, closer to C-CM",
        reading="Mix above RandOcc in every cell of Tables 4 and 5",
        test=Comparison(pairs=between([("c_wo_mix", "c_wo_randocc")], BENCHMARKS)),
    ),
    Claim(
        key="original-worse",
        where="4.2 Unclean dataset",
        text="C-Original, with incorrect masks, is surprisingly worse than C-WO",
        reading="C-WO above C-Original in every cell of Table 4",
        test=Comparison(pairs=between([("c_wo", "c_original")], TABLE_4)),
    ),
    Claim(
        key="unclean-harms",
        where="4.2 Unclean dataset",
        text="Unclean masks have a significant negative impact, even with SegFormer",
        reading="C-CM above C-Original, the same images, in every cell of Table 4",
        test=Comparison(pairs=between([("c_cm", "c_original")], TABLE_4)),
    ),
    Claim(
        key="imbalance",
        where="4.2 Class imbalance",
        text="Background lifts the mIoU: PSPNet on C-Original has IoU 95.04 and 83.99",
        reading="Background IoU above face IoU in that cell (RealOcc)",
        test=Comparison(pairs=[CellPair(IMBALANCED, IMBALANCED, CLASS_MEASURES)], remark=_classes),
    ),
    Claim(
        key="transfer-open",
        where="4.2 Colour transfer",
        text="With or without colour transfer: no conclusion which is better",
        reading="NatOcc-SOT against NatOcc in Tables 4 and 5: sure cells of both signs, or none",
        test=Comparison(
            pairs=between([("c_wo_natocc_sot", "c_wo_natocc")], BENCHMARKS), rule="neither"
        ),
    ),
    Claim(
        key="boosts-cm",
        where="4.2 Robustness",
        text="The synthetic sets boost the real occlusions (C-CM) in the wild",
        reading="C-CM + NatOcc above C-CM in most cells of COFW and RealOcc-Wild",
        test=Comparison(
            pairs=between(
                [("c_cm_natocc", "c_cm"), ("c_cm_natocc_sot", "c_cm")], ("cofw", "realocc_wild")
            ),
            rule="most",
        ),
    ),
    Claim(
        key="no-side-effect",
        where="4.2 Robustness",
        text="NatOcc and RandOcc have no negative side effect on unoccluded faces",
        reading="NatOcc, NatOcc-SOT, RandOcc and Mix on CelebAMask-HQ-WO (Test): more than C-WO "
        "less 0.5 points",
        test=Comparison(
            pairs=between([(name, "c_wo") for name in SYNTHETIC], ("wo_test",)), lead=-0.5
        ),
    ),
    Claim(
        key="unoccluded-wo",
        where="App. A",
        text="On unoccluded faces the synthetic sets improve on C-WO",
        reading="NatOcc, NatOcc-SOT, RandOcc and Mix above C-WO on CelebAMask-HQ-WO (Test)",
        test=Comparison(pairs=between([(name, "c_wo") for name in SYNTHETIC], ("wo_test",))),
    ),
    Claim(
        key="unoccluded-original",
        where="App. A",
        text="On unoccluded faces the synthetic sets improve on C-Original",
        reading="NatOcc, NatOcc-SOT, RandOcc and Mix above C-Original on CelebAMask-HQ-WO (Test)",
        test=Comparison(pairs=between([(name, "c_original") for name in SYNTHETIC], ("wo_test",))),
    ),
]


def claims_table(judgements: Sequence[Judgement]) -> Table:
    """List the paper's claims with their verdicts, ours and on the paper's own numbers."""
    long = pd.DataFrame(
        {
            "key": item.claim.key,
            "where": item.claim.where,
            "claim": item.claim.text,
            "reading": item.claim.reading,
            "ours": item.ours.outcome,
            "ours_detail": item.ours.detail,
            "paper": item.paper.outcome,
            "paper_detail": item.paper.detail,
            "cells": " ".join("/".join(key) for key in item.ours.cells),
        }
        for item in judgements
    )
    wide = pd.DataFrame(
        {
            "Claim": long["claim"],
            "Read as": long["reading"],
            "Ours": "**" + long["ours"] + "**: " + long["ours_detail"],
            "Paper's numbers": "**" + long["paper"] + "**: " + long["paper_detail"],
        }
    )
    caption = "The paper's claims, judged on our scores and on its own numbers."
    return Table(name="claims", caption=caption, wide=wide, long=long, notes=[])
