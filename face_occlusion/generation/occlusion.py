"""Occlude one face: sample a record, then apply it.

All randomness is in the record. `regenerate` repeats a sample from its record alone, to the byte.
"""

import dataclasses
import functools
import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from face_occlusion.core.classes import BACKGROUND, FACE
from face_occlusion.generation.augmentation import (
    apply_face,
    apply_tone_layer,
    sample_face,
    sample_tone,
    sample_uniform,
)
from face_occlusion.generation.colour_transfer import ColourTransferParams, transfer_colours
from face_occlusion.generation.compositing import (
    Layer,
    blend,
    covered_px,
    fade,
    occlude_label,
    soften_contact,
)
from face_occlusion.generation.geometry import Occluder, make_occluder, measure_face
from face_occlusion.generation.harmonisation import load_harmoniser
from face_occlusion.generation.params import GenerateParams, default_params, kind_of
from face_occlusion.generation.placement import make_layer, sample_placement
from face_occlusion.generation.shapes import Texture

COLOUR_STREAM = 1  # follows the colour transfer's seed: its samples change no other sample

transfer_params = functools.lru_cache(ColourTransferParams)  # checks the same values once

OccluderSource = Sequence[Occluder] | Sequence[Texture]
Sample = tuple[np.ndarray, np.ndarray, dict[str, Any]]


class NoPlacementError(ValueError):
    """No placement of an occluder covers a wanted share of the face."""


@dataclasses.dataclass(frozen=True)
class ClassIds:
    """What the ids of a map mean, for maps with more classes than face and background."""

    face: tuple[int, ...] = (FACE,)  # make up the face; size and covered share refer to them
    occluded: int = BACKGROUND  # written where the occluder covers by half, whatever was there


def stable_id(key: str) -> int:
    """Return a number that depends on a face's key alone: 8 bytes of its BLAKE2 hash."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")


def sample_rng(key: str, seed: int) -> np.random.Generator:
    """Return the random generator of one sample of a set; other samples do not change it."""
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
        occluders: One premultiplied RGBA cut-out, (h, w, 4) uint8, or a sequence to choose from:
            occluders (NatOcc) or textures (RandOcc), of one kind.
        rng: Source of every sample.
        params: The method and its ranges; None takes the paper's for the kind of the first
            occluder, see `params.default_params`.
        class_ids: Meaning of the mask's ids.

    Returns:
        The (H, W, 3) uint8 image, the (H, W) uint8 map, and the record: every sampled value, the
        attempts it took, and the share of the face that is covered. Of two occluders it is that of
        the upper one, and `under` is the record of the sample without that.

    Raises:
        NoPlacementError: If none of `max_attempts` placements covers a share of the face within
            `covered_frac_range`; a ValueError.
        ValueError: If sizes or types differ, the mask has no face, or there is no occluder.
    """
    drawn = draw_occlusion(face, mask, occluders, rng, params, class_ids)
    image, seg_map, _, layer, record = drawn
    return _put_over(image, seg_map, layer, record, class_ids), seg_map, record


def draw_occlusion(
    face: np.ndarray,
    mask: np.ndarray,
    occluders: OccluderSource | np.ndarray,
    rng: np.random.Generator,
    params: GenerateParams | None = None,
    class_ids: ClassIds = ClassIds(),
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Layer, dict[str, Any]]:
    """Sample an occlusion without painting it: the first half of `occlude`.

    Returns the face and its map, augmented, the mask of the face, the placed occluder, and the
    record. Of two occluders the lower one is painted already. Args and Raises: as `occlude`.
    """
    seg_map = check_face(face, mask)
    if isinstance(occluders, np.ndarray):
        occluders = [make_occluder(occluders)]
    if not len(occluders):
        raise ValueError("occluders must hold at least one occluder; got an empty sequence")
    params = params or default_params(kind_of(occluders[0]))
    face_changes = sample_face(rng, seg_map.shape, params.face)
    if params.keep_background:
        face_changes = dict.fromkeys(face_changes)
    image, seg_map = apply_face(face, seg_map, face_changes)
    face_mask = mask_of_face(seg_map, class_ids)
    record, layer = sample_occlusion(face_mask, occluders, rng, params)
    record = {"method": params.method, "face_changes": face_changes} | record
    if params.second_prob and rng.uniform() < params.second_prob:  # last: the first stays the same
        second = _sample_second(face_mask, occluders, rng, params, record, layer)
        if second:
            image = _put_over(image, seg_map, layer, record, class_ids)
            record, layer, face_mask = second
    return image, seg_map, face_mask, layer, record


