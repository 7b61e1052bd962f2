"""The page `index.html`: one file that needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from importlib.metadata import version
from typing import Any

import jinja2
from markupsafe import Markup, escape

from face_occlusion.core.imageset import ImageSet
from face_occlusion.reporting.cells import Cell, best_of_columns, paper_cells, paper_quantity
from face_occlusion.reporting.charts import METRICS, chart_panels
from face_occlusion.reporting.grid import Grid, mean_difference, mean_over_models
from face_occlusion.reporting.groups import group_tables, left_out, measure_titles
from face_occlusion.reporting.inputs import ReportInputs
from face_occlusion.reporting.page_images import (
    Exhibit,
    _browsers,
    _sheets,
    _wrong_labels,
    closest_pictures,
)
from face_occlusion.reporting.provenance import are_drawn, hashes, release_files, substitutions
from face_occlusion.reporting.tables import Table, empty_reasons

REPORTED_WITH = ("numpy", "opencv-python", "matplotlib", "pandas")


def page_context(
    inputs: ReportInputs, built: dict[str, Table], gallery: list[Exhibit]
) -> dict[str, Any]:
    """Collect what the page's template shows.

    Args:
        inputs: What the report is made of.
        built: Its tables by name.
        gallery: Its figures.
    """
    sections, grid, report = inputs.sections, inputs.grid, inputs.sections.report
    chosen = report.qualitative
    browsers = list(_browsers(inputs))
    first_model = next(iter(grid.axes.models))
    names = inputs.run_names
    image_sets = [*inputs.inventory.sets.values(), *inputs.occluders.values()]
    headline, lead = _headline(inputs)
    context = {
        "profile": sections.profile,
        "headline": headline,
        "lead": lead,
        "drawn": are_drawn(image_sets),
        "facts": _facts(inputs),
        "models": grid.axes.models,
        "benchmarks": grid.axes.benchmarks,
        "combinations": grid.axes.combinations,
        "confidence": f"{100 * report.bootstrap.confidence:g}",
        "score_tables": list(_score_tables(inputs)),
        "charts": _charts(inputs),
        "groups": list(group_tables(inputs.breakdown, grid.axes)),
        "groups_left_out": left_out(inputs.breakdown, grid.axes),
        "measures": measure_titles(),
        "browsers": browsers,
        "browser_first": names.get((chosen.second, first_model)),
        "browser_second": names.get((chosen.first, first_model)),
        "gallery": gallery,
        "mask_colour": report.figures.mask_colour,
        "sheets": list(_sheets(inputs)),
        "wrong": list(_wrong_labels(inputs)),
        "judgements": inputs.judgements,
        "findings": inputs.findings,
        "substitutions": substitutions(
            inputs.inventory, inputs.occluders, inputs.cards, grid, sections.models
        ),
        "tables": built,
        "closest": closest_pictures(
            inputs.overlap, inputs.inventory.sets, report.page.thumbnail_px
        ),
        "versions": _versions(inputs),
        "hashes": hashes({**inputs.inventory.sets, **_named_occluders(inputs)}),
        "release_files": release_files(image_sets),
        "fingerprints": [
            (run, card["fingerprint"])
            for run, card in inputs.cards.items()
            if "fingerprint" in card
        ],
    }
    return context | {"sections": list(_anchors(context))}


def _named_occluders(inputs: ReportInputs) -> dict[str, ImageSet]:
    return {f"occluders/{kind}": one for kind, one in inputs.occluders.items()}


def _anchors(context: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "results", "Results"
    if context["groups"]:
        yield "breakdowns", "Breakdowns"
    if context["charts"]:
        yield "curves", "Training"
    if context["browsers"]:
        yield "predictions", "Predictions"
    yield "figures", "Figures"
    yield "samples", "Images"
    if context["wrong"]:
        yield "wrong", "Wrong labels"
    yield "claims", "Claims"
    yield "ingredients", "Ingredients"
    yield "overlap", "Overlap"
    yield "provenance", "Hashes"


def _headline(inputs: ReportInputs) -> tuple[str, str]:
    """Say in one sentence what came out, and in another what the paper has."""
    grid, chosen = inputs.grid, inputs.sections.report.qualitative
    title = grid.axes.benchmarks[chosen.benchmark]
    low = mean_over_models(grid, chosen.second, chosen.benchmark)
    high = mean_over_models(grid, chosen.first, chosen.benchmark)
    if low is None or high is None:
        return "Face occlusion segmentation", f"No scores on {title}."
    second, first = (grid.axes.combinations[name] for name in (chosen.second, chosen.first))
    headline = (
        f"Training on {first} instead of {second} takes the mIoU on {title} "
        f"from {low:.1f} to {high:.1f}"
    )
    printed = [_paper_mean(name, chosen.benchmark) for name in (chosen.second, chosen.first)]
    lead = f"Mean of {len(grid.axes.models)} models, per cent."
    interval = mean_difference(grid, chosen.first, chosen.second, chosen.benchmark)
    if interval is not None and interval.low == interval.low:
        lead += (
            f" The difference is {100 * interval.value:+.1f}, its "
            f"{100 * grid.params.confidence:g} % interval [{100 * interval.low:+.1f}, "
            f"{100 * interval.high:+.1f}], paired over {interval.num_images} images."
        )
    if None not in printed:
        lead += f" The paper has {printed[0]:.1f} and {printed[1]:.1f}."
    return headline, lead


def _paper_mean(combination: str, benchmark: str) -> float | None:
    scores = [
        cell.miou
        for key, cell in paper_cells().items()
        if (key.combination, key.benchmark) == (combination, benchmark)
    ]
    return sum(scores) / len(scores) if scores else None


def _facts(inputs: ReportInputs) -> list[tuple[str, str]]:
    cells = inputs.grid.cells.values()
    scored = sum(cell.estimate is not None for cell in cells)
    outcomes = [judgement.ours.outcome for judgement in inputs.judgements]
    return [
        ("Runs", str(sum(map(len, inputs.grid.runs.values())))),
        ("Cells with a score", f"{scored} of {len(cells)}"),
        ("Claims that hold here", f"{outcomes.count('holds')} of {len(outcomes)}"),
        ("that fail", str(outcomes.count("fails"))),
        ("undecided", str(outcomes.count("undecided"))),
    ]


def _score_tables(inputs: ReportInputs) -> Iterator[dict[str, Any]]:
    grid, report = inputs.grid, inputs.sections.report
    for number, names in ((4, report.table_4), (5, report.table_5)):
        rows = score_rows(grid, names)
        for row in rows:
            combination = inputs.sections.combinations[row["key"]]
            row["quantity"] = inputs.inventory.quantity(combination)
            row["images"] = sum(inputs.inventory.sizes(combination))
            row["paper_quantity"] = paper_quantity(row["key"], number) or "–"
        yield {
            "title": f"Table {number}",
            "benchmarks": names,
            "rows": rows,
            "notes": empty_reasons(grid, names),
        }


def _charts(inputs: ReportInputs) -> list[dict[str, Any]]:
    charts = []
    for name, metric in METRICS.items():
        panels = chart_panels(inputs.grid.axes, inputs.run_names, inputs.curves[name], metric.scale)
        if panels:
            charts.append({"title": metric.title, "note": metric.note, "panels": panels})
    return charts


def _versions(inputs: ReportInputs) -> list[tuple[str, str]]:
    """Collect the versions that the runs were trained with; several where they differ."""
    found: dict[str, dict[str, None]] = {}
    for card in inputs.cards.values():
        for name, value in card.get("versions", {}).items():
            found.setdefault(name, {})[value] = None
    trained = [(name, " / ".join(values)) for name, values in found.items()]
    return trained + [(f"report: {name}", version(name)) for name in REPORTED_WITH]


TEMPLATES = ("report.html", "report.css", "report.js")


def score_rows(grid: Grid, benchmarks: Sequence[str]) -> list[dict[str, Any]]:
    """Lay a table of scores out for the template: per combination a list of cells."""
    cells = grid.select(benchmarks)
    best, paper_best = best_of_columns(cells), best_of_columns(cells, paper=True)
    rows = []
    for combination, title in grid.axes.combinations.items():
        row = [cell for cell in cells if cell.key.combination == combination]
        rows.append(
            {
                "key": combination,
                "title": title,
                "cells": [
                    {
                        "cell": cell,
                        "best": cell.key in best,
                        "paper_best": cell.key in paper_best,
                        "tip": cell_tip(cell),
                    }
                    for cell in row
                ],
            }
        )
    return rows


def cell_tip(cell: Cell) -> str:
    """Write what a reader learns on hovering over a cell."""
    if cell.estimate is None:
        lines = [f"No score: {cell.empty}"]
    else:
        scores = cell.scores[cell.headline]
        low, high = 100 * cell.estimate.low, 100 * cell.estimate.high
        lines = [
            f"mIoU {cell.ours:.2f}" + (f" [{low:.2f}, {high:.2f}]" if low == low else ""),
            f"IoU face {100 * scores['iou_face']:.2f}, "
            f"background {100 * scores['iou_background']:.2f}",
            f"mean over images {100 * scores['miou_per_image']:.2f}, "
            f"boundary IoU {100 * scores['boundary_iou']:.2f}",
            f"frequency-weighted {100 * scores['fwiou']:.2f} "
            "(weighs background more, so hides the problem)",
            f"calibration error {100 * scores['ece']:.2f}",
            *(
                f"{_view_title(view)}: mIoU {100 * other['miou']:.2f}"
                for view, other in cell.scores.items()
                if view != cell.headline
            ),
            f"{cell.num_images} images",
        ]
    if cell.printed is not None:
        lines.append(f"Paper: {cell.printed:.2f}")
    if cell.difference is not None:
        lines.append(f"Ours less the paper's: {cell.difference:+.2f}")
    return "\n".join(lines)


def _view_title(view: str) -> str:
    """Name a view of a score file, such as `best` or `last_tta`, to a reader."""
    checkpoint, _, augmented = view.partition("_")
    title = {"last": "last checkpoint", "best": "checkpoint selected on RealOcc"}[checkpoint]
    return f"{title}, mean of 12 views" if augmented else title


def as_json(value: object) -> Markup:
    """Write JSON that may stand inside a script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def unbroken(text: str) -> Markup:
    """Keep names with hyphens, such as C-WO-NatOcc, on one line."""
    words = (
        Markup('<span class="nb">{}</span>').format(word) if "-" in word else escape(word)
        for word in text.split(" ")
    )
    return Markup(" ").join(words)


@cache
def templates() -> dict[str, str]:
    """Read the templates, once: a process then renders one page only, whoever edits the files."""
    folder = resources.files("face_occlusion.reporting").joinpath("templates")
    return {name: folder.joinpath(name).read_text() for name in TEMPLATES}


def render(context: Mapping[str, Any]) -> str:
    """Fill the page's template."""
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(templates()),
        autoescape=lambda name: name == "report.html",
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"json": as_json, "unbroken": unbroken}
    return environment.get_template("report.html").render(context)
