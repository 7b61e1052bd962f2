"""Draw many pictures, in processes where that pays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from face_occlusion.core.parallel import ordered_map

Item = TypeVar("Item")
Result = TypeVar("Result")

_FEW = 24  # drawn sooner than processes have started


def draw_all(draw: Callable[[Item], Result], items: Sequence[Item], what: str) -> list[Result]:
    """Return `draw(item)` of each item, in order; shows a bar named after `what`."""
    workers = 1 if len(items) < _FEW else None
    return list(ordered_map(draw, items, desc=f"draw {what}", workers=workers))
