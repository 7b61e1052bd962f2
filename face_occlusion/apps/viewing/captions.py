"""Lay out a record as short lines under a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

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


def caption(
    record: Mapping[str, Any],
    key: str,
    measure: Callable[[str], float],
    width_px: int,
    max_lines: int = MAX_LINES,
) -> list[Line]:
    """Lay out a record's fields, the most important first.

    Nested fields are named with dots; empty fields, matrices and repetitions of the key are left
    out. A field takes one line, or two if name and value do not fit on one; longer values are
    cut, and fields that do not fit into `max_lines` are counted.

    Args:
        record: A sample's record.
        key: The sample's key.
        measure: Returns a text's width in pixels.
        width_px: Largest width of a line.
        max_lines: Largest number of lines, at least 1.
    """
    fields = {
        name: text
        for name, value in flatten(record).items()
        if (text := format_value(value)) and Path(text).stem != key and not _is_left_out(name)
    }
    order = [name for name in _FIRST if name in fields]
    order += [name for name in fields if name not in order]
    laid_out = [_field_lines(name, fields[name], measure, width_px) for name in order]
    return _cut(laid_out, max_lines)


def _cut(fields: list[list[Line]], max_lines: int) -> list[Line]:
    """Join fields' lines; if they are too many, keep whole fields and count the others."""
    lines: list[Line] = []
    for number, field in enumerate(fields):
        room = max_lines - len(lines) - (1 if number + 1 < len(fields) else 0)
        if len(field) > room:
            return [*lines, [(f"and {len(fields) - number} more", NAME_COLOUR)]]
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


def _is_left_out(name: str) -> bool:
    return name.rpartition(".")[2] in _LEFT_OUT


def _field_lines(
    name: str, text: str, measure: Callable[[str], float], width_px: int
) -> list[Line]:
    label = f"{name} "
    if measure(label + text) <= width_px:
        return [[(label, NAME_COLOUR), (text, VALUE_COLOUR)]]
    if measure(label) < width_px / 2:  # start next to the name, continue below
        cut = _fitting(text, measure, width_px - measure(label))
        first: Line = [(label, NAME_COLOUR), (text[:cut], VALUE_COLOUR)]
        return [first, [(shorten(f"  {text[cut:].strip()}", measure, width_px), VALUE_COLOUR)]]
    below = shorten(f"  {text}", measure, width_px)
    return [[(shorten(name, measure, width_px), NAME_COLOUR)], [(below, VALUE_COLOUR)]]


def _fitting(text: str, measure: Callable[[str], float], width_px: float) -> int:
    """Return how many characters fit, if possible up to the end of a word."""
    count = len(text)
    while count > 1 and measure(text[:count]) > width_px:
        count -= 1
    space = text.rfind(" ", 0, count + 1)
    return space if space > 0 and count < len(text) else count


def shorten(text: str, measure: Callable[[str], float], width_px: float) -> str:
    """Cut a text that is too wide, and end it with "…"."""
    if measure(text) <= width_px:
        return text
    count = len(text)
    while count > 1 and measure(text[:count] + "…") > width_px:
        count -= 1
    return text[:count].rstrip() + "…"
