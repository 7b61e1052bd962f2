"""NatOcc: photographed hands and objects over faces (Q21-Q26)."""

from __future__ import annotations

from typing import Any

import numpy as np

from face_occlusion.generation.compositing import Layer, soften, warp
from face_occlusion.generation.forearm import grow_arm
from face_occlusion.generation.occluder import Occluder
from face_occlusion.generation.params import GenerateParams
from face_occlusion.generation.placement import (
    FaceGeometry,
    ends_outside,
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
    draw_arm: bool = False,
) -> tuple[dict[str, Any], float] | None:
    """Draw where an occluder goes: hands reach for the face, objects lie around it.

    Args:
        occluder: The occluder.
        face: The face.
        rng: Source of the draw.
        params: Ranges of size, shear, rotation and place.
        draw_arm: Let a hand end anywhere in the picture, its arm being drawn on from there.

    Returns:
        The record, whose `matrix` takes the cut-out's full-size pixels to the image's, and the
        share of the face it covers by estimate; None if it cannot be placed this way.
    """
    if occluder.pointing_deg is not None:
        placed = place_hand(occluder, face, rng, params, any_end=draw_arm)
    else:
        placed = place_around(occluder.area_px, occluder.centre_xy, face, rng, params)
    if placed is None:
        return None
    matrix, record = placed
    record["arm_drawn"] = False
    if not ends_outside(occluder, matrix, face.shape):
        grown = grow_arm(occluder, matrix, face.shape) if draw_arm else None
        if grown is None:
            return None
        record["arm_drawn"] = True
        return record | {"matrix": matrix.tolist()}, estimate_covered(*grown, face)
    return record | {"matrix": matrix.tolist()}, estimate_covered(occluder, matrix, face)


def natocc_layer(
    occluder: Occluder,
    placement: dict[str, Any],
    shape: tuple[int, ...],
    margin: int,
    edge_sigma_px: float,
) -> Layer:
    """Warp an occluder to where its record says, soften its edge, on an (H, W) canvas.

    Raises:
        ValueError: If the record has an arm where this occluder has no wrist: another hand's.
    """
    matrix = np.array(placement["matrix"])
    if placement.get("arm_drawn"):
        grown = grow_arm(occluder, matrix, (shape[0], shape[1]))
        if grown is None:
            raise ValueError(f"occluder {occluder.key}: the record's arm is not this hand's")
        occluder, matrix = grown
    return soften(warp(occluder, matrix, shape, margin), edge_sigma_px)
