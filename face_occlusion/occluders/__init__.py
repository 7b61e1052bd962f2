"""Occluders as image sets: hands and objects cut out of photographs, textures."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from face_occlusion.core.imageset import ImageSet, write_image_set
from face_occlusion.core.parallel import ordered_map
from face_occlusion.core.params import Checked, Count
from face_occlusion.core.release import Release
from face_occlusion.occluders.hands import HandsParams, find_hands, load_hand
from face_occlusion.occluders.objects import ObjectsParams, find_objects, load_object
from face_occlusion.occluders.textures import TexturesParams, load_texture

_CUTOUTS = ("hands", "hands_ego", "hands_hgr1", "objects")
KINDS = dict.fromkeys(_CUTOUTS, "cutouts") | {"textures": "textures"}


@dataclass(frozen=True, kw_only=True)
class OccludersParams(Checked):
    """Section `occluders` of params.yaml."""

    samples_per_shard: Count
    hands: HandsParams
    objects: ObjectsParams
    textures: TexturesParams


def import_occluders(
    kind: str,
    release: Release,
    folder: Path,
    params: OccludersParams,
    *,
    workers: int | None = None,
) -> ImageSet:
    """Write the occluders of one kind, a key of KINDS, as an image set.

    A release that is absent gives an empty set that says so. `workers` are as in `ordered_map`.

    Raises:
        ValueError: If the kind is unknown, or files of the release are missing or cannot be
            read; names them.
    """
    if kind not in KINDS:
        raise ValueError(f"occluders: kind must be one of {', '.join(KINDS)}; got '{kind}'")
    info: dict[str, Any] = {"kind": KINDS[kind], "name": kind, **release.provenance()}
    if release.absent:
        return write_image_set(folder, [], info={**info, "absent": release.absent})
    items: Sequence[Any]
    load: Callable[..., tuple[str, dict[str, bytes]]]
    if kind == "textures":
        own, load = params.textures, load_texture
        items = sorted(release.by_stem("*/images/*/*.jpg", "*/images/*/*.png").items())
    elif kind == "objects":
        own, load = params.objects, load_object
        items, about = find_objects(release, params.objects)
        info |= about
    else:
        own, load = params.hands, load_hand
        items = find_hands(release, params.hands.max_hands)
    load = functools.partial(load, release=release, params=own)
    samples = ordered_map(load, items, desc=f"occluders/{kind}", workers=workers)
    info["params"] = dataclasses.asdict(own)
    return write_image_set(folder, samples, info=info, samples_per_shard=params.samples_per_shard)
