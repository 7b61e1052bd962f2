"""Objects as cut-outs: the authors' super-resolved ones, or cut out of COCO's photographs.

The stage `superresolution` enlarges the latter.
"""

import collections
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import cv2
import numpy as np

from face_occlusion.core.classes import FACE, instance_mask, to_seg_map
from face_occlusion.core.images import decode_image, decode_mask, encode_rgba
from face_occlusion.core.imageset import encode_record
from face_occlusion.core.params import FILLED, Checked, Count, Meta, Natural, Share
from face_occlusion.core.release import Release
from face_occlusion.cutouts import clean_mask, cut_out, size_and_alpha

_RING_PX = 3  # width of the ring around an object in which neighbours are looked for


@dataclass(frozen=True, kw_only=True)
class SelectionParams(Checked):
    """Section `occluders.objects.selection` of params.yaml: which instances are selected."""

    categories: Annotated[Sequence[str], FILLED]
    min_area_px: Natural  # of the mask, in the photograph
    min_side_px: Natural  # shorter side of the bounding box
    border_px: Natural  # nearer to the photograph's border, an object may be cut off
    max_contact_frac: Share  # share of the surrounding ring taken by other instances
    supports: Sequence[str]  # categories that lie under objects: touching them does not count
    max_per_category: Count

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.categories)) < len(self.categories):
            raise ValueError(f"categories: a name occurs twice; got {list(self.categories)}")


@dataclass(frozen=True, kw_only=True)
class CocoObject:
    """One selected instance."""

    annotation_id: int  # COCO's number of the instance
    category: str  # its category's name
    image: str  # name of the photograph in the release
    size: tuple[int, int]  # (height, width) of the photograph
    segmentation: list[list[float]]  # polygons, each [x0, y0, x1, y1, ...] in pixels
    licence: str  # URL of the photograph's licence, empty if unknown

    @property
    def key(self) -> str:
        """The object's key in image sets: category and annotation."""
        return f"{self.category.replace(' ', '_')}_{self.annotation_id}"

    def about(self) -> dict[str, object]:
        """Return what a record says of the object."""
        return {
            "category": self.category,
            "name": self.image.rpartition("/")[2],
            "annotation_id": self.annotation_id,
            "licence": self.licence,
        }

    def cut_out(self, release: Release, *, soft_px: float, edge_px: int) -> np.ndarray:
        """Cut the object out: (h, w, 4) uint8 premultiplied RGBA, cropped to its alpha.

        A photograph of another size than the annotations say, or a polygon that covers no pixel, is
        a ValueError that names both.
        """
        image = decode_image(release.read(self.image), self.image)
        if image.shape[:2] != self.size:
            raise ValueError(
                f"{self.image}: {image.shape[0]}x{image.shape[1]} pixels, while its annotations "
                f"say {self.size[0]}x{self.size[1]}"
            )
        try:
            mask = clean_mask(instance_mask(self.segmentation, self.size), hole_frac=0, close_px=0)
        except ValueError as error:
            raise ValueError(f"{self.image}: annotation {self.annotation_id}: {error}") from error
        return cut_out(image, mask, soft_px=soft_px, edge_px=edge_px)


def select_objects(
    release: Release, params: SelectionParams, num_objects: int
) -> tuple[list[CocoObject], dict[str, int]]:
    """Select objects that are whole, large and free of others, from all categories in turn.

    In each round, every category gives its largest remaining object, until there are enough.
    Returns the objects, by category and annotation; and how many instances each rule rejected.

    Raises:
        ValueError: If a category is unknown, a photograph is missing, or too few objects pass.
    """
    name = release.find("*instances_train*.json")
    dataset = json.loads(release.read(name))
    categories = {category["name"]: category["id"] for category in dataset["categories"]}
    for field in ("categories", "supports"):
        if unknown := sorted(set(getattr(params, field)) - categories.keys()):
            raise ValueError(
                f"{field}: {', '.join(unknown)} are not in {release.folder / name}; "
                f"known: {', '.join(sorted(categories))}"
            )
    candidates, rejected = _candidates(dataset, categories, params)
    picked = _take_turns(candidates, params, num_objects)
    if len(picked) < num_objects:
        raise ValueError(
            f"num_objects: {num_objects} objects wanted, while {len(picked)} pass the selection "
            f"(rejected: {rejected})"
        )
    photographs = release.by_stem("*train2017/*.jpg")
    images = {image["id"]: image for image in dataset["images"]}
    licences = {licence["id"]: licence["url"] for licence in dataset.get("licenses", [])}
    objects = []
    for category, annotation in sorted(picked, key=lambda pair: (pair[0], pair[1]["id"])):
        image = images[annotation["image_id"]]
        stem = image["file_name"].rpartition(".")[0]
        if stem not in photographs:
            raise ValueError(
                f"{release.folder / name}: names {image['file_name']}, "
                "which is not in train2017.zip"
            )
        objects.append(
            CocoObject(
                annotation_id=annotation["id"],
                category=category,
                image=photographs[stem],
                size=(image["height"], image["width"]),
                segmentation=annotation["segmentation"],
                licence=licences.get(image.get("license"), ""),
            )
        )
    return objects, rejected


