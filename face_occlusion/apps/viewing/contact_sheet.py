"""Draw a contact sheet of an image set: samples with their masks and records."""

import functools
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from face_occlusion.apps.folders import FileSet
from face_occlusion.core.classes import IGNORED
from face_occlusion.core.images import fitted_size, resize_image
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.params import check_at_least
from face_occlusion.reporting.figures import evenly_spaced
from face_occlusion.reporting.pictures import into_square, on_checks

Colour = tuple[int, int, int]
Line = list[tuple[str, Colour]]  # stretches of text, left to right

NAME_COLOUR: Colour = (120, 120, 120)
VALUE_COLOUR: Colour = (20, 20, 20)
MAX_LINES = 10

# These are shown first, in this order; the other fields follow in the record's order (sorted).
_FIRST = ("category", "occluder_kind", "method", "occluder", "covered_frac", "opacity",
          "placement.size", "pointing_deg", "enters", "source")  # fmt: skip
# Fields that the picture itself shows, or that mean little to a reader.
_LEFT_OUT = ("matrix", "texture_matrix", "points", "outline", "format", "version")

MARGIN_PX = 14
TEXT_PX = 11
TITLE_PX = 18
LINE_PX = 16
BOLD = "DejaVuSansMono-Bold.ttf"
FACE_COLOUR = (0, 255, 160)  # RGB; a black rim makes each visible on light and on dark skin
ORIGINAL_COLOUR = (255, 140, 0)
IGNORED_COLOUR = (255, 0, 220)
ARROW_COLOUR = (255, 230, 0)
LEGEND = (  # the outlines' colours, darker to be legible on white
    ("— mask", (0, 140, 85)),
    ("— original mask, where it differs", (200, 100, 0)),
    ("— ignored", (220, 0, 190)),
)

_SUBPIXELS = 4  # outlines are found on a grid this much finer than the thumbnail
_SHIFT = 4  # of OpenCV's fixed-point coordinates

Outline = tuple[np.ndarray, tuple[int, int, int]]  # (H, W) bool mask, RGB


def draw_contact_sheet(
    image_set: ImageSet | FileSet, keys: Sequence[str], *, columns: int = 6, thumb_px: int = 256
) -> np.ndarray:
    """Draw samples with their masks' outlines and their records; (H, W, 3) uint8 RGB.

    The sheet of an absent set says why it is. `thumb_px` is at least 48. A sample that is missing
    or unreadable is a ValueError.
    """
    check_at_least(1, columns=columns)
    check_at_least(48, thumb_px=thumb_px)
    bar = tqdm(keys, desc=f"look at {image_set.info['name']}", disable=not keys)
    cells = [_cell(image_set, key, thumb_px) for key in bar]
    title = f"{image_set.info['name']}  ·  {image_set.info['kind']}"
    title += f"  ·  {len(cells)} of {len(image_set)}" if len(image_set) else ""
    return draw_grid(title, _legend(image_set), cells, columns)


@dataclass(frozen=True)
class Cell:
    """A picture on a sheet and the text under it."""

    picture: np.ndarray  # (H, W, 3) uint8 RGB
    name: str
    lines: list[Line]


def draw_grid(
    title: str, legend: Sequence[Line], cells: Sequence[Cell], columns: int
) -> np.ndarray:
    """Arrange pictures with their texts in rows under a title; (H, W, 3) uint8 RGB."""
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    step = MARGIN_PX + max((cell.picture.shape[1] for cell in cells), default=0)
    line_px = [_font().getlength("".join(text for text, _ in line)) for line in legend]
    widest = max([_font(TITLE_PX).getlength(title), *line_px])
    width = MARGIN_PX + max(min(columns, len(cells)) * step, int(widest) + MARGIN_PX)
    head_px = MARGIN_PX + TITLE_PX + 8 + LINE_PX * len(legend) + MARGIN_PX
    picture_px = [max(cell.picture.shape[0] for cell in row) for row in rows]
    text_px = [LINE_PX * (1 + max(len(cell.lines) for cell in row)) for row in rows]
    heights = [p + 6 + t + MARGIN_PX for p, t in zip(picture_px, text_px, strict=True)]
    tops = np.cumsum([head_px, *heights]).tolist()
    sheet = Image.new("RGB", (width, tops[-1]), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN_PX, MARGIN_PX), title, fill=VALUE_COLOUR, font=_font(TITLE_PX))
    _write(draw, (MARGIN_PX, MARGIN_PX + TITLE_PX + 8), legend)
    for number, cell in enumerate(cells):
        row, column = divmod(number, columns)
        left, text_top = MARGIN_PX + column * step, tops[row] + picture_px[row] + 4
        sheet.paste(Image.fromarray(cell.picture), (left, tops[row]))
        draw.text((left, text_top), cell.name, fill=VALUE_COLOUR, font=_font(name=BOLD))
        _write(draw, (left, text_top + LINE_PX), cell.lines)
    return np.asarray(sheet)


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


