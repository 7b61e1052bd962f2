"""What a program reads of a report: every score, group, difference and confusion as CSV."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from face_occlusion.reporting.breakdowns import (
    FACTOR_NOTES,
    FACTOR_TITLES,
    MEAN_MODEL,
    confusion_table,
    difference_table,
    measure_table,
    seed_table,
)
from face_occlusion.reporting.grid import Grid
from face_occlusion.reporting.table_files import Table

DECIMALS = 4  # of per cent
DIGITS = 4  # of p-values, significant: decimals would print 0 where there is none


def write_data(grid: Grid, groups: pd.DataFrame, folder: Path) -> None:
    """Write every long table of the results.

    Args:
        grid: All results.
        groups: Of `breakdowns.breakdown_table`.
        folder: Gets scores.csv, differences.csv, breakdowns.csv, confusion.csv and seeds.csv.
    """
    folder.mkdir(parents=True)
    frames = {
        "scores": measure_table(grid),
        "differences": difference_table(grid),
        "breakdowns": groups,
        "confusion": confusion_table(grid),
        "seeds": seed_table(grid),
    }
    for name, frame in frames.items():
        write_csv(folder / f"{name}.csv", _shortened(frame))


def _shortened(frame: pd.DataFrame) -> pd.DataFrame:
    """Round a long table: p-values to digits, other numbers to decimals."""
    if "p_value" not in frame:
        return frame.round(DECIMALS)
    p_values = [float(f"{value:.{DIGITS - 1}e}") for value in frame["p_value"]]
    return frame.round(DECIMALS).assign(p_value=p_values)


def write_plots(grid: Grid, tables: Mapping[str, Table], folder: Path) -> None:
    """Write what `dvc plots` draws: the cells of Tables 4 and 5, the grid, the confusion.

    Args:
        grid: All results.
        tables: `table4` and `table5`.
        folder: Gets table4.csv, table5.csv, grid.csv and confusion.csv.
    """
    folder.mkdir(parents=True)
    columns = ["title", "benchmark", "model", "miou", "low", "high", "paper_miou"]
    cells = []
    for name in ("table4", "table5"):
        long = tables[name].long
        scored = long.loc[long["miou"].notna(), columns]
        write_csv(folder / f"{name}.csv", scored)
        cells.append(scored)
    every = pd.concat(cells)
    column = every["benchmark"].map(grid.axes.benchmarks) + ": "
    column += every["model"].map(grid.axes.models)
    heat = pd.DataFrame({"trained on": every["title"], "column": column, "value": every["miou"]})
    write_csv(folder / "grid.csv", heat)
    headline = next(iter(grid.axes.benchmarks))
    write_csv(folder / "confusion.csv", mean_confusion(grid, headline))


def mean_confusion(grid: Grid, benchmark: str) -> pd.DataFrame:
    """Average a benchmark's confusion over models and seeds.

    Returns:
        `actual` (with the training combination), `predicted`, and `value`, the share of the
        actual class that was predicted so, per cent.
    """
    table = confusion_table(grid)
    if not table.empty:
        table = table[table["benchmark"] == benchmark]
    if table.empty:
        return pd.DataFrame(columns=["actual", "predicted", "value"])
    keys = ["combination", "actual", "predicted"]
    mean = table.groupby(keys, sort=False)["share"].mean().reset_index()
    return pd.DataFrame(
        {
            "actual": mean["combination"].map(grid.axes.combinations) + ": " + mean["actual"],
            "predicted": mean["predicted"],
            "value": (100 * mean["share"]).round(2),
        }
    )


def group_table(grid: Grid, groups: pd.DataFrame) -> Table:
    """Put the mIoU of groups of images into a table, mean over the models.

    Args:
        grid: All results.
        groups: Of `breakdowns.breakdown_table`.
    """
    several = len(grid.axes.models) > 1
    model = MEAN_MODEL if several else next(iter(grid.axes.models))
    long = groups[(groups["model"] == model) & (groups["measure"] == "miou")].round(2)
    order = {benchmark: place for place, benchmark in enumerate(grid.axes.benchmarks)}
    long = long.sort_values("benchmark", key=lambda names: names.map(order), kind="stable")
    keys = ["benchmark", "factor", "level", "num_images"]
    rows = []
    for (benchmark, factor, level, num_images), group in long.groupby(
        keys, sort=False, observed=True
    ):
        texts = {
            grid.axes.combinations[row["combination"]]: cell_text(
                row["value"], row["low"], row["high"]
            )
            for row in group.to_dict("records")
        }
        head = {
            "Benchmark": grid.axes.benchmarks[str(benchmark)],
            "By": FACTOR_TITLES[str(factor)],
            "Group": level,
            "Images": num_images,
        }
        rows.append(head | texts)
    caption = (
        "mIoU in per cent of groups of images, mean over the models; "
        f"{100 * grid.params.confidence:g} % interval in brackets, none for a single image."
    )
    return Table(
        name="breakdown",
        caption=caption,
        wide=pd.DataFrame(rows).astype(str).replace("nan", "–"),
        long=long.drop(columns=["model", "measure"]),
        notes=[f"{FACTOR_TITLES[key]}: {note}" for key, note in FACTOR_NOTES.items()],
    )


def cell_text(value: float, low: float, high: float) -> str:
    """Write a group's score: `80.1 [77.9, 82.0]`, a dash where it is undefined."""
    if value != value:
        return "–"
    return f"{value:.1f}" + (f" [{low:.1f}, {high:.1f}]" if low == low else "")


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a CSV; the same frame gives the same bytes on every system."""
    frame.to_csv(path, index=False, lineterminator="\n")
