"""Scores and training curves as charts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes as Axes2D
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from face_occlusion.reporting.cells import Axes, CellKey, best_of_columns
from face_occlusion.reporting.figures import COLOURS, DASHES
from face_occlusion.reporting.grid import Grid

CURVE_POINTS = 120  # of a curve on the page and in `plots/`: enough for its shape


@dataclass(frozen=True, kw_only=True)
class Metric:
    """How a logged number is shown."""

    title: str
    scale: float = 1.0  # 100 shows a fraction in per cent
    note: str | None = None


METRICS = {
    "realocc_miou": Metric(title="mIoU on RealOcc, per cent", scale=100.0),
    "loss": Metric(
        title="Training loss",
        note="Of the pixels that hard example mining keeps, and of the auxiliary head where a "
        "network has one. The better a network, the fewer and harder the pixels kept: the loss "
        "need not fall while the mIoU rises.",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One metric of one run over its iterations."""

    run: str
    steps: list[int]
    values: list[float]


def read_curves(models: Path, runs: Iterable[str], metric: str) -> dict[str, Curve]:
    """Read one metric from the DVCLive logs.

    Args:
        models: Folder of the runs.
        runs: Names of the runs.
        metric: Name of the metric; its rows are in `RUN/dvclive/plots/metrics/METRIC.tsv`.

    Returns:
        The curve of each run that logged the metric (`realocc_miou` needs RealOcc).

    Raises:
        ValueError: If a log is not a table of the step and the metric.
    """
    curves = {}
    for run in runs:
        path = models / run / "dvclive" / "plots" / "metrics" / f"{metric}.tsv"
        if not path.is_file():
            continue
        table = pd.read_csv(path, sep="\t")
        if not {"step", metric} <= set(table.columns):
            raise ValueError(f"{path}: expected columns step, {metric}; got {list(table.columns)}")
        curves[run] = Curve(
            run=run, steps=table["step"].astype(int).tolist(), values=table[metric].tolist()
        )
    return curves


