"""Breakdowns for readers: which groups are worth showing, as tables of the page and as a chart."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes as Axes2D
from matplotlib.figure import Figure

from face_occlusion.evaluation.measures import MEASURES
from face_occlusion.reporting.breakdowns import FACTOR_NOTES, FACTOR_TITLES, MEAN_MODEL
from face_occlusion.reporting.cells import Axes
from face_occlusion.reporting.figures import COLOURS, MARKERS
from face_occlusion.reporting.grid import Grid
from face_occlusion.reporting.tables import Table

INTERVAL = ("value", "low", "high")


def has_groups(frame: pd.DataFrame) -> bool:
    """Tell whether images fall into more than one group, so that there is something to compare."""
    return frame["level"].nunique() > 1


def group_tables(breakdown: pd.DataFrame, axes: Axes) -> tuple[list[dict[str, Any]], list[str]]:
    """Lay out every benchmark and factor of a `breakdown_table` that divides the images.

    Returns the tables: `key` within the page, `title`, `note` on the factor, `levels` (title and
    number of images of each group) and `rows` (key and title of a training set, and a cell for each
    group, None without a score; its `values` are the mean of the models by measure: value, low and
    high in per cent). Then the names of those whose images all fall into one group.
    """
    tables, left_out = [], []
    for benchmark, title in axes.benchmarks.items():
        for factor, factor_title in FACTOR_TITLES.items():
            is_shown = (breakdown["benchmark"] == benchmark) & (breakdown["factor"] == factor)
            part = breakdown[is_shown]
            if has_groups(part):
                layout = {"key": f"{benchmark}-{factor}", "title": f"{title} · {factor_title}"}
                layout |= {"note": FACTOR_NOTES[factor], "levels": _levels(part)}
                tables.append(layout | {"rows": list(_rows(part, axes))})
            elif len(part):
                left_out.append(f"{title}, {factor_title} (all: {part['level'].iloc[0]})")
    return tables, left_out


def _levels(part: pd.DataFrame) -> list[tuple[str, int]]:
    counts = part.groupby("level", observed=True)["num_images"].first()
    return [(str(level), int(number)) for level, number in counts.items()]


def _rows(part: pd.DataFrame, axes: Axes) -> Iterator[tuple[str, str, list[dict[str, Any] | None]]]:
    groups = dict(iter(part.groupby(["combination", "level"], observed=True)))
    for combination, title in axes.combinations.items():
        cells = [_cell(groups.get((combination, level)), axes) for level, _ in _levels(part)]
        yield combination, title, cells


def _cell(frame: pd.DataFrame | None, axes: Axes) -> dict[str, Any] | None:
    if frame is None:
        return None
    names, records = axes.models | {MEAN_MODEL: "Mean of the models"}, frame.to_dict("records")
    mean = MEAN_MODEL if MEAN_MODEL in set(frame["model"]) else records[0]["model"]
    values, lines = {}, []
    for record in records:
        interval, measure = tuple(record[name] for name in INTERVAL), record["measure"]
        if record["model"] == mean:
            values[measure] = interval
        lines.append(f"{names[record['model']]}: {MEASURES[measure].title} {group_text(*interval)}")
    return {"values": values, "tip": "\n".join([*lines, f"{records[0]['num_images']} images"])}


def _means(breakdown: pd.DataFrame, axes: Axes) -> pd.DataFrame:
    """Take the mIoU, mean over the models where there are several."""
    model = MEAN_MODEL if len(axes.models) > 1 else next(iter(axes.models))
    return breakdown[(breakdown["model"] == model) & (breakdown["measure"] == "miou")]


def breakdown_chart(
    breakdown: pd.DataFrame, benchmark: str, axes: Axes, shown: Mapping[str, str]
) -> Figure | str:
    """Draw one panel for each factor: mIoU of each group with its interval, mean of the models.

    The training sets `shown` are titles by key. Returns the reason where there is no figure.
    """
    means = _means(breakdown[breakdown["benchmark"] == benchmark], axes)
    factors = [name for name in FACTOR_TITLES if has_groups(means[means["factor"] == name])]
    if not factors:
        return "no factor tells the images of this benchmark apart"
    figure = Figure(figsize=(9, 0.5 + 2.5 * len(factors)), layout="constrained")
    panels = figure.subplots(len(factors), 1, squeeze=False)[:, 0]
    for panel, factor in zip(panels, factors, strict=True):
        _draw_groups(panel, means[means["factor"] == factor], list(axes.combinations), shown)
        panel.set_title(FACTOR_TITLES[factor], loc="left")
        panel.set_ylabel("mIoU, per cent")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, ncols=3, loc="outside lower center", frameon=False)
    return figure


def _draw_groups(
    panel: Axes2D, frame: pd.DataFrame, combinations: Sequence[str], shown: Mapping[str, str]
) -> None:
    levels = _levels(frame)
    for number, (combination, title) in enumerate(shown.items()):
        index = combinations.index(combination)
        one = frame[frame["combination"] == combination].set_index("level")
        one = one.reindex([level for level, _ in levels])
        panel.errorbar(
            np.arange(len(levels)) + 0.8 * ((number + 0.5) / len(shown) - 0.5),
            one["value"],
            yerr=[one["value"] - one["low"], one["high"] - one["value"]],
            fmt=MARKERS[index % len(MARKERS)],
            color=COLOURS[index % len(COLOURS)],
            markersize=4,
            linewidth=1,
            label=title,
        )
    names = [f"{level}\n{number} image{'s' if number != 1 else ''}" for level, number in levels]
    panel.set_xticks(range(len(levels)), names, fontsize=7)
    for edge in np.arange(len(levels) - 1) + 0.5:
        panel.axvline(edge, color="0.85", linewidth=0.8)
    panel.set_xlim(-0.5, len(levels) - 0.5)


def group_table(grid: Grid, groups: pd.DataFrame) -> Table:
    """Put the mIoU of groups of images, from `breakdown_table`, into a table: mean of models."""
    long = _means(groups, grid.axes).round(2)
    order = {benchmark: index for index, benchmark in enumerate(grid.axes.benchmarks)}
    long = long.sort_values("benchmark", key=lambda names: names.map(order), kind="stable")
    texts = pd.DataFrame(
        {
            "Benchmark": long["benchmark"].map(grid.axes.benchmarks),
            "By": long["factor"].map(FACTOR_TITLES),
            "Group": long["level"].astype(str),
            "Images": long["num_images"],
            "combination": long["combination"].map(grid.axes.combinations),
            "text": [group_text(*row) for row in long[list(INTERVAL)].itertuples(index=False)],
        }
    )
    heads = ["Benchmark", "By", "Group", "Images"]
    wide = texts.set_index([*heads, "combination"])["text"].unstack(sort=False).reset_index()
    caption = (
        "mIoU in per cent of groups of images, mean over the models; "
        f"{100 * grid.params.confidence:g} % interval in brackets, none for a single image."
    )
    return Table(
        name="breakdown",
        caption=caption,
        wide=wide.rename_axis(columns=None).astype(str).replace("nan", "–"),
        long=long.drop(columns=["model", "measure"]),
        notes=[f"{FACTOR_TITLES[key]}: {note}" for key, note in FACTOR_NOTES.items()],
    )


def group_text(value: float, low: float, high: float) -> str:
    """Write a group's score: `80.1 [77.9, 82.0]`, a dash where it is undefined."""
    if value != value:
        return "–"
    return f"{value:.1f}" + (f" [{low:.1f}, {high:.1f}]" if low == low else "")
