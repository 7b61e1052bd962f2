"""The paper's claims and anomalies, judged on our scores and on the paper's own numbers.

Both are data, in `paper_claims.yaml`. Most say that one training combination beats another in some
cells; `verdicts` defines when a cell counts. Of an anomaly the statement that it calls into
question is judged, and a measure of it is printed for the paper and for our results.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product, starmap
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from face_occlusion.core.params import read_yaml
from face_occlusion.reporting import verdicts
from face_occlusion.reporting.cells import CellKey
from face_occlusion.reporting.tables import Table
from face_occlusion.reporting.verdicts import CellPair, Comparison, Evidence, Test, Verdict

NOT_KNOWN = "not known"
NARROW = 0.05  # points


def _matter_of_text(evidence: Evidence) -> str:
    return "a matter of text" if evidence.printed else "does not apply"


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A claim or an anomaly of the paper, and how it is tested here."""

    key: str
    text: str  # a claim in the paper's words, shortened; or what is wrong
    reading: str  # what is tested; of an anomaly, what the paper says or takes for granted
    test: Test
    where: str = ""  # in which section a claim stands
    measure: Callable[[Evidence], str] = _matter_of_text  # of an anomaly, on a set of results


class Judgement(NamedTuple):
    """A statement with the verdicts on it, and the measures of an anomaly."""

    statement: Statement
    ours: Verdict
    paper: Verdict
    ours_measured: str
    paper_measured: str


def judge_all(
    statements: Sequence[Statement],
    ours: Evidence,
    paper: Evidence,
    significant: Mapping[verdicts.Question, bool],
) -> list[Judgement]:
    """Judge and measure statements on our results and on the paper's.

    `significant` tells which of our differences are, among those of claims and anomalies together.
    """
    return [
        Judgement(
            one,
            verdicts.judge(one.test, ours, significant),
            verdicts.judge(one.test, paper, {}),
            one.measure(ours),
            one.measure(paper),
        )
        for one in statements
    ]


def comparison_of(entry: Mapping[str, Any]) -> Comparison:
    """Compare the combinations `FIRST > SECOND` of an entry in each benchmark and model."""
    above = [pair.split(" > ") for pair in entry["above"]]
    benchmarks = entry.get("benchmarks", verdicts.BENCHMARKS)
    models = entry.get("models", verdicts.MODELS)
    pairs = [
        CellPair(CellKey(first, *place), CellKey(second, *place))
        for (first, second), *place in product(above, benchmarks, models)
    ]
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


def _describe_pairs(evidence: Evidence, pairs: Sequence[CellPair], template: str) -> str:
    """Fill a template with how many pairs print above, like and below each other."""
    values = [gap.value for gap in map(evidence.gap, pairs) if gap is not None]
    if not values:
        return NOT_KNOWN
    above, below = sum(value > 0 for value in values), sum(value < 0 for value in values)
    alike, gap = len(values) - above - below, evidence.gap(pairs[0])
    return template.format(
        above=above,
        below=below,
        not_above=alike + below,
        total=len(values),
        ties=f" ({alike} {'tie' if alike == 1 else 'ties'})" if alike else "",
        gap=gap.value if gap else None,
    )


def _images(evidence: Evidence, name: str) -> str:
    number = evidence.counts.get(name)
    return NOT_KNOWN if number is None else f"{number:,}"


def _sum_of_partition(evidence: Evidence) -> str:
    names = ("wo", "wo_test", "o", "excluded")
    known = [evidence.counts[name] for name in names if name in evidence.counts]
    total = f"{sum(known):,}" + ("" if len(known) == len(names) else " and the excluded")
    return f"{total} of {_images(evidence, 'release')}"


def _size_of_mix(evidence: Evidence) -> Verdict:
    """Compare the generated images of Mix in both tables; one number cannot contradict itself."""
    names = "c_wo_mix.generated", "c_wo_mix.generated in Table 5"
    table_4, table_5 = map(evidence.counts.get, names)
    sizes = _images(evidence, names[0])
    if table_5 is not None:
        sizes = f"{sizes} in Table 4, {table_5:,} in Table 5"
    return _verdict(None if table_4 is None else table_5 in (None, table_4), sizes)


def _narrow_leads(evidence: Evidence) -> Verdict:
    """Tell in how many columns the best leads the next value by too little, points."""
    leads: dict[tuple[str, str], float] = {}
    for place in product(verdicts.BENCHMARKS, verdicts.MODELS):
        scores = [evidence.score(CellKey(name, *place)) for name in verdicts.COMBINATIONS]
        known = sorted({score for score in scores if score is not None}, reverse=True)
        if len(known) > 1:
            leads[place] = round(known[0] - known[1], 2)
    if not leads:
        return _verdict(None, NOT_KNOWN)
    narrow = sum(lead <= NARROW for lead in leads.values())
    least = f"least {min(leads.values()):.2f}"
    detail = f"best leads by {NARROW} or less in {narrow} of {len(leads)} columns, {least}"
    cells = [CellKey(name, *place) for place, name in product(leads, verdicts.COMBINATIONS)]
    return _verdict(not narrow, detail, cells)


def _verdict(holds: bool | None, detail: str, cells: Sequence[CellKey] = ()) -> Verdict:
    outcome = "undecided" if holds is None else "holds" if holds else "fails"
    return Verdict(outcome=outcome, detail=detail, cells=list(cells))


def _numbers_agree(names: Sequence[str], agree: Callable[..., bool], evidence: Evidence) -> Verdict:
    """Tell whether numbers of images agree; undecided where one is not known."""
    numbers = [evidence.counts.get(name) for name in names]
    holds = None if None in numbers else agree(*numbers)
    return _verdict(holds, ", ".join(f"{name}: {_images(evidence, name)}" for name in names))


