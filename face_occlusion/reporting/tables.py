"""Tables of the report and their files: Markdown, LaTeX and CSV."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from face_occlusion.core.params import read_yaml
from face_occlusion.overlap.compare import Overlap, SetComparison
from face_occlusion.reporting.cells import PARTITION, Cell, best_of_columns, paper_quantity
from face_occlusion.reporting.grid import Grid
from face_occlusion.reporting.provenance import Inventory

PROSE = 60  # characters; a LaTeX column with longer cells breaks its lines
PROSE_WIDTH = "6cm"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as readers and as programs see it."""

    name: str  # file name without extension, `table4`
    caption: str  # one sentence or two
    wide: pd.DataFrame  # for readers: headings and cells of text, `**bold**` for bold
    long: pd.DataFrame  # for programs: one row per cell or line, plain values
    notes: list[str]  # printed below, such as why cells are empty


def write_table(folder: Path, table: Table) -> None:
    """Write NAME.md, NAME.tex and NAME.csv into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{table.name}.md").write_text(markdown(table))
    (folder / f"{table.name}.tex").write_text(latex(table))
    write_csv(folder / f"{table.name}.csv", table.long)


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a CSV; the same frame gives the same bytes on every system."""
    frame.to_csv(path, index=False, lineterminator="\n")


def markdown(table: Table) -> str:
    """Write a table as Markdown, its caption above and its notes below."""
    # disable_numparse: tabulate would read "96.50" as a number and print 96.5
    body = table.wide.to_markdown(index=False, disable_numparse=True)
    notes = "".join(f"- {note}\n" for note in table.notes)
    return f"{table.caption}\n\n{body}\n" + (f"\n{notes}" if notes else "")


def latex(table: Table) -> str:
    r"""Write a table as LaTeX for `\input`; needs booktabs and graphicx, and no other package."""
    escaped = table.wide.map(_latex_text).rename(columns=_latex_text)
    longest = [max(map(len, map(str, cells)), default=0) for _, cells in table.wide.items()]
    columns = "".join(f"p{{{PROSE_WIDTH}}}" if length > PROSE else "l" for length in longest)
    body = escaped.to_latex(index=False, escape=False, column_format=columns)
    caption = _latex_text(" ".join([table.caption, *table.notes]))
    return (
        "\\begin{table*}\n\\centering\n"
        f"\\caption{{{caption}}}\n\\label{{tab:{table.name}}}\n"
        f"\\resizebox{{\\textwidth}}{{!}}{{%\n{body}}}\n\\end{{table*}}\n"
    )


MINUS = re.compile(r"(?<![\w.)])-(?=\d)")  # of a number; not in C-CM or 5-46
LATEX_ESCAPES: dict[str, str] = read_yaml(Path(__file__).with_name("latex.yaml"))


def _latex_text(value: object) -> str:
    """Escape a cell's text and turn `**bold**` into LaTeX's."""
    pieces = MINUS.sub("−", str(value)).translate(str.maketrans(LATEX_ESCAPES)).split("**")
    return "".join(
        rf"\textbf{{{piece}}}" if index % 2 else piece for index, piece in enumerate(pieces)
    )


CATEGORY_TITLES = {
    "wo": "CelebAMask-HQ-WO (Train)",
    "wo_test": "CelebAMask-HQ-WO (Test)",
    "o": "CelebAMask-HQ-O",
}
EMPTY = "–"


def table_1() -> Table:
    """Define the classes, as this project applies Table 1."""
    frame = pd.read_csv(Path(__file__).with_name("class_definitions.csv"))
    caption = "Definition of the classes."
    return Table(name="table1", caption=caption, wide=frame, long=frame, notes=[])


def table_2(inventory: Inventory, excluded: int | None) -> Table:
    """Count our partition of CelebAMask-HQ and compare it with the paper's.

    `excluded` images of the release are in none of the lists; None if they were not counted.
    """
    rows = [
        (title, len(inventory.sets[f"faces/{key}"]), PARTITION[key])
        for key, title in CATEGORY_TITLES.items()
    ]
    if excluded is not None:
        rows.append(("Excluded images", excluded, PARTITION["excluded"]))
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
        contents = " + ".join(
            f"{part} ({len(inventory.sets[part]):,})" for part in combination["data"]
        )
        title, masks = combination["title"], combination["masks"]
        rows.append((key, title, masks, contents, *inventory.sizes(combination)))
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


