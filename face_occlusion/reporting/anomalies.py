"""Anomalies A1 to A15 of the paper: what it says, whether its own numbers bear it out, and ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from face_occlusion.reporting.cells import CellKey
from face_occlusion.reporting.claims import SYNTHETIC
from face_occlusion.reporting.tables import Table
from face_occlusion.reporting.verdicts import (
    BENCHMARKS,
    COMBINATIONS,
    MODELS,
    CellPair,
    Comparison,
    Evidence,
    Outcome,
    Question,
    Test,
    Verdict,
    between,
    judge,
)

NOT_KNOWN = "not known"


def count_above(
    evidence: Evidence,
    first: str,
    second: str,
    benchmarks: tuple[str, ...] = BENCHMARKS,
    models: tuple[str, ...] = MODELS,
) -> tuple[int, int, int]:
    """Count the cells where the first combination prints above, alike, and below the second."""
    gaps = [evidence.gap(pair) for pair in between([(first, second)], benchmarks, models)]
    values = [gap.value for gap in gaps if gap is not None]
    above = sum(value > 0 for value in values)
    return above, sum(value == 0 for value in values), sum(value < 0 for value in values)


def wins(evidence: Evidence, first: str, second: str) -> str:
    """Write in how many cells the first combination prints above the second."""
    above, alike, below = count_above(evidence, first, second)
    total = above + alike + below
    if not total:
        return NOT_KNOWN
    ties = f" ({alike} {'tie' if alike == 1 else 'ties'})" if alike else ""
    return f"{above} of {total}{ties}"


def images(evidence: Evidence, name: str) -> str:
    """Write a number of images."""
    number = evidence.images(name)
    return NOT_KNOWN if number is None else f"{number:,}"


def sum_of_partition(evidence: Evidence) -> str:
    """Write what the parts of the release add up to (A1)."""
    parts = [evidence.images(name) for name in ("wo", "wo_test", "o", "excluded")]
    known = [part for part in parts if part is not None]
    total = f"{sum(known):,}" + ("" if len(known) == len(parts) else " and the excluded")
    return f"{total} of {images(evidence, 'release')}"


def size_of_wo(evidence: Evidence) -> str:
    """Write the sizes of C-CM, its parts and C-WO (A2)."""
    sizes = [images(evidence, name) for name in ("c_cm", "wo", "o", "c_wo")]
    return "C-CM {} = {} + {}; C-WO {}".format(*sizes)


def size_of_mix(evidence: Evidence) -> str:
    """Write the generated images of Mix in both tables (A3)."""
    table_4 = images(evidence, "c_wo_mix.generated")
    table_5 = evidence.images("c_wo_mix.generated in Table 5")
    return table_4 if table_5 is None else f"{table_4} in Table 4, {table_5:,} in Table 5"


def corrected(evidence: Evidence) -> str:
    """Write how many masks were corrected, and how many faces are occluded (A4)."""
    return f"{images(evidence, 'corrected')} corrected, {images(evidence, 'o')} occluded"


def beats_cm(evidence: Evidence) -> str:
    """Write in how many cells each synthetic set beats C-CM (A7)."""
    names = {
        "NatOcc": "c_wo_natocc",
        "SOT": "c_wo_natocc_sot",
        "RandOcc": "c_wo_randocc",
        "Mix": "c_wo_mix",
    }
    return ", ".join(f"{title} {wins(evidence, key, 'c_cm')}" for title, key in names.items())


def unoccluded(evidence: Evidence) -> str:
    """Write the points above C-WO on unoccluded faces, SegFormer (A10)."""
    parts = []
    for title, key in (("RandOcc", "c_wo_randocc"), ("Mix", "c_wo_mix")):
        (pair,) = between([(key, "c_wo")], ("wo_test",), ("segformer",))
        gap = evidence.gap(pair)
        parts.append(f"{title} {gap.value:+.2f}" if gap is not None else f"{title} {NOT_KNOWN}")
    return ", ".join(parts)


def mix_not_above(evidence: Evidence) -> str:
    """Write in how many cells Mix is not above RandOcc (A11)."""
    above, alike, below = count_above(evidence, "c_wo_mix", "c_wo_randocc")
    total = above + alike + below
    return f"{alike + below} of {total}" if total else NOT_KNOWN


def aligned_wins(evidence: Evidence) -> str:
    """Write how many runs print better on aligned than on plain COFW (A12)."""
    above = total = 0
    for combination in COMBINATIONS:
        for model in MODELS:
            aligned = evidence.score(CellKey(combination, "cofw_aligned", model))
            plain = evidence.score(CellKey(combination, "cofw", model))
            if aligned is not None and plain is not None:
                above, total = above + (aligned > plain), total + 1
    return f"{above} of {total}" if total else NOT_KNOWN


NARROW = 0.05  # points


def lead_of_columns(evidence: Evidence) -> dict[tuple[str, str], float]:
    """Return by how much the best of each column leads the next value, points."""
    leads = {}
    for benchmark in BENCHMARKS:
        for model in MODELS:
            scores = [evidence.score(CellKey(name, benchmark, model)) for name in COMBINATIONS]
            known = sorted({score for score in scores if score is not None}, reverse=True)
            if len(known) > 1:
                leads[benchmark, model] = round(known[0] - known[1], 2)
    return leads


def narrow_leads(evidence: Evidence) -> str:
    """Count the columns whose best leads the next value by little."""
    leads = list(lead_of_columns(evidence).values())
    if not leads:
        return NOT_KNOWN
    narrow = sum(lead <= NARROW for lead in leads)
    return (
        f"best leads by {NARROW} or less in {narrow} of {len(leads)} columns, "
        f"least {min(leads):.2f}"
    )


def original_not_worse(evidence: Evidence) -> str:
    """Write in how many cells C-Original prints above C-WO, PSPNet (A15)."""
    above, alike, below = count_above(evidence, "c_original", "c_wo", models=("pspnet",))
    total = above + alike + below
    return f"C-Original above C-WO in {above} of {total}" if total else NOT_KNOWN


def numbers_agree(*names: str, agree: Callable[..., bool]) -> Callable[[Evidence], Verdict]:
    """Make a test of numbers of images: whether they agree; undecided where one is not known."""

    def test(evidence: Evidence) -> Verdict:
        numbers = [evidence.images(name) for name in names]
        known = [number for number in numbers if number is not None]
        detail = ", ".join(
            f"{name}: {NOT_KNOWN if number is None else f'{number:,}'}"
            for name, number in zip(names, numbers, strict=True)
        )
        outcome: Outcome = "undecided"
        if len(known) == len(names):
            outcome = "holds" if agree(*known) else "fails"
        return Verdict(outcome=outcome, detail=detail, cells=[])

    return test


def one_size_of_mix(evidence: Evidence) -> Verdict:
    """Compare the generated images of Mix in both tables; one number cannot contradict itself."""
    table_4 = evidence.images("c_wo_mix.generated")
    table_5 = evidence.images("c_wo_mix.generated in Table 5")
    detail = size_of_mix(evidence)
    if table_4 is None:
        return Verdict(outcome="undecided", detail=detail, cells=[])
    outcome: Outcome = "holds" if table_5 in (None, table_4) else "fails"
    return Verdict(outcome=outcome, detail=detail, cells=[])


def text_contradicts(contradiction: str) -> Callable[[Evidence], Verdict]:
    """Make a test of the paper's text against itself: no results can decide it for ours."""

    def test(evidence: Evidence) -> Verdict:
        if not evidence.printed:
            detail = "a matter of the paper's text; our results cannot decide it"
            return Verdict(outcome="undecided", detail=detail, cells=[])
        return Verdict(outcome="fails", detail=contradiction, cells=[])

    return test


