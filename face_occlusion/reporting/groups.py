"""Breakdowns for readers: which groups are worth showing, as tables of the page and as a chart."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes as Axes2D
from matplotlib.figure import Figure

from face_occlusion.evaluation.measures import MEASURES
from face_occlusion.reporting.breakdowns import FACTOR_NOTES, FACTOR_TITLES, MEAN_MODEL, MEASURED
from face_occlusion.reporting.cells import Axes
from face_occlusion.reporting.figures import COLOURS, MARKERS
from face_occlusion.reporting.grid import Grid
from face_occlusion.reporting.tables import Table


@dataclass(frozen=True, kw_only=True)
class GroupCell:
    """One training set on one group of images; in per cent, the mean of the models."""

    values: dict[str, tuple[float, float, float]]  # by measure: value, low, high
    tip: str


@dataclass(frozen=True, kw_only=True)
class GroupTable:
    """One benchmark by one factor.

    Attributes:
        key: Names it within the page.
        title: Benchmark and factor.
        note: What the factor is.
        levels: Title and number of images of each group.
        rows: Key and title of a training set, and its cell for each group, None without a score.
    """

    key: str
    title: str
    note: str
    levels: list[tuple[str, int]]
    rows: list[tuple[str, str, list[GroupCell | None]]]


def measure_titles() -> dict[str, str]:
    """Return the titles of the scores of groups."""
    return {key: MEASURES[key].title for key in MEASURED}


def has_groups(frame: pd.DataFrame) -> bool:
    """Tell whether images fall into more than one group, so that there is something to compare."""
    return frame["level"].nunique() > 1


def group_tables(breakdown: pd.DataFrame, axes: Axes) -> Iterator[GroupTable]:
    """Lay out every benchmark and factor that divides the images into groups.

    Args:
        breakdown: From `breakdown_table`.
        axes: The grid's axes.
    """
    for benchmark, title in axes.benchmarks.items():
        for factor in FACTOR_TITLES:
            part = _part(breakdown, benchmark, factor)
            if has_groups(part):
                yield GroupTable(
                    key=f"{benchmark}-{factor}",
                    title=f"{title} · {FACTOR_TITLES[factor]}",
                    note=FACTOR_NOTES[factor],
                    levels=_levels(part),
                    rows=list(_rows(part, axes)),
                )


def left_out(breakdown: pd.DataFrame, axes: Axes) -> list[str]:
    """Name the benchmarks and factors for which all images fall into one group."""
    found = []
    for benchmark, title in axes.benchmarks.items():
        for factor, factor_title in FACTOR_TITLES.items():
            part = _part(breakdown, benchmark, factor)
            if len(part) and not has_groups(part):
                found.append(f"{title}, {factor_title} (all: {part['level'].iloc[0]})")
    return found


def _part(breakdown: pd.DataFrame, benchmark: str, factor: str) -> pd.DataFrame:
    return breakdown[(breakdown["benchmark"] == benchmark) & (breakdown["factor"] == factor)]


def _levels(part: pd.DataFrame) -> list[tuple[str, int]]:
    counts = part.groupby("level", observed=True)["num_images"].first()
    return [(str(level), int(number)) for level, number in counts.items()]


def _rows(part: pd.DataFrame, axes: Axes) -> Iterator[tuple[str, str, list[GroupCell | None]]]:
    groups = dict(iter(part.groupby(["combination", "level"], observed=True)))
    for combination, title in axes.combinations.items():
        cells = [_cell(groups.get((combination, level)), axes) for level, _ in _levels(part)]
        yield combination, title, cells


def _cell(frame: pd.DataFrame | None, axes: Axes) -> GroupCell | None:
    if frame is None:
        return None
    records = frame.to_dict("records")
    models = [record["model"] for record in records]
    mean = MEAN_MODEL if MEAN_MODEL in models else models[0]
    names = axes.models | {MEAN_MODEL: "Mean of the models"}
    lines = [
        f"{names[record['model']]}: {MEASURES[record['measure']].title} {_interval(record)}"
        for record in records
    ]
    return GroupCell(
        values={
            record["measure"]: (record["value"], record["low"], record["high"])
            for record in records
            if record["model"] == mean
        },
        tip="\n".join([*lines, f"{records[0]['num_images']} images"]),
    )


def _interval(record: Mapping[Hashable, Any]) -> str:
    value, low, high = record["value"], record["low"], record["high"]
    if np.isnan(value):
        return "–"
    return f"{value:.1f}" if np.isnan(low) else f"{value:.1f} [{low:.1f}, {high:.1f}]"


def breakdown_chart(
    breakdown: pd.DataFrame, benchmark: str, axes: Axes, shown: Mapping[str, str]
) -> Figure | str:
    """Draw one panel for each factor: mIoU of each group with its interval, mean of the models.

    Args:
        breakdown: From `breakdown_table`.
        benchmark: Whose images.
        axes: The grid's axes.
        shown: Training sets, title by key.

    Returns:
        The figure, or the reason why there is none.
    """
    part = breakdown[(breakdown["benchmark"] == benchmark) & (breakdown["measure"] == "miou")]
    means = part[part["model"] == (MEAN_MODEL if len(axes.models) > 1 else next(iter(axes.models)))]
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
    """Draw the groups of one factor side by side, the training sets within each."""
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
    """Put the mIoU of groups of images into a table, mean over the models.

    Args:
        grid: All results.
        groups: From `breakdowns.breakdown_table`.
    """
    several = len(grid.axes.models) > 1
    model = MEAN_MODEL if several else next(iter(grid.axes.models))
    long = groups[(groups["model"] == model) & (groups["measure"] == "miou")].round(2)
    order = {benchmark: index for index, benchmark in enumerate(grid.axes.benchmarks)}
    long = long.sort_values("benchmark", key=lambda names: names.map(order), kind="stable")
    keys = ["benchmark", "factor", "level", "num_images"]
    rows = []
    for (benchmark, factor, level, num_images), group in long.groupby(
        keys, sort=False, observed=True
    ):
        texts = {
            grid.axes.combinations[row["combination"]]: group_text(
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


def group_text(value: float, low: float, high: float) -> str:
    """Write a group's score: `80.1 [77.9, 82.0]`, a dash where it is undefined."""
    if value != value:
        return "–"
    return f"{value:.1f}" + (f" [{low:.1f}, {high:.1f}]" if low == low else "")