@dataclass(frozen=True, kw_only=True)
class ScoreTable(Table):
    """Table 4 or 5, or one like them, and how the page lays it out.

    `rows` are for each combination its `title`, `quantity`, number of `images`, `paper_quantity`
    (None where the paper has none) and `cells`: each `cell`, whether it is the `best` of its
    column, and whether the paper's value is (`paper_best`).
    """

    title: str
    benchmarks: Sequence[str]
    rows: list[dict[str, Any]]


def score_table(
    number: int,
    grid: Grid,
    benchmarks: Sequence[str],
    combinations: Mapping[str, Any],
    inventory: Inventory,
) -> ScoreTable:
    """Build Table 4 or 5: ours with its interval, the paper's value, the difference.

    The paper prints other quantities in Table 5; ours are counted in the `inventory`.
    """
    cells = grid.select(benchmarks)
    best, paper_best = best_of_columns(cells), best_of_columns(cells, paper=True)
    rows = [
        {
            "title": combination["title"],
            "quantity": inventory.quantity(combination),
            "images": sum(inventory.sizes(combination)),
            "paper_quantity": paper_quantity(key, number),
            "cells": [
                {"cell": cell, "best": cell.key in best, "paper_best": cell.key in paper_best}
                for cell in cells
                if cell.key.combination == key
            ],
        }
        for key, combination in combinations.items()
    ]
    titles = [grid.axes.benchmarks[name] for name in benchmarks]
    headings = map(": ".join, product(titles, grid.axes.models.values()))
    names = ["Trained on", "Quantity", "Paper's quantity", *headings]
    wide = [
        [row["title"], row["quantity"], row["paper_quantity"] or EMPTY]
        + [cell_text(**marked) for marked in row["cells"]]
        for row in rows
    ]
    long = pd.DataFrame(
        {
            "combination": marked["cell"].key.combination,
            **{name: row[name] for name in ("title", "quantity", "paper_quantity")},
            **cell_record(marked["cell"]),
            "best": marked["best"],
            "paper_best": marked["paper_best"],
            "empty_because": marked["cell"].empty,
        }
        for row in rows
        for marked in row["cells"]
    )
    caption = (
        f"mIoU in per cent, pooled over pixels; {100 * grid.params.confidence:g} % interval of a "
        "bootstrap over images in brackets; then the paper's value and ours less the paper's. Best "
        "of each column bold, ties included."
    )
    return ScoreTable(
        name=f"table{number}",
        caption=caption,
        wide=pd.DataFrame(wide, columns=names),
        long=long,
        notes=empty_reasons(grid, benchmarks),
        title=f"Table {number}",
        benchmarks=benchmarks,
        rows=rows,
    )


def beyond_table(
    grid: Grid, benchmarks: Sequence[str], combinations: Mapping[str, Any], inventory: Inventory
) -> ScoreTable:
    """Build the table of rows that the paper does not have, like Table 4."""
    table = score_table(4, grid, benchmarks, combinations, inventory)
    about = [
        f"{row['title']}: while training, {100 * row['share']:g} % of the unoccluded faces are "
        f"occluded, each time anew, as in {', '.join(row['online'])}."
        for row in combinations.values()
    ]
    caption = f"Beyond the paper, occluded while training. {table.caption}"
    title, notes = "Beyond the paper: occluded while training", [*about, *table.notes]
    return replace(table, name="beyond", title=title, caption=caption, notes=notes)


def cell_text(cell: Cell, *, best: bool, paper_best: bool) -> str:
    """Write a cell: `**93.10** [92.0, 94.2] · 96.65 · -3.55`, or why there is no score."""
    printed = EMPTY if cell.printed is None else f"{cell.printed:.2f}"
    printed = f"**{printed}**" if paper_best else printed
    difference = "" if cell.difference is None else f" · {cell.difference:+.2f}"
    return f"{score_text(cell, best=best)} · {printed}{difference}"


