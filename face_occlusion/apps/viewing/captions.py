"""Lay out a record as short lines under a picture."""

import textwrap
from collections.abc import Mapping
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


def shorten(text: str, width: int) -> str:
    """Cut a text of more than `width` characters, and end it with "…"."""
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}…"
