"""Draw a contact sheet of an image set: samples with their masks and records."""

import io
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from face_occlusion.apps.folders import FileSet
from face_occlusion.core.arithmetic import direction, evenly_spaced
from face_occlusion.core.classes import IGNORED
from face_occlusion.core.imageset import ImageSet
from face_occlusion.reporting.figures import Colour, Tile, house_style, picture_grid
from face_occlusion.reporting.page_images import flat_facts
from face_occlusion.reporting.pictures import (
    into_square,
    on_checks,
    outlined,
    thumbnail,
    thumbnail_mask,
)

MAX_LINES = 10
DPI = 150  # of the text under the pictures, whose pixels are kept
CHARACTER_PX = 7  # of that text, about

# These are shown first, in this order; the other fields follow in the record's order (sorted).
_FIRST = ("category", "occluder kind", "method", "occluder", "under: occluder", "covered frac",
          "opacity", "placement: size", "pointing deg", "enters", "source")  # fmt: skip
# Fields that the picture itself shows, or that mean little to a reader.
_LEFT_OUT = ("matrix", "texture matrix", "points", "outline", "format", "version")

FACE_COLOUR: Colour = (0, 255, 160)  # RGB
ORIGINAL_COLOUR: Colour = (255, 140, 0)
IGNORED_COLOUR: Colour = (255, 0, 220)
ARROW_COLOUR: Colour = (255, 230, 0)
LEGEND = (
    ("mask", FACE_COLOUR),
    ("original mask, where it differs", ORIGINAL_COLOUR),
    ("ignored", IGNORED_COLOUR),
)


def draw_contact_sheet(
    image_set: ImageSet | FileSet, keys: Sequence[str], *, columns: int = 6, thumb_px: int = 256
) -> bytes:
    """Draw samples with their masks' outlines and their records, as PNG.

    The sheet of an absent set says why it is. `thumb_px` is at least 48. A sample that is missing
    or unreadable is a ValueError.
    """
    info, sources = image_set.info, ", ".join(image_set.info["sources"])
    bar = tqdm(keys, desc=f"look at {info['name']}", disable=not keys)
    tiles = [_tile(image_set, key, thumb_px) for key in bar]
    title = f"{info['name']}  ·  {info['kind']}"
    title += f"  ·  {len(tiles)} of {len(image_set)}" if len(image_set) else ""
    title += f"\nfrom {sources}" if sources else ""
    title += f"\nabsent: {image_set.absent}" if image_set.absent else ""
    has_masks = tiles and info["kind"] not in ("cutouts", "textures")
    return draw_sheet(tiles, columns, thumb_px, title=title, legend=LEGEND if has_masks else ())


def draw_sheet(
    tiles: Sequence[Tile],
    columns: int,
    thumb_px: int,
    *,
    title: str,
    headings: Sequence[str] = (),
    legend: Sequence[tuple[str, Colour]] = (),
) -> bytes:
    """Lay pictures of `thumb_px` out in rows, as PNG; the same ones give the same bytes."""
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    rows = rows or [[Tile(image=np.full((1, 1, 3), 255, np.uint8))]]
    texts = {"title": title, "headings": headings[: len(rows[0])], "legend": legend}
    file = io.BytesIO()
    with house_style():
        figure = picture_grid(rows, tile_inch=thumb_px / DPI, **texts)
        figure.savefig(file, dpi=DPI, bbox_inches="tight", metadata={"Software": None})
    return file.getvalue()


def pick_keys(image_set: ImageSet | FileSet, num: int, largest: str | None = None) -> list[str]:
    """Return `num` >= 1 keys, or all if fewer, evenly spaced, first and last included.

    Or those with the `largest` values of a field of their records, the earlier of equal ones first;
    a record without a number there is a ValueError.
    """
    if largest is None:
        return evenly_spaced(image_set.keys, num)
    records = {key: image_set.record(key) for key in image_set.keys}
    for key, record in records.items():
        if type(record.get(largest)) not in (int, float):
            where, known = f"{image_set.folder}: record of {key}", ", ".join(sorted(record))
            raise ValueError(f"{where} has no number '{largest}'; it has {known}")
    return sorted(records, key=lambda key: -records[key][largest])[:num]


def _tile(image_set: ImageSet | FileSet, key: str, thumb_px: int) -> Tile:
    parts = image_set.parts(key)
    record = image_set.record(key) if "json" in parts else {}
    if "rgba.png" in parts:
        picture = draw_cutout(image_set.cutout(key), record.get("pointing_deg"), thumb_px)
    else:
        picture = thumbnail(image_set.image(key), thumb_px)
        for mask, colour in _outlined_masks(image_set, key, parts) if "png" in parts else ():
            picture = outlined(picture, thumbnail_mask(mask, thumb_px), colour)
    width = thumb_px // CHARACTER_PX
    name = key if len(key) <= width else f"{key[: width - 1]}…"
    lines = [name, *caption(record, key, width)]
    return Tile(image=picture, caption="\n".join(lines))


def _outlined_masks(
    image_set: ImageSet | FileSet, key: str, parts: list[str]
) -> Iterator[tuple[np.ndarray, Colour]]:
    """Yield the masks to outline: ignored pixels, the original face if it differs, the face."""
    seg_map = image_set.seg_map(key)
    yield seg_map == IGNORED, IGNORED_COLOUR
    if "original.png" in parts:
        original = image_set.seg_map(key, "original.png")
        if (original != seg_map).any():
            yield original == 1, ORIGINAL_COLOUR
    yield seg_map == 1, FACE_COLOUR


def draw_cutout(cutout: np.ndarray, pointing_deg: float | None, thumb_px: int) -> np.ndarray:
    """Fit a premultiplied cut-out into a square of `thumb_px`, over a checkerboard.

    An arrow through the centre of its alpha shows the direction in image coordinates (0 right, 90
    down), unless it is None.
    """
    thumb = into_square(cutout, thumb_px, (0, 0, 0, 0))
    picture = on_checks(thumb)
    if pointing_deg is not None:
        moments = cv2.moments(thumb[..., 3])
        centre = np.array([moments["m10"], moments["m01"]]) / (moments["m00"] or 1)  # x, y
        half = thumb_px / 5 * direction(pointing_deg)
        tail, head = np.rint([centre - half, centre + half]).astype(int).tolist()
        for colour, thickness in (((0, 0, 0), 5), (ARROW_COLOUR, 2)):
            cv2.arrowedLine(picture, tail, head, colour, thickness, cv2.LINE_AA, tipLength=0.3)
    return picture


def caption(record: Mapping[str, Any], key: str, width: int) -> list[str]:
    """Lay out a record's fields, the most important first, in lines of `width` characters.

    Empty fields, matrices and repetitions of the key are left out. A field takes at most two lines
    and is cut there; fields that do not fit into `MAX_LINES` are counted.
    """
    fields = {
        name: text
        for name, text in flat_facts(record)
        if Path(text).stem != key and name.rpartition(": ")[2] not in _LEFT_OUT
    }
    order = [name for name in dict.fromkeys((*_FIRST, *fields)) if name in fields]
    lines: list[str] = []
    for number, name in enumerate(order):
        form = {"subsequent_indent": "  ", "max_lines": 2, "placeholder": "…"}
        field = textwrap.wrap(f"{name} {fields[name]}", width, **form)
        last = number + 1 == len(order)
        if len(lines) + len(field) + (not last) > MAX_LINES:
            return [*lines, f"and {len(order) - number} more"]
        lines += field
    return lines
