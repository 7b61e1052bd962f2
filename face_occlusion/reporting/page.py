"""The page `index.html`: one file that needs nothing else, from the pieces of a report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np
from markupsafe import Markup, escape
from matplotlib.ticker import MaxNLocator

from face_occlusion.core.images import decode_image
from face_occlusion.core.imageset import ImageSet
from face_occlusion.reporting.catalogue import FigureEntry
from face_occlusion.reporting.cells import Axes, Cell, best_of_columns
from face_occlusion.reporting.curves import Curve, thinned
from face_occlusion.reporting.grid import Grid
from face_occlusion.reporting.picks import spread
from face_occlusion.reporting.pictures import data_uri, outline_path, reduced

CHART = (320, 180)  # width and height of a curve's panel, in SVG units
FIGURE_PX = 1280  # longer side of figures inside the page
TEMPLATES = ("report.html", "report.css", "report.js")
MAX_LIST = 6  # entries of a list that are written out


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A picture of a set with the outline of its mask and what was recorded."""

    key: str
    image: str  # data URI
    size: tuple[int, int]  # width and height of the picture, in pixels
    outline: str  # SVG path in these pixels
    facts: list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """A figure of the report on the page: its picture, or why there is none."""

    title: str
    caption: str
    image: str | None  # data URI
    inches: float  # width as drawn; 0 where absent
    absent: str | None


def samples(image_set: ImageSet, number: int, side_px: int) -> list[Sample]:
    """Show images of a set, evenly spread, with their records."""
    found = []
    for key in spread(image_set.keys, number):
        image = reduced(image_set.image(key), side_px)
        mask = image_set.seg_map(key) == 1
        share = cv2.resize(mask.astype(np.float32), image.shape[1::-1]) >= 0.5
        record = image_set.record(key) if "json" in image_set.parts(key) else {}
        found.append(
            Sample(
                key=key,
                image=data_uri(image),
                size=(image.shape[1], image.shape[0]),
                outline=outline_path(share),
                facts=list(flat_facts(record)),
            )
        )
    return found


def flat_facts(record: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Write a nested record as lines of name and value; nothing that was not drawn is shown."""
    lines: list[tuple[str, str]] = []
    for name, value in record.items():
        label = f"{prefix}{name}".replace("_", " ")
        if isinstance(value, Mapping):
            lines += flat_facts(value, f"{label}: ")
        elif value is not None:
            lines.append((label, _fact(value)))
    return lines


def _fact(value: object) -> str:
    """Write a value: three digits, short lists and matrices in full, long ones by their length."""
    if isinstance(value, float):
        return f"{value:.3g}"
    if not isinstance(value, list):
        return str(value)
    if len(value) > MAX_LIST:
        return f"{len(value)} values"
    is_matrix = any(isinstance(item, list) for item in value)
    return ("; " if is_matrix else ", ").join(_fact(item) for item in value)


def gallery(
    entries: Sequence[FigureEntry], absent: Mapping[str, str], folder: Path, dpi: int
) -> list[Exhibit]:
    """Take the drawn figures that the page shows, and those that could not be drawn.

    Args:
        entries: The catalogue.
        absent: Why figures were not drawn, by name.
        folder: Of the drawn figures.
        dpi: Pixels per inch of the drawn figures.
    """
    return [
        _exhibit(entry, absent.get(entry.name), folder / f"{entry.name}.png", dpi)
        for entry in entries
        if entry.in_gallery or entry.name in absent
    ]


def _exhibit(entry: FigureEntry, absent: str | None, path: Path, dpi: int) -> Exhibit:
    image = decode_image(path.read_bytes(), str(path)) if absent is None else None
    return Exhibit(
        title=f"Figure {entry.number}: {entry.title}" if entry.number else entry.title,
        caption=entry.caption,
        image=None if image is None else data_uri(reduced(image, FIGURE_PX), quality=85),
        inches=0.0 if image is None else round(image.shape[1] / dpi, 2),
        absent=absent,
    )


def score_rows(grid: Grid, benchmarks: Sequence[str]) -> list[dict[str, Any]]:
    """Lay a table of scores out for the template: per combination a list of cells."""
    cells = grid.select(benchmarks)
    best, paper_best = best_of_columns(cells), best_of_columns(cells, paper=True)
    rows = []
    for combination, title in grid.axes.combinations.items():
        row = [cell for cell in cells if cell.place.combination == combination]
        rows.append(
            {
                "key": combination,
                "title": title,
                "cells": [
                    {
                        "cell": cell,
                        "best": cell.place in best,
                        "paper_best": cell.place in paper_best,
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


def chart_panels(
    axes: Axes, runs: Mapping[tuple[str, str], str], curves: Mapping[str, Curve], scale: float
) -> list[dict[str, Any]]:
    """Turn curves into SVG paths, one panel per model, all with the same axes.

    Args:
        axes: The grid's axes.
        runs: Name of the run by (combination, model).
        curves: By run.
        scale: Factor of the values, 100 for per cent.

    Returns:
        Per model: title, `lines` (combination's index, title, path) and `ticks` of both axes.
    """
    if not curves:
        return []
    values = [scale * value for curve in curves.values() for value in curve.values]
    last = max(curve.steps[-1] for curve in curves.values())
    ticks = MaxNLocator(4).tick_values(min(values), max(values))
    low, high = ticks[0], ticks[-1]
    width, height = CHART

    def point(step: int, value: float) -> str:
        x, y = step / max(1, last) * width, (high - scale * value) / (high - low) * height
        return f"{x:.1f},{y:.1f}"

    panels = []
    for model, title in axes.models.items():
        lines = []
        for index, (combination, name) in enumerate(axes.combinations.items()):
            curve = curves.get(runs.get((combination, model), ""))
            if curve is not None:
                few = thinned(curve, 120)
                points = [point(*pair) for pair in zip(few.steps, few.values, strict=True)]
                lines.append({"index": index, "title": name, "path": "M" + " L".join(points)})
        y_ticks = [
            {"at": f"{(high - value) / (high - low) * height:.1f}", "label": f"{value:.3g}"}
            for value in ticks
        ]
        panels.append({"title": title, "lines": lines, "y_ticks": y_ticks, "last": f"{last:,}"})
    return panels


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
