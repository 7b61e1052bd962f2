"""What the anomalies read off a set of results: measures in words, and tests of statements."""

from __future__ import annotations

from collections.abc import Callable

from face_occlusion.reporting.evidence import BENCHMARKS, COMBINATIONS, MODELS, Evidence, between
from face_occlusion.reporting.paper import Place
from face_occlusion.reporting.verdicts import Outcome, Verdict

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
            aligned = evidence.score(Place(combination, "cofw_aligned", model))
            plain = evidence.score(Place(combination, "cofw", model))
            if aligned is not None and plain is not None:
                above, total = above + (aligned > plain), total + 1
    return f"{above} of {total}" if total else NOT_KNOWN


NARROW = 0.05  # points


def lead_of_columns(evidence: Evidence) -> dict[tuple[str, str], float]:
    """Return by how much the best of each column leads the next value, points."""
    leads = {}
    for benchmark in BENCHMARKS:
        for model in MODELS:
            scores = [evidence.score(Place(name, benchmark, model)) for name in COMBINATIONS]
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
    cells = [Place(name, benchmark, model) for benchmark, model in leads for name in COMBINATIONS]
    return Verdict(outcome=outcome, detail=narrow_leads(evidence), cells=cells)