def no_narrow_lead(evidence: Evidence) -> Verdict:
    """Judge whether the best of each column leads by more than 0.05 points (A14)."""
    leads = lead_of_columns(evidence)
    if not leads:
        return Verdict(outcome="undecided", detail=NOT_KNOWN, cells=[])
    narrow = [lead <= NARROW for lead in leads.values()]
    outcome: Outcome = "fails" if any(narrow) else "holds"
    cells = [CellKey(name, benchmark, model) for benchmark, model in leads for name in COMBINATIONS]
    return Verdict(outcome=outcome, detail=narrow_leads(evidence), cells=cells)


@dataclass(frozen=True, kw_only=True)
class Anomaly:
    """One thing in the paper that a reader should know beside the results.

    Attributes:
        key: A1 to A15.
        text: The anomaly in words.
        statement: What the paper says or takes for granted; the verdict is on this.
        test: Judges the statement.
        measure: Reads the anomaly off a set of results; None where it is a matter of text.
    """

    key: str
    text: str
    statement: str
    test: Test
    measure: Callable[[Evidence], str] | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """An anomaly as measured, and the verdicts on the statement behind it."""

    anomaly: Anomaly
    paper: str
    ours: str
    paper_verdict: Verdict
    ours_verdict: Verdict


def find_anomalies(ours: Evidence, paper: Evidence, sure: Mapping[Question, bool]) -> list[Finding]:
    """Measure and judge every anomaly on our results and on the paper's.

    Args:
        ours: Evidence with intervals.
        paper: Evidence without.
        sure: Of `verdicts.significant_differences`, over claims and anomalies together.
    """
    return [
        Finding(
            anomaly=anomaly,
            paper=anomaly.measure(paper) if anomaly.measure else "a matter of text",
            ours=anomaly.measure(ours) if anomaly.measure else "does not apply",
            paper_verdict=judge(anomaly.test, paper, {}),
            ours_verdict=judge(anomaly.test, ours, sure),
        )
        for anomaly in ANOMALIES
    ]