def score_text(cell: Cell, *, best: bool = False) -> str:
    """Write our score of a cell: `**93.10** [92.0, 94.2]`."""
    if cell.estimate is None:
        return EMPTY
    ours = f"**{cell.ours:.2f}**" if best else f"{cell.ours:.2f}"
    low, high = 100 * cell.estimate.low, 100 * cell.estimate.high
    return f"{ours} [{low:.1f}, {high:.1f}]" if low == low else ours


def empty_reasons(grid: Grid, benchmarks: Sequence[str]) -> list[str]:
    """Say for each group of empty cells why there is no score."""
    reasons = Counter(
        (grid.axes.benchmarks[cell.key.benchmark], cell.empty)
        for cell in grid.select(benchmarks)
        if cell.empty is not None
    )
    return [
        f"{benchmark}: {count} {'cell' if count == 1 else 'cells'} without a score: {reason}"
        for (benchmark, reason), count in reasons.items()
    ]


def cell_record(cell: Cell) -> dict[str, Any]:
    """Put a cell's numbers into a row: per cent, two decimals; None where there is no score."""

    def shown(score: float | None) -> float | None:
        return None if score is None else round(100 * score, 2)

    scores, interval = cell.scores.get(cell.headline, {}), cell.estimate
    names = ("iou_background", "iou_face", "miou_per_image", "boundary_iou", "fwiou")
    return {
        "benchmark": cell.key.benchmark,
        "model": cell.key.model,
        "miou": cell.ours,
        "low": shown(interval and interval.low),
        "high": shown(interval and interval.high),
        "paper_miou": cell.printed,
        "difference": cell.difference,
        "num_images": cell.num_images,
        **{name: shown(scores.get(name)) for name in names},
        "miou_best_checkpoint": shown(cell.scores.get("best", {}).get("miou")),
    }


def overlap_table(overlap: Overlap) -> Table:
    """List how many images of each two sets are suspected to show one photograph."""
    comparisons = overlap.comparisons
    long = pd.DataFrame(
        {
            "first": one.first,
            "second": one.second,
            "images_first": one.sizes[0],
            "images_second": one.sizes[1],
            "same_release": one.same_release,
            "suspected_pairs": len(one.suspected),
            "suspected_first": one.num_suspected[0],
            "suspected_second": one.num_suspected[1],
            "closest_bits": one.closest[0].bits if one.closest else None,
            "shared_identities": one.shared_identities,
            "identities": one.identities,
        }
        for one in comparisons
    )
    wide = pd.DataFrame(
        {
            "Set": one.first,
            "Benchmark": one.second,
            "Images": f"{one.sizes[0]:,} and {one.sizes[1]:,}",
            "Suspected": _suspected(one),
            "Closest pair": f"{one.closest[0].bits} bits" if one.closest else "–",
            "People in both": one.identities,
        }
        for one in comparisons
    )
    caption = (
        "Photographs that training and benchmarks share, suspected by perceptual hashes: pairs "
        f"whose closest views differ in at most {overlap.max_bits} of 256 bits."
    )
    return Table(name="overlap", caption=caption, wide=wide, long=long, notes=list(_notes(overlap)))


def _suspected(one: SetComparison) -> str:
    if not one.suspected:
        return "none"
    count = f"{one.num_suspected[0]} and {one.num_suspected[1]} images"
    return f"{count} (one release)" if is_meant(one) else count


def is_meant(one: SetComparison) -> bool:
    """Say whether two benchmarks are made of the same photographs, such as COFW and its crops."""
    return one.same_release and "benchmarks/" in one.first


def _notes(overlap: Overlap) -> Iterator[str]:
    names = {"benchmarks/realocc", "benchmarks/realocc_wild"}
    for one in overlap.comparisons:
        if {one.first, one.second} == names:
            found = f"{len(one.suspected)} pairs suspected" if one.suspected else "none found here"
            yield f"RealOcc and RealOcc-Wild may share photographs by the paper: {found}."
    if any(one.shared_identities is None for one in overlap.comparisons):
        yield (
            "People are compared where both sets name them, which only faces of CelebAMask-HQ do, "
            "with CelebA's identities next to the release."
        )
