"""Paint a placed occluder over a face as a record says: colours, tone, opacity, blend, label."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from face_occlusion.generation.augmentation import apply_tone_layer
from face_occlusion.generation.colour_transfer.colour_transfer import (
    ColourTransferParams,
    transfer_premultiplied,
)
from face_occlusion.generation.compositing import Layer, blend, fade, occlude_label, soften_contact
from face_occlusion.generation.harmonisation import HarmonisationParams, Harmoniser

COLOUR_STREAM = 1  # behind the colour transfer's seed: its draws move no other draw


def paint(
    image: np.ndarray,
    seg_map: np.ndarray,
    face_mask: np.ndarray,
    layer: Layer,
    record: Mapping[str, Any],
    occluded_id: int,
) -> np.ndarray:
    """Blend a placed occluder over a face as its record says, and update the map in place.

    Args:
        image: (H, W, 3) uint8 RGB of the face; painted on.
        seg_map: (H, W) uint8 class ids; painted on.
        face_mask: (H, W) uint8, 255 where there is face.
        layer: The placed occluder.
        record: Colour, tone, opacity, contact blur.
        occluded_id: Class id of what the occluder hides.

    Returns:
        The image, `image` itself unless a network harmonised it.
    """
    colours = layer
    if record["colour_transfer"] is not None:
        moved = transfer(image, face_mask, layer, record)
        colours = Layer(moved, layer.alpha, layer.x, layer.y)
    colours = apply_tone_layer(colours, record["occluder_changes"])
    harmoniser = _harmoniser_of(record)
    if harmoniser is not None and harmoniser.by_statistics:
        colours, harmoniser = harmoniser.fit_layer(image, colours), None
    seen = fade(colours, record["opacity"])
    blend(image, seen)
    occlude_label(seg_map, layer, occluded_id)
    if harmoniser is not None:
        image = _harmonise(image, seen, harmoniser)
    soften_contact(image, face_mask, layer, record["contact_sigma_px"])
    return image


def transfer(
    image: np.ndarray, face_mask: np.ndarray, layer: Layer, record: Mapping[str, Any]
) -> np.ndarray:
    """Return an occluder's premultiplied colour, (h, w, 3) uint8, with the face's colours."""
    params, rng = ColourTransferParams(**record["colour_transfer"]), colour_rng(record)
    return transfer_premultiplied(image, face_mask, layer.colour, layer.alpha, rng, params)


def colour_rng(record: Mapping[str, Any]) -> np.random.Generator:
    """Return the generator of a sample's colour transfer."""
    return np.random.default_rng([record["colour_seed"], COLOUR_STREAM])


def _harmonise(composite: np.ndarray, layer: Layer, harmoniser: Harmoniser) -> np.ndarray:
    """Fit an occluder's colours to the picture around it; other pixels keep their values."""
    alpha = np.zeros(composite.shape[:2], np.uint8)
    canvas, part = layer.inside(alpha.shape)
    alpha[canvas] = layer.alpha[part]
    return harmoniser(composite, alpha)


def _harmoniser_of(record: Mapping[str, Any]) -> Harmoniser | None:
    """Return the harmoniser that a record names, if it names one."""
    settings = record["harmonisation"]
    return settings and _harmoniser(tuple(sorted(settings.items())))


@lru_cache(maxsize=4)
def _harmoniser(settings: tuple[tuple[str, Any], ...]) -> Harmoniser:
    """Build a harmoniser once per process: a network takes seconds to load."""
    return Harmoniser(HarmonisationParams(**dict(settings)))