def thinned(curve: Curve, at_most: int) -> Curve:
    """Average neighbouring points of a curve so that few enough remain; the last is kept."""
    if len(curve.steps) <= at_most:
        return curve
    size = -(-len(curve.steps) // at_most)
    groups = [slice(start, start + size) for start in range(0, len(curve.steps), size)]
    return Curve(
        run=curve.run,
        steps=[curve.steps[group][-1] for group in groups],
        values=[sum(curve.values[group]) / len(curve.values[group]) for group in groups],
    )


def curve_table(
    curves: Mapping[str, Mapping[str, Curve]],
    runs: Mapping[str, Mapping[str, Any]],
    axes: Axes,
) -> pd.DataFrame:
    """Put the curves of all runs into one table for `dvc plots`, thinned as on the page.

    Args:
        curves: Curves by metric and run.
        runs: Section `runs` of params.yaml.
        axes: Titles of the models and combinations by key.

    Returns:
        One row for each run and step that any metric has, in the order of the runs: run, model,
        combination, step, and a column for each metric, NaN at the steps where it was not logged.
    """
    frames = []
    for run, entry in runs.items():
        logged = {
            metric: thinned(curves[metric][run], CURVE_POINTS)
            for metric in sorted(METRICS)
            if run in curves.get(metric, {})
        }
        columns = {
            metric: pd.Series(curve.values, index=curve.steps) for metric, curve in logged.items()
        }
        if columns:
            frame = pd.DataFrame(columns).rename_axis("step").reset_index()
            model, title = axes.models[entry["model"]], axes.combinations[entry["combination"]]
            frames.append(frame.assign(run=run, model=model, combination=title))
    table = pd.concat(frames) if frames else pd.DataFrame()
    order = ["run", "model", "combination", "step", *sorted(METRICS)]
    return table.reindex(columns=order).round(6)


def heat_map(grid: Grid, benchmarks: Sequence[str], colour_map: str) -> Figure:
    """Draw the mIoU of a table as a heat map, one panel per benchmark; best of columns framed."""
    axes_of_grid = grid.axes
    names, models = list(axes_of_grid.combinations), list(axes_of_grid.models)
    best = best_of_columns(grid.select(benchmarks))
    figure = Figure(figsize=(2.4 + 2.1 * len(benchmarks), 0.8 + 0.32 * len(names)))
    panels = figure.subplots(1, len(benchmarks), sharey=True, squeeze=False)[0]
    for panel, benchmark in zip(panels, benchmarks, strict=True):
        cells = [
            [grid.cells[CellKey(name, benchmark, model)] for model in models] for name in names
        ]
        values = np.array(
            [[np.nan if cell.ours is None else cell.ours for cell in row] for row in cells]
        )
        panel.set_title(axes_of_grid.benchmarks[benchmark])
        panel.set_xticks(range(len(models)), list(axes_of_grid.models.values()), fontsize=7)
        panel.set_yticks(range(len(names)), list(axes_of_grid.combinations.values()))
        panel.tick_params(length=0)
        panel.spines[:].set_visible(False)
        if np.isnan(values).all():
            _say_empty(panel, cells[0][0].empty or "no scores", values.shape)
            continue
        picture = panel.imshow(values, cmap=mpl.colormaps[colour_map], aspect="auto")
        for (y, x), value in np.ndenumerate(values):
            if np.isnan(value):
                continue
            red, green, blue, _ = picture.cmap(picture.norm(value))
            is_light = 0.299 * red + 0.587 * green + 0.114 * blue > 0.5
            is_best = cells[y][x].key in best
            panel.text(
                x,
                y,
                f"{value:.1f}",
                ha="center",
                va="center",
                fontsize=8,
                color="black" if is_light else "white",
                weight="bold" if is_best else "normal",
            )
    figure.tight_layout()
    return figure


def _say_empty(panel: Axes2D, reason: str, shape: tuple[int, ...]) -> None:
    panel.set_xlim(-0.5, shape[1] - 0.5)
    panel.set_ylim(shape[0] - 0.5, -0.5)
    panel.text(
        (shape[1] - 1) / 2,
        (shape[0] - 1) / 2,
        f"empty: {reason}",
        ha="center",
        va="center",
        fontsize=7,
        wrap=True,
    )


def training_curves(
    axes: Axes,
    runs: Mapping[tuple[str, str], str],
    curves: Mapping[str, Mapping[str, Curve]],
    metrics: Mapping[str, Metric],
) -> Figure:
    """Draw one row of panels per metric, one panel per model, one line per combination.

    Args:
        axes: The grid's axes.
        runs: Name of the run by (combination, model).
        curves: Curves by metric and run.
        metrics: How each metric is shown.
    """
    shown = [metric for metric in metrics if curves.get(metric)]
    figure = Figure(figsize=(3.1 * len(axes.models), 0.6 + 2.2 * max(1, len(shown))))
    panels = figure.subplots(
        max(1, len(shown)), len(axes.models), squeeze=False, sharex=True, sharey="row"
    )
    for row, metric in zip(panels, shown, strict=False):
        for panel, (model, title) in zip(row, axes.models.items(), strict=True):
            panel.set_title(title)
            for index, combination in enumerate(axes.combinations):
                curve = curves[metric].get(runs.get((combination, model), ""))
                if curve is not None:
                    panel.plot(
                        curve.steps,
                        [metrics[metric].scale * value for value in curve.values],
                        color=COLOURS[index % len(COLOURS)],
                        dashes=[float(part) for part in DASHES[index % len(DASHES)].split()]
                        or (None, None),
                        linewidth=1.2,
                        label=axes.combinations[combination],
                    )
        row[0].set_ylabel(metrics[metric].title)
    for panel in panels[-1]:
        panel.set_xlabel("Iteration")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 0))
    figure.tight_layout()
    return figure


CHART = (320, 180)  # width and height of a curve's panel, in SVG units


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
                few = thinned(curve, CURVE_POINTS)
                points = [point(*pair) for pair in zip(few.steps, few.values, strict=True)]
                lines.append({"index": index, "title": name, "path": "M" + " L".join(points)})
        y_ticks = [
            {"at": f"{(high - value) / (high - low) * height:.1f}", "label": f"{value:.3g}"}
            for value in ticks
        ]
        panels.append({"title": title, "lines": lines, "y_ticks": y_ticks, "last": f"{last:,}"})
    return panels
