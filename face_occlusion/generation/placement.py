"""Where an occluder goes: size, rotation and position relative to the face.

A placement is sampled, then checked on a small map of the face; one that covers too little or too
much, or shows where a hand was cut off, is sampled again. Sampling uses the generator alone; the
numbers sampled, and the affine they give, are the placement's record.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from face_occlusion.core.arithmetic import (
    affine,
    determinant,
    direction,
    on_grid,
    product,
    project,
    rotate,
    shear,
    transform,
)
from face_occlusion.generation.augmentation import sample_uniform
from face_occlusion.generation.compositing import Layer, soften, warp
from face_occlusion.generation.forearm import extend_forearm
from face_occlusion.generation.geometry import (
    FaceGeometry,
    Occluder,
    ends_outside,
    estimate_covered,
    leave_distance,
)
from face_occlusion.generation.params import GenerateParams
from face_occlusion.generation.shapes import (
    Texture,
    estimate_polygon_covered,
    paint_shape,
    sample_shape,
    sample_texture,
)

BARELY = 0.6  # of the way from the centre to the rim: fingertips reach at least this far in


def sample_placement(
    item: Occluder | Texture,
    face: FaceGeometry,
    rng: np.random.Generator,
    params: GenerateParams,
    *,
    extend_arm: bool = False,
) -> dict[str, Any] | None:
    """Sample where an occluder goes: hands reach for the face, the rest lies around its centre.

    With `extend_arm` a hand may end anywhere in the picture; its arm is extended from there.

    Returns:
        The record, whose `matrix` takes the occluder's full-size pixels, or the unit shape, to
        the image's pixels; None if a hand cannot be placed this way, or the placement covers too
        little or too much of the face by estimate.
    """
    if isinstance(item, Texture):
        sampled = _sample_randocc(item, face, rng, params)
    else:
        sampled = _sample_natocc(item, face, rng, params, extend_arm=extend_arm)
    if sampled is None:
        return None
    placement, estimate = sampled
    low, high = params.covered_frac_range
    return placement if low <= estimate <= high else None


def _sample_natocc(
    occluder: Occluder,
    face: FaceGeometry,
    rng: np.random.Generator,
    params: GenerateParams,
    *,
    extend_arm: bool,
) -> tuple[dict[str, Any], float] | None:
    """Sample the place of a hand or an object; return its record and the estimated share."""
    if occluder.pointing_deg is not None:
        placed = place_hand(occluder, face, rng, params, any_end=extend_arm)
    else:
        placed = place_around(occluder.area_px, occluder.centre_xy, face, rng, params)
    if placed is None:
        return None
    matrix, record = placed
    record |= {"arm_drawn": False, "matrix": matrix.tolist()}
    if not ends_outside(occluder, matrix, face.shape):
        if not extend_arm:
            return None
        extended = extend_forearm(occluder, *occluder.shrunk(matrix), face.shape)
        if extended is None:
            return None
        record["arm_drawn"] = True
        occluder, matrix = extended
    return record, estimate_covered(occluder, matrix, face)


def _sample_randocc(
    texture: Texture, face: FaceGeometry, rng: np.random.Generator, params: GenerateParams
) -> tuple[dict[str, Any], float]:
    """Sample a shape, its place and what it shows; return its record and the estimated share."""
    shape = sample_shape(rng)
    matrix, record = place_around(1.0, np.zeros(2), face, rng, params)
    outline = transform(matrix, np.array(shape["points"]))
    record |= {
        "shape": shape,
        "matrix": matrix.tolist(),
        "texture_matrix": sample_texture(rng, texture, outline, matrix[:, :2]).tolist(),
    }
    return record, estimate_polygon_covered(outline, face.small, face.cell_px)


def sample_linear(
    area_px: float,
    face: FaceGeometry,
    rng: np.random.Generator,
    params: GenerateParams,
    *,
    pointing_deg: float | None = None,
    towards_deg: float | None = None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Sample size, shear and rotation of an occluder of `area_px`.

    The scale is chosen last, so that the root of the area ratio is the size sampled whatever
    shear and rotation do. A hand is first turned until its fingers, which point along
    `pointing_deg`, point along `towards_deg`, then by the small rotation, always in this order.

    Returns the (2, 2) linear part, occluder pixels to image pixels, and the record.
    """
    size = sample_uniform(rng, params.scale_range)
    shear_deg = sample_uniform(rng, params.shear_deg_range)
    rotation = sample_uniform(rng, params.rotation_deg_range)
    sheared = shear(shear_deg)
    turn = 0.0
    if towards_deg is not None and pointing_deg is not None:
        x, y = transform(sheared, direction(pointing_deg))
        turn = towards_deg - float(on_grid(math.degrees(math.atan2(y, x))))
    linear = product(rotate(turn + rotation), sheared)
    scale = size * math.sqrt(face.area_px / (area_px * abs(determinant(linear))))
    record = {"size": size, "shear_deg": shear_deg, "rotation_deg": rotation}
    return scale * linear, record | {"turn_deg": turn % 360}