ANOMALIES = [
    Anomaly(
        key="A1",
        text="Table 2 adds up to more than the release",
        statement="Table 2 parts the images of the release",
        test=numbers_agree(
            "wo",
            "wo_test",
            "o",
            "excluded",
            "release",
            agree=lambda *parts: sum(parts[:-1]) == parts[-1],
        ),
        measure=sum_of_partition,
    ),
    Anomaly(
        key="A2",
        text="C-CM is WO + O, yet C-WO lacks one image",
        statement="C-WO is the unoccluded part of C-CM",
        test=numbers_agree(
            "c_cm", "wo", "o", "c_wo", agree=lambda cm, wo, o, c_wo: cm == wo + o and c_wo == wo
        ),
        measure=size_of_wo,
    ),
    Anomaly(
        key="A3",
        text="Generated images of Mix differ between the tables",
        statement="Mix has one size",
        test=one_size_of_mix,
        measure=size_of_mix,
    ),
    Anomaly(
        key="A4",
        text="“Approximately 4,000” corrected against Table 2's O",
        statement="The corrected images are the occluded ones, to a tenth",
        test=numbers_agree(
            "corrected", "o", agree=lambda corrected, o: abs(corrected - o) <= 0.1 * o
        ),
        measure=corrected,
    ),
    Anomaly(
        key="A5",
        text="Food is called unseen, but is among the COCO categories",
        statement="Food is an occluder that no training set has",
        test=text_contradicts("food is among the 20 COCO categories of the occluders"),
    ),
    Anomaly(
        key="A6",
        text="Appendix B calls the real-world set C-WO; it is C-CM",
        statement="C-WO is the real-world set",
        test=text_contradicts("Table 3 defines C-WO without occluded faces, C-CM with them"),
    ),
    Anomaly(
        key="A7",
        text="Cells in which a synthetic set beats C-CM",
        statement="The synthetic sets are above C-CM in most cells",
        test=Comparison(
            pairs=between([(name, "c_cm") for name in SYNTHETIC], BENCHMARKS), rule="most"
        ),
        measure=beats_cm,
    ),
    Anomaly(
        key="A8",
        text="Cells in which adding NatOcc to C-CM wins",
        statement="Adding NatOcc to C-CM wins in most cells",
        test=Comparison(pairs=between([("c_cm_natocc", "c_cm")], BENCHMARKS), rule="most"),
        measure=lambda evidence: wins(evidence, "c_cm_natocc", "c_cm"),
    ),
    Anomaly(
        key="A9",
        text="Cells in which colour transfer wins over none",
        statement="Colour transfer wins in most cells",
        test=Comparison(
            pairs=between([("c_wo_natocc_sot", "c_wo_natocc")], BENCHMARKS), rule="most"
        ),
        measure=lambda evidence: wins(evidence, "c_wo_natocc_sot", "c_wo_natocc"),
    ),
    Anomaly(
        key="A10",
        text="SegFormer on unoccluded faces: points above C-WO, said not to suffer",
        statement="RandOcc and Mix are above C-WO on unoccluded faces, SegFormer",
        test=Comparison(
            pairs=between(
                [("c_wo_randocc", "c_wo"), ("c_wo_mix", "c_wo")], ("wo_test",), ("segformer",)
            ),
        ),
        measure=unoccluded,
    ),
    Anomaly(
        key="A11",
        text="Cells in which Mix is not above RandOcc, said to improve",
        statement="Mix is above RandOcc in every cell",
        test=Comparison(pairs=between([("c_wo_mix", "c_wo_randocc")], BENCHMARKS)),
        measure=mix_not_above,
    ),
    Anomaly(
        key="A12",
        text="Runs better on aligned than on plain COFW",
        statement="Aligned COFW is above COFW in every run",
        test=Comparison(
            pairs=[
                CellPair(CellKey(name, "cofw_aligned", model), CellKey(name, "cofw", model))
                for name in COMBINATIONS
                for model in MODELS
            ]
        ),
        measure=aligned_wins,
    ),
    Anomaly(
        key="A13",
        text="RealOcc's labels were begun by models trained on the synthetic sets, then corrected: "
        "a home advantage",
        statement="RealOcc's labels are independent of the sets that are compared on it",
        test=text_contradicts("its coarse masks came from models trained on the synthetic sets"),
    ),
    Anomaly(
        key="A14",
        text="One seed, yet gaps of 0.01 are read",
        statement=f"The best of each column leads by more than {NARROW} points",
        test=no_narrow_lead,
        measure=narrow_leads,
    ),
    Anomaly(
        key="A15",
        text="“C-Original is worse than C-WO” by benchmark, PSPNet",
        statement="C-Original is below C-WO on every benchmark, PSPNet",
        test=Comparison(pairs=between([("c_wo", "c_original")], BENCHMARKS, ("pspnet",))),
        measure=original_not_worse,
    ),
]


def anomalies_table(findings: Sequence[Finding]) -> Table:
    """List the anomalies of the paper, measured on its numbers and on ours."""
    long = pd.DataFrame(
        {
            "key": item.anomaly.key,
            "anomaly": item.anomaly.text,
            "paper": item.paper,
            "ours": item.ours,
            "statement": item.anomaly.statement,
            "paper_outcome": item.paper_verdict.outcome,
            "paper_detail": item.paper_verdict.detail,
            "ours_outcome": item.ours_verdict.outcome,
            "ours_detail": item.ours_verdict.detail,
            "cells": " ".join("/".join(key) for key in item.ours_verdict.cells),
        }
        for item in findings
    )
    wide = pd.DataFrame(
        {
            "": long["key"],
            "Anomaly": long["anomaly"],
            "Paper": long["paper"],
            "Ours": long["ours"],
            "Statement": long["statement"],
            "Paper's numbers": "**" + long["paper_outcome"] + "**",
            "Our scores": "**" + long["ours_outcome"] + "**",
        }
    )
    caption = (
        "Anomalies in the paper and the same measures here; and whether the statement behind "
        "each holds on the paper's own numbers and on our scores."
    )
    return Table(name="anomalies", caption=caption, wide=wide, long=long, notes=[])