def _cell(image_set: ImageSet | FileSet, key: str, thumb_px: int) -> Cell:
    parts = image_set.parts(key)
    record = image_set.record(key) if "json" in parts else {}
    if "rgba.png" in parts:
        drawn = draw_cutout(image_set.cutout(key), record.get("pointing_deg"), thumb_px)
    else:
        outlines = _outlined_masks(image_set, key, parts) if "png" in parts else []
        drawn = draw_outlines(image_set.image(key), outlines, thumb_px)
    square = into_square(drawn, thumb_px, (240, 240, 240))
    width = int(thumb_px / _font().getlength("x"))  # characters, all of one width
    name = key if len(key) <= width else f"{key[: width - 1].rstrip()}…"
    return Cell(square, name, caption(record, key, width))


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


def _legend(image_set: ImageSet | FileSet) -> list[Line]:
    """Return the lines under the title: sources, meaning of the colours, why the set is absent."""
    sources = image_set.info["sources"]
    lines: list[Line] = [[("from ", NAME_COLOUR), (", ".join(sources), VALUE_COLOUR)]]
    if image_set.absent:
        lines.append([("absent: ", NAME_COLOUR), (image_set.absent, VALUE_COLOUR)])
    elif image_set.info["kind"] not in ("cutouts", "textures"):
        lines.append([(f"{text}    ", colour) for text, colour in LEGEND])
    return lines if sources else lines[1:]


@functools.cache
def _font(size_px: int = TEXT_PX, name: str = "DejaVuSansMono.ttf") -> ImageFont.FreeTypeFont:
    """Load a monospaced font that comes with matplotlib, the same on every machine."""
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", name), size_px)


def _write(draw: ImageDraw.ImageDraw, left_top: tuple[int, int], lines: Sequence[Line]) -> None:
    left, top = left_top
    for number, line in enumerate(lines):
        x = float(left)
        for text, colour in line:
            draw.text((x, top + number * LINE_PX), text, fill=colour, font=_font())
            x += _font().getlength(text)


def caption(
    record: Mapping[str, Any], key: str, width: int, max_lines: int = MAX_LINES
) -> list[Line]:
    """Lay out a record's fields, the most important first, in lines of `width` characters.

    Nested fields are named with dots; empty fields, matrices and repetitions of the key are left
    out. A field takes at most two lines and is cut there; fields that do not fit into `max_lines`
    are counted.
    """
    fields = {
        name: text
        for name, value in flatten(record).items()
        if (text := format_value(value))
        and Path(text).stem != key
        and name.rpartition(".")[2] not in _LEFT_OUT
    }
    order = [name for name in dict.fromkeys((*_FIRST, *fields)) if name in fields]
    lines: list[Line] = []
    for number, name in enumerate(order):
        field = _field_lines(name, fields[name], width)
        last = number + 1 == len(order)
        if len(lines) + len(field) + (not last) > max_lines:
            return [*lines, [(f"and {len(order) - number} more", NAME_COLOUR)]]
        lines += field
    return lines


def flatten(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one, its names joined by dots."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def format_value(value: Any) -> str:
    """Write a value briefly: 3 significant digits, long lists by their length, None as ""."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    if isinstance(value, list):
        if len(value) > 4 or any(isinstance(item, list | dict) for item in value):
            return f"{len(value)} values"
        return ", ".join(format_value(item) for item in value)
    return " ".join(str(value).split())


def _field_lines(name: str, text: str, width: int) -> list[Line]:
    """Write name and value, wrapped to at most two lines."""
    first, *rest = textwrap.wrap(f"{name} {text}", width, subsequent_indent="  ")
    if len(rest) > 1:
        rest = [f"{rest[0][: width - 1].rstrip()}…"]
    start = min(len(name) + 1, len(first))
    coloured = [(first[:start], NAME_COLOUR), (first[start:], VALUE_COLOUR)]
    return [coloured, *([(line, VALUE_COLOUR)] for line in rest)]
