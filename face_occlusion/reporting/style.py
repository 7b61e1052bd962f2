"""One look for every figure: readable in grey and by the colour-blind, the same bytes each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

mpl.use("agg")

# Okabe and Ito's colours, ordered so that neighbours also differ in lightness; each has a dash and
# a marker of its own, so that lines part without colour.
COLOURS = (
    "#000000",
    "#e69f00",
    "#0072b2",
    "#56b4e9",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#8a6d00",
    "#7f7f7f",
)
MARKERS = ("o", "s", "^", "v", "D", "P", "X", "<", ">")
DASHES = ("", "6 2", "2 2", "8 2 2 2", "", "6 2", "2 2", "8 2 2 2", "4 4")

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "pdf.fonttype": 42,
    "image.composite_image": False,  # pictures keep their pixels in PDF
    "svg.hashsalt": "face-occlusion",
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the project's style."""
    with mpl.rc_context(_STYLE):
        yield


def save(figure: Figure, folder: Path, name: str, dpi: int) -> None:
    """Write NAME.png and NAME.pdf without dates or versions in them."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(
        folder / f"{name}.png", dpi=dpi, bbox_inches="tight", metadata={"Software": None}
    )
    figure.savefig(
        folder / f"{name}.pdf",
        dpi=dpi,
        bbox_inches="tight",
        metadata={"CreationDate": None, "Producer": None, "Creator": None},
    )
