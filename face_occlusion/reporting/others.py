"""Other people's networks: their score files, and the table that compares them with the grid."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from face_occlusion.evaluation.scores import read_scores
from face_occlusion.reporting.cells import Axes
from face_occlusion.reporting.grid import BootstrapParams, Grid
from face_occlusion.reporting.tables import EMPTY, Table, cell_record, empty_reasons, score_text

DISPUTED = ("hair", "glasses", "ears")  # parts that some networks count as face
NOTE = "Face is what Table 1 says: a network that counts more, such as ears, loses points by it."


def read_others(
    folder: Path, benchmarks: Mapping[str, str], params: BootstrapParams, **checked: Any
) -> dict[str, Grid]:
    """Read the score files NAME.json of `face-occlusion score` in a folder, which may be absent.

    `benchmarks` are titles by name, in the order of the columns. Returns by NAME a grid of one row.
    A file that `read_scores` refuses, of what is `checked`, or of a run of the pipeline is a
    ValueError.
    """
    grids = {}
    for path in sorted(folder.glob("*.json")):
        try:
            scores = read_scores(path, **checked)
        except ValueError as error:
            raise ValueError(
                f"{error}; as it is another network's, write it again with `face-occlusion score`, "
                "or remove it"
            ) from error
        if "network" not in scores.inference:
            raise ValueError(
                f"{path}: not written by `face-occlusion score`, as its `inference` describes no "
                f"`network`; remove it from {folder}"
            )
        axes = Axes(
            combinations={"": scores.combination},
            models={scores.model: scores.model},
            benchmarks=dict(benchmarks),
        )
        grids[path.stem] = Grid(axes, {path.stem: scores}, params)
    return grids


def others_table(others: Mapping[str, Grid], grid: Grid) -> Table:
    """Compare other networks, with their licences and labels, with the best cells of the grid."""
    wide, long = [], []
    notes = dict.fromkeys([NOTE])
    for name, one in others.items():
        ((scores,),) = one.runs.values()
        network = scores.inference["network"]
        about = {key: network[key] for key in ("title", "trained_on", "licence", *DISPUTED)}
        cells = {cell.key.benchmark: cell for cell in one.cells.values()}
        wide.append([*about.values(), *map(score_text, cells.values())])
        long += [{"name": name, **about, **cell_record(cell)} for cell in cells.values()]
        notes |= dict.fromkeys(empty_reasons(one, list(one.axes.benchmarks)))
    best = [_best(grid, benchmark) for benchmark in grid.axes.benchmarks]
    wide.append(["best run here", *[EMPTY] * (2 + len(DISPUTED)), *best])
    headings = ["Network", "Trained on", "Licence", *(f"{part} as" for part in DISPUTED)]
    unused = ["model", "paper_miou", "difference", "miou_best_checkpoint"]
    return Table(
        name="others",
        caption="Networks of others on the same benchmarks: mIoU in per cent, pooled over pixels, "
        f"with its {100 * grid.params.confidence:g} % interval; what they count as face.",
        wide=pd.DataFrame(wide, columns=[*headings, *grid.axes.benchmarks.values()]),
        long=pd.DataFrame(long).drop(columns=unused),
        notes=list(notes),
    )


def _best(grid: Grid, benchmark: str) -> str:
    """Write the highest cell of a benchmark with what it is of."""
    scored = [cell for cell in grid.select([benchmark]) if cell.estimate is not None]
    if not scored:
        return EMPTY
    best = max(scored, key=lambda cell: cell.ours or 0)
    axes = grid.axes
    made = f"{axes.models[best.key.model]}, {axes.combinations[best.key.combination]}"
    return f"{score_text(best)} ({made})"
