"""Anomalies A1 to A15 of the paper: what its own numbers say, and the same measure on ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from face_occlusion.reporting.evidence import BENCHMARKS, COMBINATIONS, MODELS, Evidence
from face_occlusion.reporting.paper import Place

NOT_KNOWN = "not known"


@dataclass(frozen=True, kw_only=True)
class Anomaly:
    """One thing in the paper that a reader should know beside the results.

    Attributes:
        key: A1 to A15.
        text: The anomaly in words.
        measure: Reads it off a set of results; None where it is a matter of text.
    """

    key: str
    text: str
    measure: Callable[[Evidence], str] | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """An anomaly as measured."""

    anomaly: Anomaly
    paper: str
    ours: str


def find_anomalies(ours: Evidence, paper: Evidence) -> list[Finding]:
    """Measure every anomaly on our results and on the paper's."""
    return [
        Finding(
            anomaly=anomaly,
            paper=anomaly.measure(paper) if anomaly.measure else "a matter of text",
            ours=anomaly.measure(ours) if anomaly.measure else "does not apply",
        )
        for anomaly in ANOMALIES
    ]


def count_above(
    evidence: Evidence,
    first: str,
    second: str,
    benchmarks: tuple[str, ...] = BENCHMARKS,
    models: tuple[str, ...] = MODELS,
) -> tuple[int, int, int]:
    """Count the cells where the first combination prints above, alike, and below the second."""
    gaps = [evidence.gap(first, second, name, model) for name in benchmarks for model in models]
    values = [gap.value for gap in gaps if gap is not None]
    above = sum(value > 0 for value in values)
    return above, sum(value == 0 for value in values), sum(value < 0 for value in values)


def _wins(evidence: Evidence, first: str, second: str) -> str:
    above, alike, below = count_above(evidence, first, second)
    total = above + alike + below
    if not total:
        return NOT_KNOWN
    ties = f" ({alike} {'tie' if alike == 1 else 'ties'})" if alike else ""
    return f"{above} of {total}{ties}"


def _images(evidence: Evidence, name: str) -> str:
    number = evidence.images(name)
    return NOT_KNOWN if number is None else f"{number:,}"


def _sum_of_partition(evidence: Evidence) -> str:
    parts = [evidence.images(name) for name in ("wo", "wo_test", "o", "excluded")]
    known = [part for part in parts if part is not None]
    total = f"{sum(known):,}" + ("" if len(known) == len(parts) else " and the excluded")
    return f"{total} of {_images(evidence, 'release')}"


def _size_of_wo(evidence: Evidence) -> str:
    sizes = [_images(evidence, name) for name in ("c_cm", "wo", "o", "c_wo")]
    return "C-CM {} = {} + {}; C-WO {}".format(*sizes)


def _size_of_mix(evidence: Evidence) -> str:
    table_4 = _images(evidence, "c_wo_mix.generated")
    table_5 = evidence.images("c_wo_mix.generated in Table 5")
    return table_4 if table_5 is None else f"{table_4} in Table 4, {table_5:,} in Table 5"


def _corrected(evidence: Evidence) -> str:
    return f"{_images(evidence, 'corrected')} corrected, {_images(evidence, 'o')} occluded"


def _beats_cm(evidence: Evidence) -> str:
    names = {
        "NatOcc": "c_wo_natocc",
        "SOT": "c_wo_natocc_sot",
        "RandOcc": "c_wo_randocc",
        "Mix": "c_wo_mix",
    }
    return ", ".join(f"{title} {_wins(evidence, key, 'c_cm')}" for title, key in names.items())


def _unoccluded(evidence: Evidence) -> str:
    parts = []
    for title, key in (("RandOcc", "c_wo_randocc"), ("Mix", "c_wo_mix")):
        gap = evidence.gap(key, "c_wo", "wo_test", "segformer")
        parts.append(f"{title} {gap.value:+.2f}" if gap is not None else f"{title} {NOT_KNOWN}")
    return ", ".join(parts)


def _mix_not_above(evidence: Evidence) -> str:
    above, alike, below = count_above(evidence, "c_wo_mix", "c_wo_randocc")
    total = above + alike + below
    return f"{alike + below} of {total}" if total else NOT_KNOWN


def _aligned(evidence: Evidence) -> str:
    above = total = 0
    for combination in COMBINATIONS:
        for model in MODELS:
            aligned = evidence.score(Place(combination, "cofw_aligned", model))
            plain = evidence.score(Place(combination, "cofw", model))
            if aligned is not None and plain is not None:
                above, total = above + (aligned > plain), total + 1
    return f"{above} of {total}" if total else NOT_KNOWN


def _narrow_leads(evidence: Evidence) -> str:
    """Count the columns whose best leads the next value by at most 0.05 points."""
    leads = []
    for benchmark in BENCHMARKS:
        for model in MODELS:
            scores = [evidence.score(Place(name, benchmark, model)) for name in COMBINATIONS]
            known = sorted({score for score in scores if score is not None}, reverse=True)
            if len(known) > 1:
                leads.append(round(known[0] - known[1], 2))
    if not leads:
        return NOT_KNOWN
    narrow = sum(lead <= 0.05 for lead in leads)
    return f"best leads by 0.05 or less in {narrow} of {len(leads)} columns, least {min(leads):.2f}"


def _original_not_worse(evidence: Evidence) -> str:
    above, alike, below = count_above(evidence, "c_original", "c_wo", models=("pspnet",))
    total = above + alike + below
    return f"C-Original above C-WO in {above} of {total}" if total else NOT_KNOWN


ANOMALIES = [
    Anomaly(key="A1", text="Table 2 adds up to more than the release", measure=_sum_of_partition),
    Anomaly(key="A2", text="C-CM is WO + O, yet C-WO lacks one image", measure=_size_of_wo),
    Anomaly(
        key="A3", text="Generated images of Mix differ between the tables", measure=_size_of_mix
    ),
    Anomaly(
        key="A4", text="“Approximately 4,000” corrected against Table 2's O", measure=_corrected
    ),
    Anomaly(key="A5", text="Food is called unseen, but is among the COCO categories"),
    Anomaly(key="A6", text="Appendix B calls the real-world set C-WO; it is C-CM"),
    Anomaly(key="A7", text="Cells in which a synthetic set beats C-CM", measure=_beats_cm),
    Anomaly(
        key="A8",
        text="Cells in which adding NatOcc to C-CM wins",
        measure=lambda evidence: _wins(evidence, "c_cm_natocc", "c_cm"),
    ),
    Anomaly(
        key="A9",
        text="Cells in which colour transfer wins over none",
        measure=lambda evidence: _wins(evidence, "c_wo_natocc_sot", "c_wo_natocc"),
    ),
    Anomaly(
        key="A10",
        text="SegFormer on unoccluded faces: points above C-WO, said not to suffer",
        measure=_unoccluded,
    ),
    Anomaly(
        key="A11",
        text="Cells in which Mix is not above RandOcc, said to improve",
        measure=_mix_not_above,
    ),
    Anomaly(key="A12", text="Runs better on aligned than on plain COFW", measure=_aligned),
    Anomaly(
        key="A13",
        text="RealOcc's labels were begun by models trained on the synthetic sets, then corrected: "
        "a home advantage",
    ),
    Anomaly(key="A14", text="One seed, yet gaps of 0.01 are read", measure=_narrow_leads),
    Anomaly(
        key="A15",
        text="“C-Original is worse than C-WO” by benchmark, PSPNet",
        measure=_original_not_worse,
    ),
]
