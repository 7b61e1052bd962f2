"""Training curves, read from the logs of the runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd


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
