"""What the paper prints: the cells of its Tables 4 and 5, its Table 2, its quantities.

Voo, Jiang, Loy, "Delving into High-Quality Synthetic Face Occlusion Segmentation Datasets",
CVPR Workshops 2022. Scores in per cent as printed.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import NamedTuple


class Place(NamedTuple):
    """Where a cell stands: keys of params.yaml."""

    combination: str
    benchmark: str
    model: str


# Table 2: images by category.
PARTITION = {"wo": 24603, "wo_test": 716, "o": 4597, "excluded": 86}

# Other numbers of images: the release and the corrected masks (sections 1 and 2), and the training
# images of combinations whose numbers the anomalies compare (Table 4; Mix also Table 5).
IMAGES = {
    **PARTITION,
    "release": 30000,
    "corrected": 4000,
    "c_cm": 29200,
    "c_wo": 24602,
    "c_wo_mix.generated": 73806,
    "c_wo_mix.generated in Table 5": 49204,
}

# Section 4.2, "Class imbalance": background and face, PSPNet trained on C-Original, RealOcc.
CLASS_IOU = (95.04, 83.99)

# Images of the other sources, sections 3.1 and 4.1.
BENCHMARK_IMAGES = {
    "realocc": 550,
    "realocc_wild": 270,
    "cofw": 500,
    "cofw_aligned": 400,
    "wo_test": 716,
}


@dataclass(frozen=True, kw_only=True)
class PaperCell:
    """One cell of Table 4 or 5."""

    table: int
    miou: float  # per cent, two decimals as printed
    quantity: str  # training images as printed in that table: "24602+49204"


@cache
def paper_cells() -> dict[Place, PaperCell]:
    """Read the 135 cells, by (combination, benchmark, model)."""
    text = resources.files("face_occlusion.reporting").joinpath("paper_cells.csv").read_text()
    return {
        Place(row["combination"], row["benchmark"], row["model"]): PaperCell(
            table=int(row["table"]), miou=float(row["miou"]), quantity=row["quantity"]
        )
        for row in csv.DictReader(text.splitlines())
    }


def paper_quantity(combination: str, table: int) -> str | None:
    """Return the training images that a table prints beside a combination, None if no such row."""
    for (name, _, _), cell in paper_cells().items():
        if name == combination and cell.table == table:
            return " + ".join(f"{int(part):,}" for part in cell.quantity.split("+"))
    return None
