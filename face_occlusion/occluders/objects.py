"""Objects as cut-outs: the authors' super-resolved ones, or cut out of COCO's photographs.

Super-resolution is a stage of its own (`superresolution.py`).
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from face_occlusion.core.classes import FACE
from face_occlusion.core.images import decode_image, decode_mask, encode_rgba, to_seg_map
from face_occlusion.core.imageset import ImageSet, encode_record, write_image_set
from face_occlusion.core.parallel import ordered_map
from face_occlusion.core.params import check_at_least
from face_occlusion.core.release import Release
from face_occlusion.occluders.coco import CocoObject, SelectionParams, cut_out_object, pick_objects
from face_occlusion.occluders.cutout import clean_mask, cut_out, size_and_alpha

OBJECT_SOURCES = ("precomputed", "annotations")


@dataclass(frozen=True, kw_only=True)
class ObjectsParams:
    """Section `occluders.objects` of params.yaml."""

    source: str  # precomputed (coco_object.7z) or annotations (cut out of COCO)
    num_objects: int
    soft_px: float  # blur of the mask's edge, in pixels of the photograph
    edge_px: int  # edge whose colours come from farther inside, in pixels of the photograph
    selection: SelectionParams  # of objects cut out of COCO

    def __post_init__(self) -> None:
        if self.source not in OBJECT_SOURCES:
            raise ValueError(f"source: must be one of {OBJECT_SOURCES}; got '{self.source}'")
        check_at_least(1, num_objects=self.num_objects)
        for name in ("soft_px", "edge_px"):
            if not 0 <= (value := getattr(self, name)) <= 50:
                raise ValueError(f"{name}: must lie in 0-50; got {value}")


@dataclass(frozen=True, kw_only=True)
class PrecomputedObject:
    """One of the authors' objects: photograph and mask in `coco_object.7z`."""

    key: str
    image: str
    mask: str


def import_objects(
    release: Release,
    folder: Path,
    params: ObjectsParams,
    *,
    samples_per_shard: int,
    workers: int | None = None,
) -> ImageSet:
    """Write objects as an image set of cut-outs.

    Raises:
        ValueError: If the release lacks the files, an object cannot be read, or there are
            fewer objects than `num_objects`.
    """
    info: dict[str, object] = {
        "kind": "cutouts",
        "name": "objects",
        **release.provenance(),
        "objects_from": params.source,
        "params": dataclasses.asdict(params),
    }
    objects: Sequence[PrecomputedObject | CocoObject]
    if params.source == "precomputed":
        objects = find_precomputed(release, params.num_objects)
    else:
        objects, info["selection"] = pick_objects(release, params.selection, params.num_objects)
    load = functools.partial(load_object, release=release, params=params)
    samples = ordered_map(load, objects, desc="occluders/objects", workers=workers)
    return write_image_set(folder, samples, info=info, samples_per_shard=samples_per_shard)


def find_precomputed(release: Release, num_objects: int) -> list[PrecomputedObject]:
    """Find the authors' super-resolved objects and their masks.

    Raises:
        ValueError: If there are none, an object has no mask, or there are too few.
    """
    images = release.by_stem("*object_image_sr/*")
    masks = release.by_stem("*object_mask_x4/*")
    for stem, name in images.items():
        if stem not in masks:
            raise ValueError(
                f"{release.folder}: object '{name}' has no mask; expected object_mask_x4/{stem}.png"
            )
    if len(images) < num_objects:
        raise ValueError(
            f"num_objects: {num_objects} objects wanted, while coco_object.7z holds {len(images)}"
        )
    return [
        PrecomputedObject(key=_plain_key(stem), image=images[stem], mask=masks[stem])
        for stem in sorted(images)[:num_objects]
    ]


def _plain_key(stem: str) -> str:
    """Make a file's stem a key: keys have no dots and no blanks."""
    return re.sub(r"[^0-9A-Za-z_-]+", "_", stem)


def load_object(
    item: PrecomputedObject | CocoObject,
    *,
    release: Release,
    params: ObjectsParams,
) -> tuple[str, dict[str, bytes]]:
    """Cut one object out, as a sample of an image set.

    Returns:
        Its key, and the parts `rgba.png` and `json`.

    Raises:
        ValueError: If a file cannot be read, or the mask has another size or is empty.
    """
    if isinstance(item, CocoObject):
        cutout = cut_out_object(item, release, soft_px=params.soft_px, edge_px=params.edge_px)
        about = item.about()
    else:
        cutout = _cut_out_precomputed(item, release, params)
        about = {
            "category": re.sub(r"[_-]*\d+$", "", item.key),
            "name": item.image.rpartition("/")[2],
        }
    record = {
        "source": release.source,
        **size_and_alpha(cutout),
        "pointing_deg": None,
        "enters": "none",
        **about,
    }
    return item.key, {"rgba.png": encode_rgba(cutout), "json": encode_record(record)}


def _cut_out_precomputed(
    item: PrecomputedObject, release: Release, params: ObjectsParams
) -> np.ndarray:
    image = decode_image(release.read(item.image), item.image)
    mask = to_seg_map(decode_mask(release.read(item.mask), item.mask), item.mask) == FACE
    try:
        whole = clean_mask(mask, hole_frac=0, close_px=0)
        return cut_out(image, whole, soft_px=params.soft_px, edge_px=params.edge_px)
    except ValueError as error:
        raise ValueError(f"{item.mask}: {error}") from error
