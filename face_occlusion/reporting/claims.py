"""The paper's claims in prose: each is judged on our scores and on the paper's own numbers.

The claims are data, in `paper_claims.yaml`. Most say that one training combination beats another
in some cells; `verdicts` defines when a cell counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from face_occlusion.core.params import read_yaml
from face_occlusion.reporting import verdicts
from face_occlusion.reporting.cells import CellKey
from face_occlusion.reporting.tables import Table
from face_occlusion.reporting.verdicts import CellPair, Comparison, Evidence, Test, Verdict, judge


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence of the paper, and how it is read here."""

    key: str
    where: str
    text: str  # the paper's words, shortened
    reading: str  # what is tested
    test: Test


class Judgement(NamedTuple):
    """A claim with its verdicts."""

    claim: Claim
    ours: Verdict
    paper: Verdict


@cache
def read_statements() -> dict[str, list[dict[str, Any]]]:
    """Read `paper_claims.yaml`: the entries of `claims` and of `anomalies`."""
    return read_yaml(Path(__file__).with_name("paper_claims.yaml"))


def comparison_of(entry: Mapping[str, Any]) -> Comparison:
    """Build the comparison that an entry of `paper_claims.yaml` describes."""
    combinations = [tuple(pair.split(" > ")) for pair in entry["above"]]
    pairs = verdicts.between(
        combinations,
        entry.get("benchmarks", verdicts.BENCHMARKS),
        entry.get("models", verdicts.MODELS),
    )
    return Comparison(pairs=pairs, lead=entry.get("lead", 0.0), rule=entry.get("rule", "all"))


def _best(evidence: Evidence) -> str:
    scores = {key: evidence.score(key) for key in REALOCC}
    known = {key: score for key, score in scores.items() if score is not None}
    best = max(known, key=lambda key: known[key])
    return f"best: {best.model} on {best.combination}, {known[best]:.2f}"


def _classes(evidence: Evidence) -> str:
    background, face = (
        evidence.score(IMBALANCED, measure) or 0.0 for measure in verdicts.CLASS_MEASURES
    )
    return f"background {background:.2f}, face {face:.2f}, mean {(background + face) / 2:.2f}"


REALOCC = [
    CellKey(name, "realocc", model) for name in verdicts.COMBINATIONS for model in verdicts.MODELS
]
HIGHEST = CellKey("c_cm_natocc_sot", "realocc", "segformer")
IMBALANCED = CellKey("c_original", "realocc", "pspnet")
TESTS_OF_CELLS = {
    "highest": Comparison(
        pairs=[CellPair(HIGHEST, key) for key in REALOCC if key != HIGHEST], remark=_best
    ),
    "imbalance": Comparison(
        pairs=[CellPair(IMBALANCED, IMBALANCED, verdicts.CLASS_MEASURES)], remark=_classes
    ),
}
CLAIMS = [
    Claim(
        **{name: entry[name] for name in ("key", "where", "text", "reading")},
        test=TESTS_OF_CELLS.get(entry["key"]) or comparison_of(entry),
    )
    for entry in read_statements()["claims"]
]


def judge_claims(
    ours: Evidence, paper: Evidence, significant: Mapping[verdicts.Question, bool]
) -> list[Judgement]:
    """Judge every claim on our scores and on the paper's numbers.

    `significant` tells which of our differences are, among those of claims and anomalies together.
    """
    return [
        Judgement(claim, judge(claim.test, ours, significant), judge(claim.test, paper, {}))
        for claim in CLAIMS
    ]


def claims_table(judgements: Sequence[Judgement]) -> Table:
    """List the paper's claims with their verdicts, on our scores and on the paper's numbers."""
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
