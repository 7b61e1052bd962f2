"""Draw a contact sheet of an image set: samples with their masks and records."""

import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from face_occlusion.apps.folders import FileSet
from face_occlusion.core.classes import IGNORED
from face_occlusion.core.images import fitted_size, resize_image
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.params import check_at_least
from face_occlusion.reporting.figures import Colour, Tile, evenly_spaced, house_style, picture_grid
from face_occlusion.reporting.page_images import flat_facts
from face_occlusion.reporting.pictures import into_square, on_checks

MAX_LINES = 10
DPI = 150  # of the text under the pictures, whose pixels are kept
CHARACTER_PX = 7  # of that text, about

# These are shown first, in this order; the other fields follow in the record's order (sorted).
_FIRST = ("category", "occluder kind", "method", "occluder", "covered frac", "opacity",
          "placement: size", "pointing deg", "enters", "source")  # fmt: skip
# Fields that the picture itself shows, or that mean little to a reader.
_LEFT_OUT = ("matrix", "texture matrix", "points", "outline", "format", "version")

FACE_COLOUR: Colour = (0, 255, 160)  # RGB; a black rim makes each visible on light and dark skin
ORIGINAL_COLOUR: Colour = (255, 140, 0)
IGNORED_COLOUR: Colour = (255, 0, 220)
ARROW_COLOUR: Colour = (255, 230, 0)
LEGEND = (
    ("mask", FACE_COLOUR),
    ("original mask, where it differs", ORIGINAL_COLOUR),
    ("ignored", IGNORED_COLOUR),
)

_SUBPIXELS = 4  # outlines are found on a grid this much finer than the thumbnail
_SHIFT = 4  # of OpenCV's fixed-point coordinates

Outline = tuple[np.ndarray, Colour]  # (H, W) bool mask, RGB


def draw_contact_sheet(
    image_set: ImageSet | FileSet, keys: Sequence[str], *, columns: int = 6, thumb_px: int = 256
) -> bytes:
    """Draw samples with their masks' outlines and their records, as PNG.

    The sheet of an absent set says why it is. `thumb_px` is at least 48. A sample that is missing
    or unreadable is a ValueError.
    """
    check_at_least(1, columns=columns)
    check_at_least(48, thumb_px=thumb_px)
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
    check_at_least(1, num=num)
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
        drawn = draw_cutout(image_set.cutout(key), record.get("pointing_deg"), thumb_px)
    else:
        outlines = _outlined_masks(image_set, key, parts) if "png" in parts else []
        drawn = draw_outlines(image_set.image(key), outlines, thumb_px)
    width = thumb_px // CHARACTER_PX
    name = key if len(key) <= width else f"{key[: width - 1]}…"
    lines = [name, *caption(record, key, width)]
    return Tile(image=into_square(drawn, thumb_px, (240, 240, 240)), caption="\n".join(lines))


def _outlined_masks(image_set: ImageSet | FileSet, key: str, parts: list[str]) -> list[Outline]:
    """Return the masks to outline: ignored pixels, the original face if it differs, the face."""
    seg_map = image_set.seg_map(key)
    outlines: list[Outline] = [(seg_map == IGNORED, IGNORED_COLOUR)]
    if "original.png" in parts:
        original = image_set.seg_map(key, "original.png")
        if (original != seg_map).any():
            outlines.append((original == 1, ORIGINAL_COLOUR))
    return [*outlines, (seg_map == 1, FACE_COLOUR)]


def draw_outlines(image: np.ndarray, outlines: Sequence[Outline], thumb_px: int) -> np.ndarray:
    """Fit an image into a square, and draw the outlines of masks with sub-pixel precision.

    Later outlines lie on top. The longer side of the result is `thumb_px`.
    """
    thumb = fit(image, thumb_px)
    for mask, colour in outlines:
        contours = _contours(mask, thumb.shape[:2])
        rimmed = thumb.copy()
        cv2.polylines(rimmed, contours, True, (0, 0, 0), 4, cv2.LINE_AA, _SHIFT)
        thumb = cv2.addWeighted(thumb, 0.4, rimmed, 0.6, 0)
        cv2.polylines(thumb, contours, True, colour, 1, cv2.LINE_AA, _SHIFT)
    return thumb


def _contours(mask: np.ndarray, size: tuple[int, int]) -> list[np.ndarray]:
    """Return the outlines of a mask scaled to `size` (h, w), in fixed-point pixels."""
    height, width = (side * _SUBPIXELS for side in size)
    way = cv2.INTER_AREA if mask.shape[0] > height else cv2.INTER_LINEAR
    soft = cv2.resize(mask.astype(np.uint8) * np.uint8(255), (width, height), interpolation=way)
    fine = (soft > 127).astype(np.uint8)
    contours, _ = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    centred = (((contour + 0.5) / _SUBPIXELS - 0.5) * 2**_SHIFT for contour in contours)
    return [np.rint(contour).astype(np.int32) for contour in centred]


def fit(image: np.ndarray, side_px: int) -> np.ndarray:
    """Scale an image so that its longer side has `side_px`."""
    return resize_image(image, fitted_size(image.shape[:2], side_px))


def draw_cutout(cutout: np.ndarray, pointing_deg: float | None, thumb_px: int) -> np.ndarray:
    """Draw a premultiplied cut-out over a checkerboard, its longer side `thumb_px`.

    An arrow through the centre of its alpha shows the direction in image coordinates (0 right, 90
    down), unless it is None.
    """
    thumb = fit(cutout, thumb_px)
    picture = on_checks(thumb)
    if pointing_deg is not None:
        moments = cv2.moments(thumb[..., 3])
        centre = np.array([moments["m10"], moments["m01"]]) / (moments["m00"] or 1)  # x, y
        angle = np.deg2rad(pointing_deg)
        half = thumb_px / 5 * np.array([np.cos(angle), np.sin(angle)])
        ends = np.rint(np.array([centre - half, centre + half]) * 2**_SHIFT).astype(int)
        tail, head = ends.tolist()
        for colour, thickness in (((0, 0, 0), 5), (ARROW_COLOUR, 2)):
            cv2.arrowedLine(picture, tail, head, colour, thickness, cv2.LINE_AA, _SHIFT, 0.3)
    return picture


def caption(
    record: Mapping[str, Any], key: str, width: int, max_lines: int = MAX_LINES
) -> list[str]:
    """Lay out a record's fields, the most important first, in lines of `width` characters.

    Empty fields, matrices and repetitions of the key are left out. A field takes at most two lines
    and is cut there; fields that do not fit into `max_lines` are counted.
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
        if len(lines) + len(field) + (not last) > max_lines:
            return [*lines, f"and {len(order) - number} more"]
        lines += field
    return lines
