"""Pictures laid out in a grid, as one matplotlib figure; which pictures is decided elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from face_occlusion.reporting.pictures import EXTRA_RGB, MISSED_RGB

TILE_PX = 224  # of pictures inside figures
GAP_INCH = 0.04
CAPTION_INCH = 0.17
ERROR_LEGEND = (("wrongly face", EXTRA_RGB), ("wrongly background", MISSED_RGB))
Colour = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One picture of a grid of pictures, with a line under it."""

    image: np.ndarray  # (H, W, 3) uint8 RGB
    caption: str = ""


def picture_grid(
    rows: Sequence[Sequence[Tile]],
    *,
    headings: Sequence[str] = (),
    row_titles: Sequence[str] = (),
    legend: Sequence[tuple[str, Colour]] = (),
    tile_inch: float = 1.15,
) -> Figure:
    """Lay pictures out in rows, each picture square.

    All lie in one pair of axes whose unit is an inch, y downwards: that draws several times faster
    than axes for each, and nothing depends on what a layout engine finds.

    Args:
        rows: Pictures, row by row; rows may differ in length.
        headings: Title above each column.
        row_titles: Title left of each row.
        legend: Names and colours explained below the pictures.
        tile_inch: Side of a picture.
    """
    num_columns = max(len(row) for row in rows)
    tops, bottom = [], 0.0
    for row in rows:
        tops.append(bottom)
        bottom += tile_inch + (CAPTION_INCH if any(tile.caption for tile in row) else 0) + GAP_INCH
    width = num_columns * (tile_inch + GAP_INCH) - GAP_INCH
    figure = Figure(figsize=(width, bottom))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for top, row in zip(tops, rows, strict=True):
        for x, tile in enumerate(row):
            _place(axes, tile, x * (tile_inch + GAP_INCH), top, tile_inch)
    for x, heading in enumerate(headings):
        middle = x * (tile_inch + GAP_INCH) + tile_inch / 2
        axes.text(middle, -0.06, heading, ha="center", va="bottom", fontsize=7)
    for top, title in zip(tops, row_titles, strict=False):
        axes.text(-0.06, top + tile_inch / 2, title, rotation=90, ha="right", va="center",
                  fontsize=7, multialignment="center")  # fmt: skip
    if legend:
        patches = [Patch(facecolor=_share(colour), label=name) for name, colour in legend]
        figure.legend(
            handles=patches,
            loc="upper center",
            bbox_to_anchor=(0.5, 0),
            ncols=len(patches),
            fontsize=7,
            frameon=False,
        )
    axes.set_xlim(0, width)
    axes.set_ylim(bottom, 0)
    return figure


def _place(axes: Axes, tile: Tile, left: float, top: float, side: float) -> None:
    axes.imshow(
        tile.image,
        extent=(left, left + side, top + side, top),
        interpolation="none",
        aspect="auto",
        clip_on=False,
    )
    if tile.caption:
        axes.text(
            left + side / 2, top + side + 0.03, tile.caption, ha="center", va="top", fontsize=6
        )


def _share(colour: Colour) -> tuple[float, float, float]:
    red, green, blue = (value / 255 for value in colour)
    return red, green, blue


def in_rows(tiles: Sequence[Tile], per_row: int) -> list[list[Tile]]:
    """Break tiles into rows of `per_row`, the last one maybe shorter."""
    return [list(tiles[start : start + per_row]) for start in range(0, len(tiles), per_row)]