def _text_contradicts(contradiction: str, evidence: Evidence) -> Verdict:
    """Judge the paper's text against itself: no results can decide it for ours."""
    if not evidence.printed:
        return _verdict(None, "a matter of the paper's text; our results cannot decide it")
    return _verdict(False, contradiction)


AGREEMENTS: dict[str, Callable[..., bool]] = {  # of the numbers that the entry names
    "A1": lambda *parts: sum(parts[:-1]) == parts[-1],
    "A2": lambda cm, wo, o, c_wo: cm == wo + o and c_wo == wo,
    "A4": lambda corrected, o: abs(corrected - o) <= 0.1 * o,
}
REALOCC = list(starmap(CellKey, product(verdicts.COMBINATIONS, ["realocc"], verdicts.MODELS)))
HIGHEST = CellKey("c_cm_natocc_sot", "realocc", "segformer")
IMBALANCED = CellKey("c_original", "realocc", "pspnet")
SPECIAL_TESTS: dict[str, Test] = {
    "highest": Comparison(
        pairs=[CellPair(HIGHEST, key) for key in REALOCC if key != HIGHEST], remark=_best
    ),
    "imbalance": Comparison(
        pairs=[CellPair(IMBALANCED, IMBALANCED, verdicts.CLASS_MEASURES)], remark=_classes
    ),
    "A3": _size_of_mix,
    "A12": Comparison(
        pairs=[
            CellPair(key._replace(benchmark="cofw_aligned"), key._replace(benchmark="cofw"))
            for key in REALOCC
        ]
    ),
    "A14": _narrow_leads,
}
SPECIAL_MEASURES: dict[str, Callable[[Evidence], str]] = {
    "A1": _sum_of_partition,
    "A3": lambda evidence: _size_of_mix(evidence).detail,
    "A14": lambda evidence: _narrow_leads(evidence).detail,
}


def _test_of(entry: Mapping[str, Any]) -> Test:
    if entry["key"] in SPECIAL_TESTS:
        return SPECIAL_TESTS[entry["key"]]
    if "numbers" in entry:
        return partial(_numbers_agree, entry["numbers"], AGREEMENTS[entry["key"]])
    if "contradiction" in entry:
        return partial(_text_contradicts, entry["contradiction"])
    return comparison_of(entry)


def _measure_of(entry: Mapping[str, Any], test: Test) -> Callable[[Evidence], str]:
    """Make the measure of an entry: numbers of images, or counts of the pairs it compares."""
    if "measure" not in entry:
        return SPECIAL_MEASURES.get(entry["key"], _matter_of_text)
    template = entry["measure"]
    if not isinstance(test, Comparison):
        names = re.findall(r"{(\w+)}", template)
        return lambda evidence: template.format(**{name: _images(evidence, name) for name in names})
    if "titles" not in entry:
        return lambda evidence: _describe_pairs(evidence, test.pairs, template)
    parts = {
        title: comparison_of({**entry, "above": [above]}).pairs
        for title, above in zip(entry["titles"], entry["above"], strict=True)
    }
    return lambda evidence: ", ".join(
        f"{title} {_describe_pairs(evidence, pairs, template)}" for title, pairs in parts.items()
    )


def _read(kind: str) -> list[Statement]:
    return [
        Statement(
            **{name: entry[name] for name in ("key", "text", "reading")},
            test=(test := _test_of(entry)),
            where=entry.get("where", ""),
            measure=_measure_of(entry, test),
        )
        for entry in read_yaml(Path(__file__).with_name("paper_claims.yaml"))[kind]
    ]


CLAIMS, ANOMALIES = _read("claims"), _read("anomalies")


def claims_table(judgements: Sequence[Judgement]) -> Table:
    """List the paper's claims with their verdicts, on our scores and on the paper's numbers."""
    long = _records(judgements).drop(columns=["ours_measured", "paper_measured"])
    long = long.rename(columns={"text": "claim", "ours_outcome": "ours", "paper_outcome": "paper"})
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


def anomalies_table(judgements: Sequence[Judgement]) -> Table:
    """List the anomalies of the paper, measured on its numbers and on ours."""
    judged = ["paper_outcome", "paper_detail", "ours_outcome", "ours_detail", "cells"]
    long = _records(judgements)
    long = long[["key", "text", "paper_measured", "ours_measured", "reading", *judged]]
    long = long.set_axis(["key", "anomaly", "paper", "ours", "statement", *judged], axis=1)
    wide = long[["key", "anomaly", "paper", "ours", "statement"]]
    wide = wide.set_axis(["", "Anomaly", "Paper", "Ours", "Statement"], axis=1)
    wide["Paper's numbers"] = "**" + long["paper_outcome"] + "**"
    wide["Our scores"] = "**" + long["ours_outcome"] + "**"
    caption = (
        "Anomalies in the paper and the same measures here; and whether the statement behind "
        "each holds on the paper's own numbers and on our scores."
    )
    return Table(name="anomalies", caption=caption, wide=wide, long=long, notes=[])


def _records(judgements: Sequence[Judgement]) -> pd.DataFrame:
    """Put statements and what was found into one table, a row for each."""
    return pd.DataFrame(
        {
            "key": item.statement.key,
            "where": item.statement.where,
            "text": item.statement.text,
            "reading": item.statement.reading,
            "ours_outcome": item.ours.outcome,
            "ours_detail": item.ours.detail,
            "paper_outcome": item.paper.outcome,
            "paper_detail": item.paper.detail,
            "ours_measured": item.ours_measured,
            "paper_measured": item.paper_measured,
            "cells": " ".join("/".join(key) for key in item.ours.cells),
        }
        for item in judgements
    )
