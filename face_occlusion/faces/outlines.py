"""Check the polygons and run lengths that tools export, before they are drawn on a mask."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from face_occlusion.core.classes import instance_mask

_OUTSIDE_PX = 1.0  # tools let a point lie this far beyond the image


def check_segmentation(segmentation: Any, size: tuple[int, int]) -> Any:
    """Check polygons or run lengths, and return them ready to be drawn.

    Raises:
        ValueError: If they are neither, a polygon has fewer than three points, a point that is
            no finite number or lies outside the image, the runs do not fill the image, or
            nothing is covered.
    """
    if isinstance(segmentation, Mapping):
        _check_runs(segmentation, size)
    elif isinstance(segmentation, list) and segmentation:
        for polygon in segmentation:
            check_polygon(polygon, size)
    else:
        raise ValueError(f"polygons or run lengths expected; got {_short(segmentation)}")
    if not instance_mask(segmentation, size).any():
        raise ValueError("covers no pixel")
    return segmentation


def check_polygon(polygon: Any, size: tuple[int, int]) -> None:
    """Check one polygon [x0, y0, x1, y1, ...]; errors as `check_segmentation`."""
    if not isinstance(polygon, Sequence) or isinstance(polygon, str):
        raise ValueError(f"a polygon must be a list of numbers; got {_short(polygon)}")
    if len(polygon) < 6 or len(polygon) % 2:
        raise ValueError(f"a polygon needs three points (x, y) or more; got {len(polygon)} numbers")
    for place, value in enumerate(polygon):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value):
            raise ValueError(f"a polygon's coordinates must be finite numbers; got {value!r}")
        if not -_OUTSIDE_PX <= value <= size[1 - place % 2] + _OUTSIDE_PX:
            axis = "xy"[place % 2]
            raise ValueError(
                f"a polygon leaves its image of {size[0]}x{size[1]} pixels at {axis} = {value:g}"
            )


def _check_runs(runs: Mapping[str, Any], size: tuple[int, int]) -> None:
    if list(runs.get("size", [])) != list(size):
        raise ValueError(
            f"run lengths for {runs.get('size')} (height, width), while the image has {list(size)}"
        )
    counts = runs.get("counts")
    lengths = _unpack_counts(counts) if isinstance(counts, str | bytes) else counts
    if not isinstance(lengths, list) or not all(
        isinstance(length, int) and length >= 0 for length in lengths
    ):
        raise ValueError(f"run lengths must be whole numbers from 0; got {_short(counts)}")
    if sum(lengths) != size[0] * size[1]:  # pycocotools would leave the rest to chance
        raise ValueError(f"run lengths add up to {sum(lengths)}, not to {size[0]}x{size[1]} pixels")


def _unpack_counts(text: str | bytes) -> list[int]:
    """Read compressed run lengths: 5 bits a character; each counts from the last but one.

    A text that ends inside a number is a ValueError.
    """
    codes = [ord(char) - 48 for char in text] if isinstance(text, str) else [c - 48 for c in text]
    lengths: list[int] = []
    value = shift = 0
    for code in codes:
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            if code & 16:
                value -= 1 << shift
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError("run lengths are cut off")
    return lengths


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
