"""Write a report: tables, figures, plots, metrics and the page."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from face_occlusion.core.files import naming
from face_occlusion.core.parallel import ordered_map
from face_occlusion.reporting import breakdowns, tables
from face_occlusion.reporting.catalogue import catalogue, draw_figure, write_captions
from face_occlusion.reporting.charts import curve_table
from face_occlusion.reporting.claims import anomalies_table, claims_table
from face_occlusion.reporting.grid import Grid, mean_over_models
from face_occlusion.reporting.groups import group_table
from face_occlusion.reporting.inputs import ReportInputs
from face_occlusion.reporting.others import others_table
from face_occlusion.reporting.page import page_context, render
from face_occlusion.reporting.page_images import gallery
from face_occlusion.reporting.tables import Table, write_csv


def write_report(inputs: ReportInputs, out: Path) -> None:
    """Write every file of the report into a folder; the same input gives the same bytes.

    Other files in `out` are left alone. All are written to `report.partial` and moved at the end,
    so that a failed run changes nothing.
    """
    work = out / "report.partial"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        with naming(out):
            built = all_tables(inputs)
            for table in built.values():
                tables.write_table(work / "tables", table)
            (work / "metrics.json").write_text(json.dumps(metrics(inputs), indent=2) + "\n")
            write_plots(inputs, built, work / "plots")
            entries, folder = catalogue(inputs), work / "figures"
            dpi = inputs.sections.report.figures.dpi
            folder.mkdir()
            tasks: list[Callable[[], str | None]] = [
                partial(write_data, inputs.grid, inputs.breakdown, work / "data"),  # takes longest
                *(partial(draw_figure, entry, folder, dpi) for entry in entries),
            ]
            run = partial(_run, tasks)  # sent to each process once, with all that tasks share
            _, *reasons = ordered_map(run, range(len(tasks)), desc="figures, data")
            absent = write_captions(folder / "captions.md", entries, reasons)
            exhibits = gallery(entries, absent, folder, dpi)
            (work / "index.html").write_text(render(page_context(inputs, built, exhibits)))
            replace_children(work, out)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def all_tables(inputs: ReportInputs) -> dict[str, Table]:
    """Build Tables 1 to 5, of claims, anomalies, groups, and of further rows and networks."""
    sections, grid, inventory = inputs.sections, inputs.grid, inputs.inventory
    built = [
        tables.table_1(),
        tables.table_2(inventory, inputs.excluded),
        tables.table_3(inventory, sections.combinations),
        tables.score_table(4, grid, sections.report.table_4, sections.combinations, inventory),
        tables.score_table(5, grid, sections.report.table_5, sections.combinations, inventory),
        claims_table(inputs.judgements),
        anomalies_table(inputs.anomalies),
        group_table(grid, inputs.breakdown),
        tables.overlap_table(inputs.overlap),
    ]
    if inputs.beyond.runs:
        names = sections.report.table_4
        built.append(tables.beyond_table(inputs.beyond, names, inputs.online, inventory))
    if inputs.others:
        built.append(others_table(inputs.others, grid))
    return {table.name: table for table in built}


def metrics(inputs: ReportInputs) -> dict[str, Any]:
    """Collect the few numbers for `dvc metrics show` and `dvc exp show`.

    By combination its mIoU on Table 4's first benchmark, per cent, mean over the models; and how
    many claims have each outcome.
    """
    grid = inputs.grid
    headline = inputs.sections.report.table_4[0]
    means = {name: mean_over_models(grid, name, headline) for name in grid.axes.combinations}
    outcomes = [judgement.ours.outcome for judgement in inputs.judgements]
    return {
        headline: {name: mean for name, mean in means.items() if mean is not None},
        "claims": {name: outcomes.count(name) for name in ("holds", "fails", "undecided")},
    }


def replace_children(partial_folder: Path, out: Path) -> None:
    """Move finished files and folders over those of `out`; anything else in it is left alone."""
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(partial_folder.iterdir()):
        target = out / path.name
        if target.is_dir():
            shutil.rmtree(target)
        path.replace(target)


DECIMALS = 4  # of per cent
DIGITS = 4  # of p-values, significant: decimals would print 0 where there is none


def write_data(grid: Grid, groups: pd.DataFrame, folder: Path) -> None:
    """Write every long table of the results, `groups` from `breakdown_table` among them."""
    folder.mkdir(parents=True)
    frames = {
        "scores": breakdowns.measure_table(grid),
        "differences": breakdowns.difference_table(grid),
        "breakdowns": groups,
        "confusion": breakdowns.confusion_table(grid),
        "seeds": breakdowns.seed_table(grid),
    }
    for name, frame in frames.items():
        rounded = frame.round(DECIMALS)
        if "p_value" in frame:
            rounded["p_value"] = [float(f"{p:.{DIGITS - 1}e}") for p in frame["p_value"]]
        write_csv(folder / f"{name}.csv", rounded)


def _run(tasks: Sequence[Callable[[], str | None]], index: int) -> str | None:
    return tasks[index]()


def write_plots(inputs: ReportInputs, built: Mapping[str, Table], folder: Path) -> None:
    """Write what `dvc plots` draws: Tables 4 and 5, the grid, the confusion, training curves."""
    folder.mkdir(parents=True)
    sections, grid = inputs.sections, inputs.grid
    columns = ["title", "benchmark", "model", "miou", "low", "high", "paper_miou"]
    scored = {name: built[name].long.dropna(subset="miou") for name in ("table4", "table5")}
    for name, frame in scored.items():
        write_csv(folder / f"{name}.csv", frame[columns])
    every = pd.concat(scored.values())
    column = every["benchmark"].map(grid.axes.benchmarks) + ": "
    column += every["model"].map(grid.axes.models)
    heat = pd.DataFrame({"trained on": every["title"], "column": column, "value": every["miou"]})
    write_csv(folder / "grid.csv", heat)
    headline = next(iter(grid.axes.benchmarks))
    write_csv(folder / "confusion.csv", mean_confusion(grid, headline))
    write_csv(folder / "curves.csv", curve_table(inputs.curves, sections.runs, grid.axes))


def mean_confusion(grid: Grid, benchmark: str) -> pd.DataFrame:
    """Average a benchmark's confusion over models and seeds.

    `value` is the share of the `actual` class that was `predicted` so, per cent.
    """
    table = breakdowns.confusion_table(grid)
    table = table[table["benchmark"] == benchmark]
    keys = ["combination", "actual", "predicted"]
    mean = (
        table.groupby(keys, sort=False)["share"].mean().mul(100).round(2).reset_index(name="value")
    )
    actual = mean["combination"].map(grid.axes.combinations) + ": " + mean["actual"]
    return mean.assign(actual=actual).drop(columns="combination")
