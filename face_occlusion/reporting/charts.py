"""Scores drawn: tables as heat maps, training curves, breakdowns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes as Axes2D
from matplotlib.figure import Figure

from face_occlusion.reporting.cells import Axes, best_of_columns
from face_occlusion.reporting.curves import Curve, Metric
from face_occlusion.reporting.grid import Grid
from face_occlusion.reporting.paper import Place
from face_occlusion.reporting.style import COLOURS, DASHES


def heat_map(grid: Grid, benchmarks: Sequence[str], colour_map: str) -> Figure:
    """Draw the mIoU of a table as a heat map, one panel per benchmark; best of columns framed."""
    axes_of_grid = grid.axes
    names, models = list(axes_of_grid.combinations), list(axes_of_grid.models)
    best = best_of_columns(grid.select(benchmarks))
    figure = Figure(figsize=(2.4 + 2.1 * len(benchmarks), 0.8 + 0.32 * len(names)))
    panels = figure.subplots(1, len(benchmarks), sharey=True, squeeze=False)[0]
    for panel, benchmark in zip(panels, benchmarks, strict=True):
        cells = [[grid.cells[Place(name, benchmark, model)] for model in models] for name in names]
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
            is_best = cells[y][x].place in best
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
