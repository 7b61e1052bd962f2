"""Occlude one face: draw a record, then apply it.

All randomness is in the record. `regenerate` repeats a sample from its record alone, to the byte.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from face_occlusion.generation.augmentation import apply_face, draw_face, draw_tone
from face_occlusion.generation.compositing import HALF, Layer, between
from face_occlusion.generation.natocc import draw_natocc, natocc_layer
from face_occlusion.generation.occluder import Occluder, make_occluder
from face_occlusion.generation.painting import paint
from face_occlusion.generation.params import GenerateParams, draw_uniform
from face_occlusion.generation.placement import FaceGeometry, measure_face
from face_occlusion.generation.presets import default_params, kind_of
from face_occlusion.generation.randocc import draw_randocc, randocc_layer
from face_occlusion.generation.shapes import Texture

FACE_ID = 1
BACKGROUND_ID = 0

OccluderSource = Sequence[Occluder] | Sequence[Texture]
Sample = tuple[np.ndarray, np.ndarray, dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class ClassIds:
    """What the ids of a map mean, for maps with more classes than face and background.

    Attributes:
        face: Ids that make up the face; size and covered share refer to them.
        occluded: Id written where the occluder covers by half or more, whatever was there.
    """

    face: tuple[int, ...] = (FACE_ID,)
    occluded: int = BACKGROUND_ID


def stable_id(key: str) -> int:
    """Return a number that depends on a face's key alone (D20): 8 bytes of its BLAKE2 hash."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")


def sample_rng(key: str, seed: int) -> np.random.Generator:
    """Return the generator of one sample of a set, whatever the order and the other samples."""
    return np.random.default_rng([stable_id(key), seed])  # key first: [seed, 0] repeats [seed]


def occlude(
    face: np.ndarray,
    mask: np.ndarray,
    occluders: OccluderSource | np.ndarray,
    rng: np.random.Generator,
    params: GenerateParams | None = None,
    class_ids: ClassIds = ClassIds(),
) -> Sample:
    """Put a random occluder over a face.

    Args:
        face: (H, W, 3) uint8 RGB; left unchanged.
        mask: (H, W) bool or uint8 class ids (0 background, 1 face, 255 ignored, or those of
            `class_ids`); left unchanged.
        occluders: One premultiplied RGBA cut-out, (h, w, 4) uint8, or what is drawn from:
            occluders (NatOcc) or textures (RandOcc), of one kind.
        rng: Source of every draw.
        params: The method and its ranges; None takes the paper's for the kind of the first
            occluder, see `presets.default_params`.
        class_ids: Meaning of the mask's ids.

    Returns:
        The (H, W, 3) uint8 image, the (H, W) uint8 map, and the record: every drawn value, the
        attempts it took, and the share of the face that is covered.

    Raises:
        ValueError: If sizes or types differ, the mask has no face, there is no occluder, or no
            draw in `max_attempts` covers a share of the face within `covered_frac_range`.
    """
    seg_map = _check_face(face, mask)
    if isinstance(occluders, np.ndarray):
        occluders = [make_occluder(occluders)]
    if not len(occluders):
        raise ValueError("there is no occluder to draw from; got an empty sequence")
    params = params or default_params(kind_of(occluders[0]))
    face_changes = draw_face_changes(rng, seg_map.shape, params)
    image, seg_map = _changed_copies(face, seg_map, face_changes)
    drawn = draw_occlusion(seg_map, face_changes, occluders, rng, params, class_ids)
    try:
        image = paint(
            image, seg_map, drawn.face_mask, drawn.layer, drawn.record, class_ids.occluded
        )
    except Exception as error:
        error.add_note(f"record: {drawn.record}")
        raise
    return image, seg_map, drawn.record


@dataclasses.dataclass(frozen=True)
class Drawn:
    """What is drawn for a sample, its picture not yet painted.

    Attributes:
        record: Every drawn value.
        layer: The placed occluder, in its own colours.
        face_mask: (H, W) uint8, 255 where there is face before it is occluded.
    """

    record: dict[str, Any]
    layer: Layer
    face_mask: np.ndarray


def draw_face_changes(
    rng: np.random.Generator, shape: tuple[int, int], params: GenerateParams
) -> dict[str, Any]:
    """Draw what happens to an (H, W) face before it is occluded; nothing if so wanted."""
    changes = draw_face(rng, shape, params.face)
    return dict.fromkeys(changes) if params.keep_background else changes


def draw_occlusion(
    seg_map: np.ndarray,
    face_changes: Mapping[str, Any],
    occluders: OccluderSource,
    rng: np.random.Generator,
    params: GenerateParams,
    class_ids: ClassIds = ClassIds(),
) -> Drawn:
    """Draw an occluder, its place and its finish, until it covers a wanted share of the face.

    Args:
        seg_map: (H, W) uint8 class ids, after the face's changes.
        face_changes: Those changes, for the record.
        occluders: As for `occlude`.
        rng: Source of every draw.
        params: The method and its ranges.
        class_ids: Meaning of the map's ids.

    Raises:
        ValueError: As `occlude`.
    """
    face_mask = face_mask_of(seg_map, class_ids)
    geometry = measure_face(face_mask)
    common = {"method": params.method, "face_changes": face_changes}
    common |= draw_finish(rng, geometry, params)
    item = None
    for attempt in range(1, params.max_attempts + 1):
        if not isinstance(item, Texture):  # any texture fits any place
            item = occluders[int(rng.integers(len(occluders)))]
        far = attempt > params.max_attempts // 2  # no hand reaches this face from outside
        placement = draw_placement(item, geometry, rng, params, draw_arm=far)
        if placement is None:
            continue
        record = common | {"occluder": item.key, "placement": placement, "attempts": attempt}
        layer = make_layer(item, record, seg_map.shape)
        covered = covered_frac(face_mask, layer, geometry.area_px)
        if params.covered_frac_range[0] <= covered <= params.covered_frac_range[1]:
            record["covered_frac"] = covered
            return Drawn(record, layer, face_mask)
    raise ValueError(
        f"no draw in {params.max_attempts} covers a share of the face within covered_frac_range "
        f"{list(params.covered_frac_range)}, no cut of a hand showing; the face "
        f"has {geometry.area_px} of {seg_map.size} pixels: widen covered_frac_range or "
        "scale_range, or raise max_attempts"
    )


