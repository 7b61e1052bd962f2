"""Occluders as image sets: hands and objects cut out of photographs, textures."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from face_occlusion.core.images import decode_image, fitted_jpeg
from face_occlusion.core.imageset import ImageSet, encode_record, write_image_set
from face_occlusion.core.parallel import ordered_map
from face_occlusion.core.params import Checked, Count, Resized
from face_occlusion.core.release import Release
from face_occlusion.occluders.glasses import GlassesParams, load_glasses
from face_occlusion.occluders.hands import HandsParams, find_hands, load_hand
from face_occlusion.occluders.objects import ObjectsParams, find_objects, load_object

_CUTOUTS = ("hands", "hands_ego", "hands_hgr1", "objects", "glasses")
KINDS = dict.fromkeys(_CUTOUTS, "cutouts") | {"textures": "textures"}


@dataclass(frozen=True, kw_only=True)
class TexturesParams(Resized):
    """Section `occluders.textures` of params.yaml; `size_px` is every texture's shorter side."""


@dataclass(frozen=True, kw_only=True)
class OccludersParams(Checked):
    """Section `occluders` of params.yaml."""

    samples_per_shard: Count
    hands: HandsParams
    objects: ObjectsParams
    textures: TexturesParams
    glasses: GlassesParams


def import_occluders(
    kind: str, release: Release, folder: Path, params: OccludersParams
) -> ImageSet:
    """Write the occluders of one kind, a key of KINDS, as an image set.

    A release that is absent gives an empty set that says so. A ValueError names files of the
    release that are missing or cannot be read.
    """
    info: dict[str, Any] = {"kind": KINDS[kind], "name": kind, **release.provenance()}
    if release.absent:
        return write_image_set(folder, [], info={**info, "absent": release.absent})
    items: Sequence[Any]
    load: Callable[..., tuple[str, dict[str, bytes]]]
    if kind == "textures":
        own, load, items = params.textures, load_texture, find_textures(release)
    elif kind == "glasses":
        own, load, textures = params.glasses, load_glasses, find_textures(release)
        items = [(i, textures[i % len(textures)][1]) for i in range(params.glasses.count)]
    elif kind == "objects":
        own, load = params.objects, load_object
        items, about = find_objects(release, params.objects)
        info |= about
    else:
        own, load = params.hands, load_hand
        items = find_hands(release, params.hands.max_hands)
    load = functools.partial(load, release=release, params=own)
    samples = ordered_map(load, items, desc=f"occluders/{kind}")
    info["params"] = dataclasses.asdict(own)
    return write_image_set(folder, samples, info=info, samples_per_shard=params.samples_per_shard)


def find_textures(release: Release) -> list[tuple[str, str]]:
    """Find the textures of DTD: their keys and names."""
    return sorted(release.by_stem("*/images/*/*.jpg", "*/images/*/*.png").items())


def load_texture(
    texture: tuple[str, str], *, release: Release, params: TexturesParams
) -> tuple[str, dict[str, bytes]]:
    """Read one texture of DTD (key and name), uncropped, as a sample of an image set.

    Returns its key, and the parts `jpg` and `json`. An unreadable image is a ValueError.
    """
    key, name = texture
    data = release.read(name)
    image = decode_image(data, name)
    height, width = image.shape[:2]
    scale = params.size_px / min(height, width) if params.size_px else 1.0
    size = max(params.size_px, round(height * scale)), max(params.size_px, round(width * scale))
    record = {
        "category": name.split("/")[-2],
        "source": release.source,
        "name": name.rpartition("/")[2],
        "size": list(size),
        "release_size": [height, width],
    }
    jpeg = fitted_jpeg(data, image, size, params.jpeg_quality)
    return key, {"jpg": jpeg, "json": encode_record(record)}
