"""Tables 1 to 5 of the paper from our data, and what its claims and anomalies come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from face_occlusion.reporting.anomalies import Finding
from face_occlusion.reporting.cells import Cell, best_of_columns
from face_occlusion.reporting.claims import Judgement
from face_occlusion.reporting.grid import Grid
from face_occlusion.reporting.paper import PARTITION, paper_quantity
from face_occlusion.reporting.quantities import NO_PART, Inventory
from face_occlusion.reporting.table_files import Table

# Table 1 as this project applies it (Q1 to Q4).
CLASS_DEFINITIONS = [
    ("Face (1)", "Skin of the head with eyes, nose and mouth, without ears"),
    (
        "Face (1), grey area",
        "Tattoo, shadow, moustache and beard over the face; the skin of a bald head",
    ),
    (
        "Background (0)",
        "Whatever is no face, and whatever covers it: sunglasses, shirt, hair, microphone, hands, "
        "printed words and copyright marks",
    ),
    ("Background (0), grey area", "Transparent and translucent glasses"),
    ("Not counted (255)", "Pixels that a benchmark leaves open"),
]
CATEGORY_TITLES = {
    "wo": "CelebAMask-HQ-WO (Train)",
    "wo_test": "CelebAMask-HQ-WO (Test)",
    "o": "CelebAMask-HQ-O",
}
EMPTY = "–"


def table_1() -> Table:
    """Define the classes."""
    frame = pd.DataFrame(CLASS_DEFINITIONS, columns=["Class", "Definition"])
    return Table(
        name="table1", caption="Definition of the classes.", wide=frame, long=frame, notes=[]
    )


def table_2(inventory: Inventory, excluded: int | None) -> Table:
    """Count the partition of CelebAMask-HQ beside the paper's.

    Args:
        inventory: The sets; sizes are counted, not copied from the lists.
        excluded: Images of the release in none of the lists, None where nobody counted.
    """
    rows = [
        (title, inventory.size(f"faces/{key}"), PARTITION[key])
        for key, title in CATEGORY_TITLES.items()
    ]
    known = [(excluded, PARTITION["excluded"])] if excluded is not None else []
    rows += [("Excluded images", ours, paper) for ours, paper in known]
    rows.append(("Sum", sum(row[1] for row in rows), sum(PARTITION.values())))
    long = pd.DataFrame(rows, columns=["category", "ours", "paper"])
    wide = long.set_axis(["Category", "Ours", "Paper"], axis=1)
    wide = wide.map(lambda value: f"{value:,}" if isinstance(value, int) else value)
    notes = ["The paper's numbers add up to 30,002; the release has 30,000 images."]
    if excluded is None:
        notes.append("Excluded images were not counted: the list of the release was not there.")
    caption = "Our partition of CelebAMask-HQ. WO: without occlusion; O: occluded."
    return Table(name="table2", caption=caption, wide=wide, long=long, notes=notes)


def table_3(inventory: Inventory, combinations: Mapping[str, Any]) -> Table:
    """Define the training combinations by the sets they hold."""
    rows = []
    for key, combination in combinations.items():
        parts = [part for part in combination["data"] if part != NO_PART]
        photographs, generated = inventory.sizes(combination)
        contents = " + ".join(f"{part} ({inventory.size(part):,})" for part in parts)
        rows.append(
            (key, combination["title"], combination["masks"], contents, photographs, generated)
        )
    columns = ["key", "title", "masks", "contents", "photographs", "generated"]
    long = pd.DataFrame(rows, columns=columns)
    wide = pd.DataFrame(
        {
            "Combination": long["title"],
            "Masks": long["masks"],
            "Image sets": long["contents"],
            "Images": (long["photographs"] + long["generated"]).map(lambda value: f"{value:,}"),
            "Paper": [paper_quantity(key, 4) or EMPTY for key in long["key"]],
        }
    )
    caption = "The training combinations: which sets, how many images."
    return Table(name="table3", caption=caption, wide=wide, long=long, notes=[])


def score_table(
    number: int,
    grid: Grid,
    benchmarks: Sequence[str],
    combinations: Mapping[str, Any],
    inventory: Inventory,
) -> Table:
    """Build Table 4 or 5: each cell ours with its interval, the paper's, the difference.

    Args:
        number: Of the table in the paper; the paper's quantities differ between the two (A3).
        grid: All results.
        benchmarks: The table's benchmarks, left to right.
        combinations: Section `combinations` of params.yaml.
        inventory: The image sets, for our quantities.
    """
    cells = grid.select(benchmarks)
    best, paper_best = best_of_columns(cells), best_of_columns(cells, paper=True)
    quantities = {key: inventory.quantity(value) for key, value in combinations.items()}
    wide: dict[str, list[str]] = {
        "Trained on": [combination["title"] for combination in combinations.values()],
        "Quantity": list(quantities.values()),
        "Paper's quantity": [paper_quantity(key, number) or EMPTY for key in combinations],
    }
    for cell in cells:
        benchmark, model = cell.place.benchmark, cell.place.model
        heading = f"{grid.axes.benchmarks[benchmark]}: {grid.axes.models[model]}"
        wide.setdefault(heading, []).append(
            cell_text(cell, best=cell.place in best, paper_best=cell.place in paper_best)
        )
    long = pd.DataFrame(
        {
            "combination": cell.place.combination,
            "title": grid.axes.combinations[cell.place.combination],
            "quantity": quantities[cell.place.combination],
            "paper_quantity": paper_quantity(cell.place.combination, number),
            **_cell_record(cell),
            "best": cell.place in best,
            "paper_best": cell.place in paper_best,
            "empty_because": cell.empty,
        }
        for cell in cells
    )
    confidence = f"{100 * grid.params.confidence:g}"
    caption = (
        f"mIoU in per cent, pooled over pixels; {confidence} % interval of a bootstrap over images "
        "in brackets; then the paper's value and ours less the paper's. Best of each column bold, "
        "ties included."
    )
    return Table(
        name=f"table{number}",
        caption=caption,
        wide=pd.DataFrame(wide),
        long=long,
        notes=empty_reasons(grid, benchmarks),
    )


def cell_text(cell: Cell, *, best: bool, paper_best: bool) -> str:
    """Write a cell: `**93.10** [92.0, 94.2] · 96.65 · -3.55`, or why there is no score."""
    printed = EMPTY if cell.printed is None else f"{cell.printed:.2f}"
    printed = f"**{printed}**" if paper_best else printed
    if cell.estimate is None:
        return f"{EMPTY} · {printed}"
    ours = f"**{cell.ours:.2f}**" if best else f"{cell.ours:.2f}"
    low, high = 100 * cell.estimate.low, 100 * cell.estimate.high
    interval = f" [{low:.1f}, {high:.1f}]" if low == low else ""
    difference = "" if cell.difference is None else f" · {cell.difference:+.2f}"
    return f"{ours}{interval} · {printed}{difference}"


def empty_reasons(grid: Grid, benchmarks: Sequence[str]) -> list[str]:
    """Say for each group of empty cells why there is no score."""
    reasons: dict[tuple[str, str], int] = {}
    for cell in grid.select(benchmarks):
        if cell.empty is not None:
            key = (grid.axes.benchmarks[cell.place.benchmark], cell.empty)
            reasons[key] = reasons.get(key, 0) + 1
    return [
        f"{benchmark}: {count} {'cell' if count == 1 else 'cells'} without a score: {reason}"
        for (benchmark, reason), count in reasons.items()
    ]


def _cell_record(cell: Cell) -> dict[str, Any]:
    """Put a cell's numbers into a row: per cent, two decimals; None where there is no score."""
    scores = cell.scores.get(cell.headline, {})
    margin = cell.estimate
    return {
        "benchmark": cell.place.benchmark,
        "model": cell.place.model,
        "miou": cell.ours,
        "low": round(100 * margin.low, 2) if margin else None,
        "high": round(100 * margin.high, 2) if margin else None,
        "paper_miou": cell.printed,
        "difference": cell.difference,
        "num_images": cell.num_images,
        **{
            name: round(100 * scores[name], 2) if name in scores else None
            for name in ("iou_background", "iou_face", "miou_per_image", "boundary_iou", "fwiou")
        },
        "miou_best_checkpoint": _best_checkpoint(cell),
    }


def _best_checkpoint(cell: Cell) -> float | None:
    best = cell.scores.get("best")
    return None if best is None else round(100 * best["miou"], 2)


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
            "cells": " ".join("/".join(place) for place in item.ours.cells),
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
            "cells": " ".join("/".join(place) for place in item.ours_verdict.cells),
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