def _put_over(
    image: np.ndarray,
    seg_map: np.ndarray,
    layer: Layer,
    record: Mapping[str, Any],
    class_ids: ClassIds,
) -> np.ndarray:
    """Paint a placed occluder, return the image, and label in `seg_map` what it hides."""
    try:
        image = paint_occlusion(image, mask_of_face(seg_map, class_ids), layer, record)
    except Exception as error:
        error.add_note(f"record: {record}")
        raise
    occlude_label(seg_map, layer, class_ids.occluded)
    return image


def regenerate(
    face: np.ndarray,
    mask: np.ndarray,
    item: Occluder | Texture,
    record: Mapping[str, Any],
    class_ids: ClassIds = ClassIds(),
) -> tuple[np.ndarray, np.ndarray]:
    """Repeat a sample from the record of `occlude`, without any randomness.

    `face` and `mask` are those it was made from, `item` is the occluder or texture that
    `record["occluder"]` names. Of two occluders they are what this makes from `record["under"]`.
    Returns image and map, equal to those of `occlude`.
    """
    changes = record["face_changes"]
    if "under" in record:
        changes = dict.fromkeys(changes)  # they were made below the lower one
    image, seg_map = apply_face(face, check_face(face, mask), changes)
    layer = make_layer(item, record, seg_map.shape)
    return _put_over(image, seg_map, layer, record, class_ids), seg_map