def place_hand(
    occluder: Occluder,
    face: FaceGeometry,
    rng: np.random.Generator,
    params: GenerateParams,
    *,
    any_end: bool = False,
) -> tuple[np.ndarray, dict[str, Any]] | None:
    """Place a hand that reaches for the face's centre from outside the picture.

    The hand comes from a random side and slides along its axis, between touching the face's rim
    and reaching across it. Its wrist, or where the photograph cut it off, stays outside, but with
    `any_end`. Returns the affine and the record, or None if the hand is too short for the way.
    """
    towards = rng.uniform(0, 360)
    fingers = {"pointing_deg": occluder.pointing_deg, "towards_deg": towards}
    linear, record = sample_linear(occluder.area_px, face, rng, params, **fingers)
    slide = rng.uniform()
    along = direction(towards)
    hull = transform(linear, occluder.hull_xy - occluder.centre_xy)
    outside = np.zeros((0, 2)) if any_end else np.vstack([occluder.cut_xy, occluder.wrist_xy])
    cut = transform(linear, outside - occluder.centre_xy) + face.centre_xy
    tip = float(project(hull, along).max())
    across = float(project(face.hull_xy - face.centre_xy, along).max())
    rim = float(project(face.centre_xy - face.hull_xy, along).max())
    nearest = max(tip - across, leave_distance(cut, along, face.shape))
    farthest = tip + BARELY * rim
    if nearest > farthest:
        return None
    distance = nearest + slide * (farthest - nearest)
    centre = face.centre_xy - distance * along
    record |= {"towards_deg": towards, "slide": slide, "distance_px": distance}
    return affine(linear, occluder.centre_xy, centre), record


def place_around(
    area_px: float,
    centre_xy: np.ndarray,
    face: FaceGeometry,
    rng: np.random.Generator,
    params: GenerateParams,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Sample a place around the face's centre; nothing is turned toward it.

    Area and (2,) centre are the occluder's before the transform. Returns the affine and the record.
    """
    linear, record = sample_linear(area_px, face, rng, params)
    across, down = params.offset_frac_range, params.offset_y_frac_range
    offset = [sample_uniform(rng, across), sample_uniform(rng, down or across)]
    centre = face.centre_xy + np.array(offset) * face.size_xy
    record |= {"offset_frac": offset}
    return affine(linear, centre_xy, centre), record


def make_layer(
    item: Occluder | Texture, record: Mapping[str, Any], shape: tuple[int, ...]
) -> Layer:
    """Place a record's occluder on an (H, W) canvas, with its soft edge.

    Raises:
        ValueError: If the record has an arm where this occluder has no wrist: it is another hand.
    """
    edge, placement = record["edge_sigma_px"], record["placement"]
    padding = 1 + 2 * math.ceil(3 * max(edge, record["contact_sigma_px"]))
    matrix = np.array(placement["matrix"])
    if isinstance(item, Texture):
        outline = transform(matrix, np.array(placement["shape"]["points"]))
        texture_matrix = np.array(placement["texture_matrix"])
        return paint_shape(item, texture_matrix, outline, shape, padding, edge)
    if placement.get("arm_drawn"):
        extended = extend_forearm(item, *item.shrunk(matrix), (shape[0], shape[1]))
        if extended is None:
            raise ValueError(f"occluder {item.key}: the record describes the arm of another hand")
        item, matrix = extended
    return soften(warp(item, matrix, shape, padding), edge)
