"""NatOcc: photographed hands and objects over faces (Q21-Q26)."""

from __future__ import annotations

from typing import Any

import numpy as np

from face_occlusion.generation.compositing import Layer, soften, warp
from face_occlusion.generation.occluder import Occluder
from face_occlusion.generation.params import GenerateParams
from face_occlusion.generation.placement import (
    FaceGeometry,
    cut_is_hidden,
    estimate_covered,
    place_around,
    place_hand,
)


def draw_natocc(
    occluder: Occluder,
    face: FaceGeometry,
    rng: np.random.Generator,
    params: GenerateParams,
    *,
    wrist_inside: bool = False,
) -> tuple[dict[str, Any], float] | None:
    """Draw where an occluder goes: hands reach for the face, objects lie around it.

    Args:
        occluder: The occluder.
        face: The face.
        rng: Source of the draw.
        params: Ranges of size, shear, rotation and place.
        wrist_inside: See `place_hand`.

    Returns:
        The record, whose `matrix` takes the cut-out's full-size pixels to the image's, and the
        share of the face it covers by estimate; None if it cannot be placed this way.
    """
    if occluder.pointing_deg is not None:
        placed = place_hand(occluder, face, rng, params, wrist_inside=wrist_inside)
    else:
        placed = place_around(occluder.area_px, occluder.centre_xy, face, rng, params)
    if placed is None or not cut_is_hidden(occluder, placed[0], face.shape):
        return None
    matrix, record = placed
    return record | {"matrix": matrix.tolist()}, estimate_covered(occluder, matrix, face)


def natocc_layer(
    occluder: Occluder,
    placement: dict[str, Any],
    shape: tuple[int, ...],
    margin: int,
    edge_sigma_px: float,
) -> Layer:
    """Warp an occluder to where its record says, soften its edge, on an (H, W) canvas."""
    return soften(warp(occluder, np.array(placement["matrix"]), shape, margin), edge_sigma_px)