def check_face(face: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the mask as uint8 class ids; check that it has the size of the RGB image."""
    if face.ndim != 3 or face.shape[2] != 3 or face.dtype != np.uint8:
        raise ValueError(f"face must be (H, W, 3) uint8 RGB; got {face.shape} {face.dtype}")
    if mask.shape != face.shape[:2] or mask.dtype not in (np.uint8, np.bool_):
        raise ValueError(
            f"mask must be bool or uint8 of the face's size {face.shape[:2]}; "
            f"got {mask.shape} {mask.dtype}"
        )
    return mask.view(np.uint8) if mask.dtype == np.bool_ else mask


def mask_of_face(seg_map: np.ndarray, class_ids: ClassIds) -> np.ndarray:
    """Return (H, W) uint8: 255 where the map says face, 0 elsewhere."""
    faces = [cv2.inRange(seg_map, (face,), (face,)) for face in class_ids.face]
    return functools.reduce(cv2.bitwise_or, faces) if faces else np.zeros_like(seg_map)


def sample_occlusion(
    face_mask: np.ndarray,
    occluders: OccluderSource,
    rng: np.random.Generator,
    params: GenerateParams,
    left: np.ndarray | None = None,
) -> tuple[dict[str, Any], Layer]:
    """Sample an occluder of one kind, its place and its looks.

    Size and place are relative to the whole face, the covered share to what is `left` of it, by
    default all. Returns the record for `paint_occlusion`, and the layer that it describes.

    Raises:
        NoPlacementError: If no placement covers a wanted share of the face.
    """
    record = _sample_finish(rng, cv2.countNonZero(face_mask), params)
    face, item = measure_face(face_mask), None
    if left is not None:
        face = dataclasses.replace(face, small=measure_face(left).small)
    left = face_mask if left is None else left
    left_px = cv2.countNonZero(left)
    low, high = params.covered_frac_range
    for attempt in range(1, params.max_attempts + 1):
        if not isinstance(item, Texture):  # any texture fits any place
            item = occluders[int(rng.integers(len(occluders)))]
        far = attempt > params.max_attempts // 2  # no hand reaches this face from outside
        placement = sample_placement(item, face, rng, params, extend_arm=far)
        if placement is None:
            continue
        record |= {"occluder": item.key, "placement": placement, "attempts": attempt}
        layer = make_layer(item, record, face_mask.shape)
        covered = covered_px(left, layer) / left_px
        if low <= covered <= high:
            record["covered_frac"] = covered
            return record, layer
    raise NoPlacementError(
        f"none of {params.max_attempts} placements covers a share of the face within "
        f"covered_frac_range {list(params.covered_frac_range)} (and keeps a hand's cut end outside "
        f"the image); the face has {face.area_px} of {face_mask.size} pixels: widen "
        "covered_frac_range or scale_range, or raise max_attempts"
    )


def _sample_second(
    face_mask: np.ndarray,
    occluders: OccluderSource,
    rng: np.random.Generator,
    params: GenerateParams,
    record: dict[str, Any],
    layer: Layer,
) -> tuple[dict[str, Any], Layer, np.ndarray] | None:
    """Sample an occluder over a first one, given by its record and layer; see `second_prob`.

    Returns the record, which has that of the first, the layer, and the mask of the face that the
    first one left; None where none fits.
    """
    low, high = params.covered_frac_range
    first = record["covered_frac"]
    if not high > first or low > high - first:
        return None
    bounds = [low / (1 - first), (high - first) / (1 - first)]  # of what is left
    left = face_mask.copy()
    occlude_label(left, layer)
    params = dataclasses.replace(params, covered_frac_range=bounds)
    try:
        second, upper = sample_occlusion(face_mask, occluders, rng, params, left)
    except NoPlacementError:
        return None
    second["covered_frac"] = first + (1 - first) * second["covered_frac"]
    return {**record, **second, "under": record}, upper, left


def _sample_finish(
    rng: np.random.Generator, face_area_px: int, params: GenerateParams
) -> dict[str, Any]:
    """Sample what does not depend on the place: tone, opacity, soft edges, colour.

    The number of samples never depends on their values, and the colour transfer has a separate
    seed, so that sets that differ in colour alone have the same places.
    """
    size = math.sqrt(face_area_px)
    tone = sample_tone(rng, params.occluder)
    edge = sample_uniform(rng, params.edge_sigma_frac_range) * size
    contact = sample_uniform(rng, params.contact_sigma_frac_range) * size
    transparent = rng.uniform() < params.transparent_prob
    opacity = sample_uniform(rng, params.opacity_range)
    transfer, harmonisation = params.colour_transfer, params.harmonisation
    return {
        "occluder_changes": tone,
        "edge_sigma_px": edge,
        "contact_sigma_px": contact,
        "opacity": opacity if transparent else 1.0,
        "colour_seed": int(rng.integers(2**63)),
        "colour_transfer": transfer and dict(vars(transfer)),
        "harmonisation": harmonisation and dict(vars(harmonisation)),
    }


def paint_occlusion(
    image: np.ndarray, face_mask: np.ndarray, layer: Layer, record: Mapping[str, Any]
) -> np.ndarray:
    """Blend a placed occluder over a face as its record, from `sample_occlusion`, says.

    Returns the image, painted on in place unless a network harmonised it.
    """
    coloured, settings = layer, record["harmonisation"]
    if record["colour_transfer"] is not None:
        params = transfer_params(**record["colour_transfer"])
        rng = np.random.default_rng([record["colour_seed"], COLOUR_STREAM])
        moved = transfer_colours(image, face_mask, layer.colour, layer.alpha, rng, params)
        coloured = Layer(moved, layer.alpha, layer.x, layer.y)
    coloured = apply_tone_layer(coloured, record["occluder_changes"])
    harmoniser = settings and load_harmoniser(**settings)
    if harmoniser:
        coloured = harmoniser.fit_layer(image, coloured)
    seen = fade(coloured, record["opacity"])
    blend(image, seen)
    if harmoniser and harmoniser.network:
        image = harmoniser.fit_composite(image, seen.coverage_on(face_mask.shape))
    soften_contact(image, face_mask, layer, record["contact_sigma_px"])
    return image
