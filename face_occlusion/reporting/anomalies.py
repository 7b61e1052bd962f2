"""Anomalies A1 to A15 of the paper: what it says, whether its own numbers bear it out, and ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from face_occlusion.reporting.anomaly_measures import (
    NARROW,
    aligned_wins,
    beats_cm,
    corrected,
    mix_not_above,
    narrow_leads,
    no_narrow_lead,
    numbers_agree,
    one_size_of_mix,
    original_not_worse,
    size_of_mix,
    size_of_wo,
    sum_of_partition,
    text_contradicts,
    unoccluded,
    wins,
)
from face_occlusion.reporting.claims import SYNTHETIC
from face_occlusion.reporting.evidence import (
    BENCHMARKS,
    COMBINATIONS,
    MODELS,
    Evidence,
    Pair,
    between,
)
from face_occlusion.reporting.paper import Place
from face_occlusion.reporting.verdicts import Comparison, Question, Test, Verdict, judge


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
        ours: Evidence with margins.
        paper: Evidence without.
        sure: Of `verdicts.sure_differences`, over claims and anomalies together.
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
                Pair(Place(name, "cofw_aligned", model), Place(name, "cofw", model))
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
