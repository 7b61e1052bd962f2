"""Measures of looks: label against visible edge, halo, distance of colours."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from bench import published
from face_occlusion.generation import make_occluder, occlude, sample_rng
from face_occlusion.generation.colour_transfer import ColourTransferParams, colour_distance
from face_occlusion.generation.compositing import blend, occlude_label, soften, warp
from face_occlusion.generation.occlusion import make_layer
from face_occlusion.generation.presets import SOT, paper_params
from face_occlusion.generation.store import OccluderStore, TextureStore
from face_occlusion.generation.transport import random_directions
from face_occlusion.imageset import ImageSet

CANVAS = (400, 440)
GREY = 137
NUM_DISCS = 40
NUM_HANDS = 12


def quality_rows(faces: ImageSet, stores: dict[str, OccluderStore | TextureStore]) -> Iterator[str]:
    """Measure ours and the published way; one line each."""
    ours, theirs = edge_offsets_px()
    yield f"label beyond the visible edge, px: ours {ours:+.3f}, published {theirs:+.3f} (< 0.25)"
    ours, theirs = halo_levels()
    yield f"halo of a grey disc on the same grey, levels: ours {ours:.1f}, published {theirs:.1f}"
    hands = stores["hands"]
    assert isinstance(hands, OccluderStore)
    before, after, faithful = colour_distances(faces, hands)
    yield (
        f"hand to face, sliced Wasserstein in levels: untouched {before:.1f}, "
        f"masked transfer {after:.1f}, faithful {faithful:.1f}"
    )


def drawn_disc(radius_px: float, soft: bool) -> np.ndarray:
    """Draw a grey disc as premultiplied RGBA, its radius exact to sub-pixels."""
    size = 2 * math.ceil(radius_px) + 3
    fine = (np.arange(size * 4) + 0.5) / 4 - size / 2
    inside = np.hypot(fine[:, np.newaxis], fine) <= radius_px
    share = inside.reshape(size, 4, size, 4).mean(axis=(1, 3))
    alpha = np.rint(255 * (share if soft else share >= 0.5)).astype(np.uint8)
    colour = np.rint(alpha * (GREY / 255)).astype(np.uint8)
    return np.dstack([colour] * 3 + [alpha])


def edge_offsets_px() -> tuple[float, float]:
    """Return how far the label's radius lies beyond that of what is seen; ours, published."""
    ours, theirs = [], []
    for number in range(NUM_DISCS):
        rng = np.random.default_rng(number)
        radius, centre = rng.uniform(60, 150), rng.uniform(180, 220, size=2)
        disc = make_occluder(drawn_disc(200, soft=True))
        scale = radius / 200
        matrix = np.column_stack([scale * np.eye(2), centre - scale * disc.centre_xy])
        layer = soften(warp(disc, matrix, CANVAS, 8), rng.uniform(0.4, 1.4))
        label = np.ones(CANVAS, np.uint8)
        occlude_label(label, layer)
        ours.append(disc_radius(label == 0) - radius)
        hard = np.where(label == 0, 255, 0).astype(np.uint8)
        theirs.append(disc_radius(hard > 0) - disc_radius(published.soft_alpha(hard)))
    return max(ours, key=abs), float(np.mean(theirs))


def disc_radius(coverage: np.ndarray) -> float:
    """Return the radius of a disc of this coverage, 0-1 or bool."""
    return math.sqrt(coverage.sum(dtype=float) / math.pi)


def halo_levels() -> tuple[float, float]:
    """Return the largest difference a grey disc makes on the same grey; ours, published."""
    ours, theirs = 0, 0
    for number in range(NUM_DISCS):
        rng = np.random.default_rng(number)
        scale = rng.uniform(0.3, 0.8)
        disc = make_occluder(drawn_disc(200, soft=True))
        matrix = np.column_stack([scale * np.eye(2), np.array([200.3, 199.6]) - scale * 201])
        image = np.full((*CANVAS, 3), GREY, np.uint8)
        blend(image, soften(warp(disc, matrix, CANVAS, 8), rng.uniform(0.4, 1.4)))
        ours = max(ours, int(np.abs(image.astype(int) - GREY).max()))
        cutout = drawn_disc(200, soft=False)
        side = round(cutout.shape[0] * scale)
        colour, mask = published.resize_on_black(
            np.ascontiguousarray(cutout[..., :3]), np.ascontiguousarray(cutout[..., 3]), (side,) * 2
        )
        plain = np.full((side, side, 3), GREY, np.uint8)
        covered = np.where(mask > 127, 255, 0).astype(np.uint8)
        composite = published.blend(plain, colour, published.soft_alpha(covered))
        theirs = max(theirs, int(np.abs(composite.astype(int) - GREY).max()))
    return ours, theirs


def colour_distances(faces: ImageSet, hands: OccluderStore) -> tuple[float, float, float]:
    """Return the mean distance of hands' colours to faces': untouched, masked, faithful."""
    directions = random_directions(np.random.default_rng(0), 1, 32)[0]
    faithful = dataclasses.replace(SOT, mode="faithful")
    return (
        mean_distance(faces, hands, None, directions),
        mean_distance(faces, hands, SOT, directions),
        mean_distance(faces, hands, faithful, directions),
    )


def mean_distance(
    faces: ImageSet,
    hands: OccluderStore,
    transfer: ColourTransferParams | None,
    directions: np.ndarray,
) -> float:
    """Average the distance between the pixels of hands and of the faces they occlude, levels."""
    params = paper_params("hands", colour_transfer=transfer)
    quiet = {"tone_prob": 0.0, "jpeg_prob": 0.0}
    params = dataclasses.replace(
        params,
        face=dataclasses.replace(params.face, affine_prob=0.0, **quiet),
        occluder=dataclasses.replace(params.occluder, **quiet),
    )
    by_key = {hand.key: hand for hand in hands}
    distances = []
    for key in faces.keys[:NUM_HANDS]:
        face, seg_map = faces.image(key), faces.seg_map(key)
        image, _, record = occlude(face, seg_map, hands, sample_rng(key, 1), params)
        layer = make_layer(by_key[record["occluder"]], record, seg_map.shape)
        canvas, part = layer.inside(seg_map.shape)
        hand = image[canvas][layer.alpha[part] == 255]
        distances.append(255 * colour_distance(hand / 255, face[seg_map == 1] / 255, directions))
    return float(np.mean(distances))
