"""The look of every figure, pictures laid out in a grid, and figures of image sets."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from face_occlusion.core.arithmetic import evenly_spaced
from face_occlusion.core.imageset import ImageSet
from face_occlusion.reporting.pictures import (
    EXTRA_RGB,
    MISSED_RGB,
    outlined,
    thumbnail,
    thumbnail_mask,
    with_square,
)

mpl.use("agg")
_STYLE = Path(__file__).with_name("house.mplstyle")
# Each colour has a marker and a dash of its own, so that lines part without colour.
COLOURS: list[str] = mpl.rc_params_from_file(_STYLE)["axes.prop_cycle"].by_key()["color"]
MARKERS = "os^vDPX<>"
DASHES = ("", "6 2", "2 2", "8 2 2 2", "", "6 2", "2 2", "8 2 2 2", "4 4")
house_style = partial(mpl.rc_context, fname=_STYLE)


def save(figure: Figure, folder: Path, name: str, dpi: int) -> None:
    """Write NAME.png and NAME.pdf without dates or versions in them."""
    left_out = {"png": ("Software",), "pdf": ("CreationDate", "Producer", "Creator")}
    for suffix, keys in left_out.items():
        file, metadata = io.BytesIO(), dict.fromkeys(keys)  # where a full disk ends no PDF halfway
        figure.savefig(file, format=suffix, dpi=dpi, bbox_inches="tight", metadata=metadata)
        (folder / f"{name}.{suffix}").write_bytes(file.getvalue())


TILE_PX = 224  # of pictures inside figures
GAP_INCH = 0.04
CAPTION_INCH = 0.17  # of its first line
LINE_INCH = 0.1  # of each further one
ERROR_LEGEND = (("wrongly face", EXTRA_RGB), ("wrongly background", MISSED_RGB))
Colour = tuple[int, int, int]
Drawn = Figure | str  # a figure, or why there is none


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One picture of a grid of pictures, with a line under it."""

    image: np.ndarray  # (H, W, 3) uint8 RGB
    caption: str = ""  # one line or several


def picture_grid(
    rows: Sequence[Sequence[Tile]],
    *,
    title: str = "",
    headings: Sequence[str] = (),
    row_titles: Sequence[str] = (),
    legend: Sequence[tuple[str, Colour]] = (),
    tile_inch: float = 1.15,
) -> Figure:
    """Lay pictures out in rows, which may differ in length, each picture square.

    All lie in one pair of axes whose unit is an inch, y downwards: that draws several times faster
    than axes for each, and nothing depends on what a layout engine finds.
    """
    num_columns = max(len(row) for row in rows)
    tops, bottom = [], 0.0
    for row in rows:
        tops.append(bottom)
        lines = max(len(tile.caption.splitlines()) for tile in row)
        caption_inch = CAPTION_INCH + (lines - 1) * LINE_INCH if lines else 0
        bottom += tile_inch + caption_inch + GAP_INCH
    width = num_columns * (tile_inch + GAP_INCH) - GAP_INCH
    figure = Figure(figsize=(width, bottom))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for top, row in zip(tops, rows, strict=True):
        for x, tile in enumerate(row):
            left, below = x * (tile_inch + GAP_INCH), top + tile_inch
            extent = (left, left + tile_inch, below, top)
            axes.imshow(
                tile.image, extent=extent, interpolation="none", aspect="auto", clip_on=False
            )
            if tile.caption:
                middle = left + tile_inch / 2
                axes.text(middle, below + 0.03, tile.caption, ha="center", va="top", fontsize=6)
    if title:
        above = -0.06 - (0.2 if headings else 0)
        axes.text(0, above, title, ha="left", va="bottom", fontsize=9)
    for x, heading in enumerate(headings):
        middle = x * (tile_inch + GAP_INCH) + tile_inch / 2
        axes.text(middle, -0.06, heading, ha="center", va="bottom", fontsize=7)
    for top, title in zip(tops, row_titles, strict=False):
        look = {"rotation": 90, "ha": "right", "va": "center", "multialignment": "center"}
        axes.text(-0.06, top + tile_inch / 2, title, fontsize=7, **look)
    if legend:
        patches = [Patch(facecolor=f"#{bytes(rgb).hex()}", label=name) for name, rgb in legend]
        place = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "ncols": len(patches)}
        figure.legend(handles=patches, fontsize=7, frameon=False, **place)
    axes.set_xlim(0, width)
    axes.set_ylim(bottom, 0)
    return figure


COLUMNS = 6


def sample_sheet(image_set: ImageSet, number: int, colour: Colour) -> Figure:
    """Show evenly spaced samples of a set, each also with its mask's outline (Figs 14 to 19)."""
    tiles = []
    for key in evenly_spaced(image_set.keys, number):
        image = thumbnail(image_set.image(key), TILE_PX)
        mask = thumbnail_mask(image_set.seg_map(key) == 1, TILE_PX)
        tiles.append(Tile(image=image, caption=_brief(image_set, key)))
        tiles.append(Tile(image=outlined(image, mask, colour)))
    rows = [tiles[start : start + COLUMNS] for start in range(0, len(tiles), COLUMNS)]
    return picture_grid(rows)


def _brief(image_set: ImageSet, key: str) -> str:
    """Name a sample: its key, cut where it is long, and how much of the face is covered."""
    name = key if len(key) <= 22 else f"{key[:21]}…"
    covered = image_set.record(key).get("covered_frac") if "json" in image_set.parts(key) else None
    return name if covered is None else f"{name}: {100 * covered:.0f} % covered"


def alignment(benchmarks: Mapping[str, ImageSet], colour: Colour) -> Drawn:
    """Show a benchmark before and after alignment, with landmarks and the square cut out (Fig 5).

    Returns the reason where no benchmark has images both as released and aligned.
    """
    pairs = (
        (released, aligned)
        for aligned, released in permutations(benchmarks.values(), 2)
        if (released.info.get("align"), aligned.info.get("align")) == ("none", "ffhq")
        and len(aligned)
        and len(released)
        and released.info["sources"] == aligned.info["sources"]
    )
    released, aligned = next(pairs, (None, None))
    if released is None or aligned is None:
        where = "COFW is, where its release is"
        return f"no benchmark here is there both as released and aligned ({where})"
    there = set(released.keys)
    keys = evenly_spaced([key for key in aligned.keys if key in there], COLUMNS)
    rows: list[list[Tile]] = [[], []]
    for key in keys:
        record, image = aligned.record(key), released.image(key)
        scale = np.array(image.shape[1::-1]) / record["release_size"][::-1]
        square = np.array(record["square"]) * scale
        square[0] += scale / 2 - 0.5  # the first pixel's centre is (0, 0) at every size
        points = (np.array(record["points"]) + 0.5) * scale - 0.5
        rows[0].append(Tile(image=thumbnail(with_square(image, square, points, colour), TILE_PX)))
        rows[1].append(Tile(image=thumbnail(aligned.image(key), TILE_PX), caption=key))
    return picture_grid(rows, row_titles=["As released", "Aligned"])
