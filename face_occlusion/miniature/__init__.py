"""Releases drawn by the project itself, in the layouts and archive formats of the public ones.

Conventions of the package: a `shape` is (height, width) in pixels; `rng` is the only source of what
is random; colours are float32 linear RGB; coverages in [0, 1] and heights in pixels towards the
viewer are (H, W) float32; points are (x, y) in pixels; angles turn clockwise on the screen. A
function `sample_*` returns something random, `paint_*` adds to a picture or returns one.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from face_occlusion.miniature import release_faces, release_occluders
from face_occlusion.miniature.archives import MiniatureParams

__all__ = ["MiniatureParams", "draw_release"]

_DRAWERS: dict[str, Callable[[Path, MiniatureParams], None]] = {
    "celebamask_hq": release_faces.draw_celebamask_hq,
    "hands_11k": release_occluders.draw_hands_11k,
    "coco": release_occluders.draw_coco,
    "dtd": release_occluders.draw_dtd,
    "realocc": partial(release_faces.draw_realocc, wild=False),
    "realocc_wild": partial(release_faces.draw_realocc, wild=True),
    "cofw": release_faces.draw_cofw,
}


def draw_release(source: str, folder: Path, params: MiniatureParams) -> None:
    """Draw a miniature of a release: the same bytes for the same parameters.

    The archives go into `folder`, made if missing, under the names of the public ones. A `source`
    without a known miniature is a ValueError.
    """
    if source not in _DRAWERS:
        raise ValueError(f"sources.{source}: no miniature of it; known: {', '.join(_DRAWERS)}")
    folder.mkdir(parents=True, exist_ok=True)
    _DRAWERS[source](folder, params)