def regenerate(
    face: np.ndarray,
    mask: np.ndarray,
    item: Occluder | Texture,
    record: Mapping[str, Any],
    class_ids: ClassIds = ClassIds(),
) -> tuple[np.ndarray, np.ndarray]:
    """Repeat a sample from its record, without any randomness.

    Args:
        face: The face it was made from, as for `occlude`.
        mask: Its mask.
        item: The occluder or texture that `record["occluder"]` names.
        record: The record of `occlude`, or what was read back from a set.
        class_ids: Meaning of the mask's ids.

    Returns:
        Image and map, equal to those of `occlude`.
    """
    seg_map = _check_face(face, mask)
    image, seg_map = _changed_copies(face, seg_map, record["face_changes"])
    layer = make_layer(item, record, seg_map.shape)
    face_mask = face_mask_of(seg_map, class_ids)
    return paint(image, seg_map, face_mask, layer, record, class_ids.occluded), seg_map


def _changed_copies(
    face: np.ndarray, seg_map: np.ndarray, face_changes: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Apply a face's changes; return arrays that may be painted on."""
    image, changed_map = apply_face(face, seg_map, face_changes)
    return (
        image.copy() if image is face else image,
        changed_map.copy() if changed_map is seg_map else changed_map,
    )


def _check_face(face: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the mask as uint8 class ids.

    Raises:
        ValueError: If face and mask are not an RGB image and a map of its size.
    """
    if face.ndim != 3 or face.shape[2] != 3 or face.dtype != np.uint8:
        raise ValueError(f"face must be (H, W, 3) uint8 RGB; got {face.shape} {face.dtype}")
    if mask.shape != face.shape[:2] or mask.dtype not in (np.uint8, np.bool_):
        raise ValueError(
            f"mask must be bool or uint8 of the face's size {face.shape[:2]}; "
            f"got {mask.shape} {mask.dtype}"
        )
    return mask.view(np.uint8) if mask.dtype == np.bool_ else mask


def face_mask_of(seg_map: np.ndarray, class_ids: ClassIds) -> np.ndarray:
    """Return (H, W) uint8: 255 where the map says face, 0 elsewhere."""
    if len(class_ids.face) == 1:
        return between(seg_map, class_ids.face[0], class_ids.face[0])
    table = np.zeros(256, np.uint8)
    table[list(class_ids.face)] = 255
    return cv2.LUT(seg_map, table)


def draw_finish(
    rng: np.random.Generator, face: FaceGeometry, params: GenerateParams
) -> dict[str, Any]:
    """Draw what does not depend on the place: tone, opacity, soft edges, colour.

    The number of draws never depends on what was drawn, and the colour transfer has a seed of its
    own, so that sets that differ in colour alone have the same places.
    """
    size = math.sqrt(face.area_px)
    tone = draw_tone(rng, params.occluder)
    edge = draw_uniform(rng, params.edge_sigma_frac_range) * size
    contact = draw_uniform(rng, params.contact_sigma_frac_range) * size
    transparent = rng.uniform() < params.transparent_prob
    opacity = draw_uniform(rng, params.opacity_range)
    colour_seed = int(rng.integers(2**63))
    transfer, harmonisation = params.colour_transfer, params.harmonisation
    return {
        "occluder_changes": tone,
        "edge_sigma_px": edge,
        "contact_sigma_px": contact,
        "opacity": opacity if transparent else 1.0,
        "colour_seed": colour_seed,
        "colour_transfer": transfer and dataclasses.asdict(transfer),
        "harmonisation": harmonisation and dataclasses.asdict(harmonisation),
    }


def draw_placement(
    item: Occluder | Texture,
    face: FaceGeometry,
    rng: np.random.Generator,
    params: GenerateParams,
    *,
    draw_arm: bool,
) -> dict[str, Any] | None:
    """Draw an occluder's place; None if it covers too little or too much by estimate."""
    if isinstance(item, Texture):
        drawn = draw_randocc(item, face, rng, params)
    else:
        drawn = draw_natocc(item, face, rng, params, draw_arm=draw_arm)
    if drawn is None:
        return None
    placement, estimate = drawn
    low, high = params.covered_frac_range
    return placement if low <= estimate <= high else None


def make_layer(
    item: Occluder | Texture, record: Mapping[str, Any], shape: tuple[int, ...]
) -> Layer:
    """Place a record's occluder on an (H, W) canvas, with its soft edge."""
    margin = 1 + 2 * math.ceil(3 * max(record["edge_sigma_px"], record["contact_sigma_px"]))
    edge = record["edge_sigma_px"]
    if isinstance(item, Texture):
        return randocc_layer(item, record["placement"], shape, margin, edge)
    return natocc_layer(item, record["placement"], shape, margin, edge)


def covered_frac(face_mask: np.ndarray, layer: Layer, area_px: int) -> float:
    """Return the share of the face's pixels that the occluder covers by half or more."""
    canvas, part = layer.inside(face_mask.shape)
    if not face_mask[canvas].size:
        return 0.0
    covered = cv2.bitwise_and(between(layer.alpha[part], HALF, 255), face_mask[canvas])
    return cv2.countNonZero(covered) / area_px
