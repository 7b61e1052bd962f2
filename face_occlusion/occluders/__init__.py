"""Occluders as image sets: hands and objects cut out of photographs, textures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from face_occlusion.core.imageset import ImageSet, write_image_set
from face_occlusion.core.params import check_at_least
from face_occlusion.core.release import Release
from face_occlusion.occluders.hands import HandsParams, import_hands
from face_occlusion.occluders.objects import ObjectsParams, import_objects
from face_occlusion.occluders.textures import TexturesParams, import_textures

KINDS = {
    "hands": "cutouts",
    "hands_ego": "cutouts",
    "hands_hgr1": "cutouts",
    "objects": "cutouts",
    "textures": "textures",
}


@dataclass(frozen=True, kw_only=True)
class OccludersParams:
    """Section `occluders` of params.yaml."""

    samples_per_shard: int
    hands: HandsParams
    objects: ObjectsParams
    textures: TexturesParams

    def __post_init__(self) -> None:
        check_at_least(1, samples_per_shard=self.samples_per_shard)


def import_occluders(
    kind: str,
    release: Release,
    folder: Path,
    params: OccludersParams,
    *,
    workers: int | None = None,
) -> ImageSet:
    """Write the occluders of one kind as an image set.

    Args:
        kind: A key of KINDS; hands of whatever source are read alike.
        release: Where they come from; one that is absent gives an empty set that says so.
        folder: The new set.
        params: Parameters of all kinds.
        workers: Processes; None for one a core. Changes no byte.

    Raises:
        ValueError: If the kind is unknown, or the release cannot be read as it should.
    """
    if kind not in KINDS:
        raise ValueError(f"occluders: kind must be one of {', '.join(KINDS)}; got '{kind}'")
    if release.absent:
        info = {"kind": KINDS[kind], "name": kind, **release.provenance()}
        return write_image_set(folder, [], info={**info, "absent": release.absent})
    per_shard = params.samples_per_shard
    if kind.startswith("hands"):
        return import_hands(
            release, folder, params.hands, name=kind, samples_per_shard=per_shard, workers=workers
        )
    if kind == "objects":
        return import_objects(
            release, folder, params.objects, samples_per_shard=per_shard, workers=workers
        )
    return import_textures(
        release, folder, params.textures, samples_per_shard=per_shard, workers=workers
    )
