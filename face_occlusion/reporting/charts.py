"""Scores and training curves as charts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from face_occlusion.core.params import read_yaml
from face_occlusion.reporting.cells import Axes, CellKey, best_of_columns
from face_occlusion.reporting.figures import COLOURS, DASHES
from face_occlusion.reporting.grid import Grid

CURVE_POINTS = 120  # of a curve on the page and in `plots/`: enough for its shape

# By a logged number's name: `title`, `scale` (100 shows a fraction in per cent) and `note`.
METRICS: dict[str, dict[str, Any]] = read_yaml(Path(__file__).with_name("metrics.yaml"))


def read_curves(models: Path, runs: Iterable[str], metric: str) -> dict[str, pd.Series]:
    """Read one metric from the DVCLive logs of the runs that have it (RealOcc may be absent).

    Returns for each such run the values by step; another table than of these is a ValueError.
    """
    curves = {}
    for run in runs:
        path = models / run / "dvclive" / "plots" / "metrics" / f"{metric}.tsv"
        if not path.is_file():
            continue
        table = pd.read_csv(path, sep="\t")
        if not {"step", metric} <= set(table.columns):
            raise ValueError(f"{path}: expected columns step, {metric}; got {list(table.columns)}")
        curves[run] = table.astype({"step": int}).set_index("step")[metric]
    return curves


def thinned(curve: pd.Series, at_most: int) -> pd.Series:
    """Average neighbouring points of a curve so that few enough remain; the last is kept."""
    if len(curve) <= at_most:
        return curve
    size = -(-len(curve) // at_most)
    groups = [curve.iloc[start : start + size] for start in range(0, len(curve), size)]
    return pd.Series({group.index[-1]: sum(group) / len(group) for group in groups})


def curve_table(
    curves: Mapping[str, Mapping[str, pd.Series]], runs: Mapping[str, Mapping[str, Any]], axes: Axes
) -> pd.DataFrame:
    """Put the curves of all runs, by metric and run, into one table, thinned as on the page.

    It has a row for each run and step that any metric has, in the order of the runs, and a column
    for each metric, NaN at the steps where it was not logged.
    """
    frames = []
    for run, entry in runs.items():
        columns = {
            metric: thinned(curves[metric][run], CURVE_POINTS)
            for metric in sorted(METRICS)
            if run in curves.get(metric, {})
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
        cells = [[grid.cells[CellKey(name, benchmark, m)] for m in models] for name in names]
        values = np.array([[cell.ours for cell in row] for row in cells], float)  # None: NaN
        panel.set_title(axes_of_grid.benchmarks[benchmark])
        panel.set_xticks(range(len(models)), list(axes_of_grid.models.values()), fontsize=7)
        panel.set_yticks(range(len(names)), list(axes_of_grid.combinations.values()))
        panel.tick_params(length=0)
        panel.spines[:].set_visible(False)
        if np.isnan(values).all():
            height, width = values.shape
            panel.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
            reason = f"empty: {cells[0][0].empty or 'no scores'}"
            centre = {"ha": "center", "va": "center"}
            panel.text((width - 1) / 2, (height - 1) / 2, reason, fontsize=7, wrap=True, **centre)
            continue
        picture = panel.imshow(values, cmap=mpl.colormaps[colour_map], aspect="auto")
        for (y, x), value in np.ndenumerate(values):
            if np.isnan(value):
                continue
            red, green, blue, _ = picture.cmap(picture.norm(value))
            is_light = 0.299 * red + 0.587 * green + 0.114 * blue > 0.5
            look = {"color": "black" if is_light else "white", "ha": "center", "va": "center"}
            look["weight"] = "bold" if cells[y][x].key in best else "normal"
            panel.text(x, y, f"{value:.1f}", fontsize=8, **look)
    figure.tight_layout()
    return figure


def training_curves(
    axes: Axes, runs: Mapping[tuple[str, str], str], curves: Mapping[str, Mapping[str, pd.Series]]
) -> Figure | str:
    """Draw one row of panels per metric of `METRICS`, one panel per model, a line per combination.

    Runs by (combination, model), curves by metric and run. Returns the reason if there is none.
    """
    shown = [metric for metric in METRICS if curves.get(metric)]
    if not shown:
        return "no run has logged a curve"
    figure = Figure(figsize=(3.1 * len(axes.models), 0.6 + 2.2 * len(shown)))
    panels = figure.subplots(len(shown), len(axes.models), squeeze=False, sharex=True, sharey="row")
    for row, metric in zip(panels, shown, strict=True):
        for panel, (model, title) in zip(row, axes.models.items(), strict=True):
            panel.set_title(title)
            for index, name, curve in _lines(axes, runs, curves[metric], model):
                colour, dash = COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)].split()
                look = {"color": colour, "dashes": [float(part) for part in dash] or (None, None)}
                panel.plot(METRICS[metric]["scale"] * curve, linewidth=1.2, label=name, **look)
        row[0].set_ylabel(METRICS[metric]["title"])
    for panel in panels[-1]:
        panel.set_xlabel("Iteration")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 0))
    figure.tight_layout()
    return figure


def _lines(
    axes: Axes, runs: Mapping[tuple[str, str], str], curves: Mapping[str, pd.Series], model: str
) -> Iterator[tuple[int, str, pd.Series]]:
    """Go through a model's curves: number and title of the combination, and the curve."""
    for index, (combination, title) in enumerate(axes.combinations.items()):
        curve = curves.get(runs.get((combination, model), ""))
        if curve is not None:
            yield index, title, curve


CHART = (320, 180)  # width and height of a curve's panel, in SVG units


def chart_panels(
    axes: Axes, runs: Mapping[tuple[str, str], str], curves: Mapping[str, pd.Series], scale: float
) -> list[dict[str, Any]]:
    """Turn curves into SVG paths, one panel per model, all with the same axes.

    Runs by (combination, model), curves by run; `scale` is 100 for per cent.
    """
    if not curves:
        return []
    values = [scale * value for curve in curves.values() for value in curve.tolist()]
    last = max(int(curve.index[-1]) for curve in curves.values())
    ticks = MaxNLocator(4).tick_values(min(values), max(values))
    low, high = ticks[0], ticks[-1]
    width, height = CHART

    def point(step: int, value: float) -> str:
        x, y = step / max(1, last) * width, (high - scale * value) / (high - low) * height
        return f"{x:.1f},{y:.1f}"

    heights = [f"{(high - value) / (high - low) * height:.1f}" for value in ticks]
    y_ticks = [{"at": at, "label": f"{v:.3g}"} for at, v in zip(heights, ticks, strict=True)]
    panels = []
    for model, title in axes.models.items():
        lines = []
        for index, name, curve in _lines(axes, runs, curves, model):
            few = thinned(curve, CURVE_POINTS)
            points = [point(*pair) for pair in zip(few.index, few, strict=True)]
            lines.append({"index": index, "title": name, "path": "M" + " L".join(points)})
        panels.append({"title": title, "lines": lines, "y_ticks": y_ticks, "last": f"{last:,}"})
    return panels
