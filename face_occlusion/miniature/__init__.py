"""Releases drawn by the project itself, in the layouts and archive formats of the public ones.

Conventions of the package: a `shape` is (height, width) in pixels; `rng` is the only source of what
is random; colours are float32 linear RGB; coverages in [0, 1] and heights in pixels towards the
viewer are (H, W) float32; points are (x, y) in pixels; angles turn clockwise on the screen. A
function `sample_*` returns something random, `paint_*` adds to a picture or returns one.
"""

from collections.abc import Callable
from pathlib import Path

from face_occlusion.miniature.archives import MiniatureParams
from face_occlusion.miniature.release_faces import (
    draw_celebamask_hq,
    draw_cofw,
    draw_realocc,
    draw_realocc_wild,
)
from face_occlusion.miniature.release_occluders import draw_coco, draw_dtd, draw_hands_11k

__all__ = ["MiniatureParams", "draw_release"]

_DRAWERS: dict[str, Callable[[Path, MiniatureParams], None]] = {
    "celebamask_hq": draw_celebamask_hq,
    "hands_11k": draw_hands_11k,
    "coco": draw_coco,
    "dtd": draw_dtd,
    "realocc": draw_realocc,
    "realocc_wild": draw_realocc_wild,
    "cofw": draw_cofw,
}


def draw_release(source: str, folder: Path, params: MiniatureParams) -> None:
    """Draw a miniature of a release: the same bytes for the same parameters.

    Args:
        source: celebamask_hq, hands_11k, coco, dtd, realocc, realocc_wild or cofw.
        folder: Where the archives go, under the names of the public ones; made if missing.
        params: How large it is.

    Raises:
        ValueError: If no miniature of `source` is known.
    """
    if source not in _DRAWERS:
        raise ValueError(f"sources.{source}: no miniature of it; known: {', '.join(_DRAWERS)}")
    folder.mkdir(parents=True, exist_ok=True)
    _DRAWERS[source](folder, params)
