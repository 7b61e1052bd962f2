"""Objects as cut-outs: the authors' super-resolved ones, or cut out of COCO's photographs.

The stage `superresolution` enlarges the latter.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from face_occlusion.core.classes import FACE, to_seg_map
from face_occlusion.core.images import decode_image, decode_mask, encode_rgba
from face_occlusion.core.imageset import encode_record
from face_occlusion.core.params import Checked, Count, Meta
from face_occlusion.core.release import Release
from face_occlusion.cutouts import clean_mask, cut_out, size_and_alpha
from face_occlusion.occluders.coco import CocoObject, SelectionParams, select_objects


@dataclass(frozen=True, kw_only=True)
class ObjectsParams(Checked):
    """Section `occluders.objects` of params.yaml; widths are in pixels of the photograph."""

    # precomputed: coco_object.7z; annotations: cut out of COCO.
    source: Literal["precomputed", "annotations"]
    num_objects: Count
    soft_px: Annotated[float, Meta(ge=0, le=50)]  # blur of the mask's edge
    edge_px: Annotated[int, Meta(ge=0, le=50)]  # edge whose colours come from farther inside
    selection: SelectionParams  # of objects cut out of COCO


@dataclass(frozen=True, kw_only=True)
class PrecomputedObject:
    """One of the authors' objects: photograph and mask in `coco_object.7z`."""

    key: str
    image: str
    mask: str

    def about(self) -> dict[str, object]:
        """Return what a record says of the object."""
        category = re.sub(r"[_-]*\d+$", "", self.key)
        return {"category": category, "name": self.image.rpartition("/")[2]}

    def cut_out(self, release: Release, *, soft_px: float, edge_px: int) -> np.ndarray:
        """Cut the object out: (h, w, 4) uint8 premultiplied RGBA, cropped to its alpha.

        A file that cannot be read, or a mask of another size or that is empty, is a ValueError.
        """
        image = decode_image(release.read(self.image), self.image)
        mask = to_seg_map(decode_mask(release.read(self.mask), self.mask), self.mask) == FACE
        try:
            whole = clean_mask(mask, hole_frac=0, close_px=0)
            return cut_out(image, whole, soft_px=soft_px, edge_px=edge_px)
        except ValueError as error:
            raise ValueError(f"{self.mask}: {error}") from error


def find_objects(
    release: Release, params: ObjectsParams
) -> tuple[Sequence[PrecomputedObject | CocoObject], dict[str, object]]:
    """Find the objects to cut out, and what the set's info says of where they come from.

    ValueError if the release lacks files, or there are fewer objects than `num_objects`.
    """
    about: dict[str, object] = {"objects_from": params.source}
    if params.source == "precomputed":
        return _find_precomputed(release, params.num_objects), about
    objects, about["selection"] = select_objects(release, params.selection, params.num_objects)
    return objects, about


def _find_precomputed(release: Release, num_objects: int) -> list[PrecomputedObject]:
    """Find the authors' super-resolved objects and their masks."""
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
    keys = {stem: re.sub(r"[^0-9A-Za-z_-]+", "_", stem) for stem in sorted(images)[:num_objects]}
    return [
        PrecomputedObject(key=key, image=images[stem], mask=masks[stem])
        for stem, key in keys.items()
    ]


def load_object(
    item: PrecomputedObject | CocoObject, *, release: Release, params: ObjectsParams
) -> tuple[str, dict[str, bytes]]:
    """Cut one object out, as a sample of an image set: its key, parts `rgba.png` and `json`."""
    cutout = item.cut_out(release, soft_px=params.soft_px, edge_px=params.edge_px)
    record = {"source": release.source, "pointing_deg": None, "enters": "none"}
    record |= {**size_and_alpha(cutout), **item.about()}
    return item.key, {"rgba.png": encode_rgba(cutout), "json": encode_record(record)}