def _candidates(
    dataset: dict[str, Any], categories: dict[str, int], params: SelectionParams
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, int]]:
    """Return the instances of each category that pass, and how many each rule rejected."""
    sizes = {image["id"]: (image["height"], image["width"]) for image in dataset["images"]}
    wanted = {categories[name]: name for name in params.categories}
    by_image: dict[int, list[dict[str, Any]]] = collections.defaultdict(list)
    supports = {categories[name] for name in params.supports}
    for annotation in dataset["annotations"]:
        if annotation["category_id"] not in supports:
            by_image[annotation["image_id"]].append(annotation)
    passed: dict[str, list[dict[str, Any]]] = {name: [] for name in params.categories}
    rejected: collections.Counter[str] = collections.Counter()
    for annotation in dataset["annotations"]:
        if annotation["category_id"] not in wanted:
            continue
        size = sizes[annotation["image_id"]]
        reason = _shape_fault(annotation, size, params)
        if reason is None:
            contact = _contact_frac(annotation, by_image[annotation["image_id"]], size)
            reason = "touched by another instance" if contact > params.max_contact_frac else None
        if reason is None:
            passed[wanted[annotation["category_id"]]].append(annotation)
        else:
            rejected[reason] += 1
    return passed, dict(sorted(rejected.items()))


def _shape_fault(
    annotation: dict[str, Any], size: tuple[int, int], params: SelectionParams
) -> str | None:
    """Return why an instance's own shape rejects it, None if it does not."""
    if annotation["iscrowd"] or not isinstance(annotation["segmentation"], list):
        return "a crowd"
    if len(annotation["segmentation"]) != 1:
        return "in several pieces"  # something lies across it
    left, top, width, height = annotation["bbox"]
    if annotation["area"] < params.min_area_px or min(width, height) < params.min_side_px:
        return "small"
    border = params.border_px
    if min(left, top, size[1] - left - width, size[0] - top - height) < border:
        return "at the border"
    return None


def _contact_frac(
    annotation: dict[str, Any], others: list[dict[str, Any]], size: tuple[int, int]
) -> float:
    """Return the share of the ring around an instance that other instances take."""
    left, top, width, height = annotation["bbox"]
    pad = _RING_PX + 1
    window = (
        slice(max(0, int(top) - pad), int(top + height) + pad + 1),
        slice(max(0, int(left) - pad), int(left + width) + pad + 1),
    )
    mask = instance_mask(annotation["segmentation"], size)[window]
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _RING_PX + 1, 2 * _RING_PX + 1))
    ring = (cv2.dilate(mask.astype(np.uint8), disc) > 0) & ~mask
    taken = np.zeros_like(ring)
    for other in others:
        if other["id"] != annotation["id"] and _boxes_meet(annotation["bbox"], other["bbox"], pad):
            taken |= instance_mask(other["segmentation"], size)[window]
    return float((ring & taken).sum() / max(1, ring.sum()))


def _boxes_meet(box: Sequence[float], other: Sequence[float], pad: int) -> bool:
    return all(
        box[axis] - pad < other[axis] + other[axis + 2]
        and other[axis] - pad < box[axis] + box[axis + 2]
        for axis in (0, 1)
    )


def _take_turns(
    candidates: dict[str, list[dict[str, Any]]], params: SelectionParams, num_objects: int
) -> list[tuple[str, dict[str, Any]]]:
    """Take the largest remaining instance of each category in turn."""
    ranked = [
        (rank, name, instance)
        for name, instances in candidates.items()
        for rank, instance in enumerate(sorted(instances, key=lambda i: (-i["area"], i["id"])))
        if rank < params.max_per_category
    ]
    ranked.sort(key=lambda entry: entry[:2])
    return [(name, instance) for _, name, instance in ranked[:num_objects]]


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
