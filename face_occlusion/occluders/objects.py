"""Objects as cut-outs: the authors' super-resolved ones, or cut out of COCO's photographs.

The stage `superresolution` enlarges the latter.
"""

import collections
import functools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import cv2
import numpy as np

from face_occlusion.core.classes import instance_mask
from face_occlusion.core.params import FILLED, Checked, Count, Natural, Share
from face_occlusion.core.release import Release
from face_occlusion.occluders.photographed import EdgeParams, Photographed, read_mask

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


def _annotated_mask(
    _: Release,
    size: tuple[int, int],
    *,
    name: str,
    segmentation: list[list[float]],
    annotated_size: tuple[int, int],
) -> np.ndarray:
    """Draw an instance's polygons, each [x0, y0, x1, y1, ...], at its photograph's size."""
    if size != annotated_size:
        raise ValueError(
            f"{name}: {size[0]}x{size[1]} pixels, while its annotations say "
            f"{annotated_size[0]}x{annotated_size[1]}"
        )
    return instance_mask(segmentation, size)


def select_objects(
    release: Release, params: SelectionParams, num_objects: int
) -> tuple[list[Photographed], dict[str, int]]:
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
        name = photographs[stem]
        mask = functools.partial(
            _annotated_mask,
            name=name,
            segmentation=annotation["segmentation"],
            annotated_size=(image["height"], image["width"]),
        )
        key = f"{category.replace(' ', '_')}_{annotation['id']}"
        about = {"category": category, "annotation_id": annotation["id"]}
        about["licence"] = licences.get(image.get("license"), "")
        objects.append(Photographed(key=key, image=name, mask=mask, about=about))
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
class ObjectsParams(EdgeParams):
    """Section `occluders.objects` of params.yaml."""

    # precomputed: coco_object.7z; annotations: cut out of COCO.
    source: Literal["precomputed", "annotations"]
    num_objects: Count
    selection: SelectionParams  # of objects cut out of COCO


def find_objects(
    release: Release, params: ObjectsParams
) -> tuple[list[Photographed], dict[str, object]]:
    """Find the objects to cut out, and what the set's info says of where they come from.

    ValueError if the release lacks files, or there are fewer objects than `num_objects`.
    """
    about: dict[str, object] = {"objects_from": params.source}
    if params.source == "precomputed":
        return _find_precomputed(release, params.num_objects), about
    objects, about["selection"] = select_objects(release, params.selection, params.num_objects)
    return objects, about


def _find_precomputed(release: Release, num_objects: int) -> list[Photographed]:
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
    objects = []
    for stem in sorted(images)[:num_objects]:
        key = re.sub(r"[^0-9A-Za-z_-]+", "_", stem)
        mask = functools.partial(read_mask, name=masks[stem])
        about = {"category": re.sub(r"[_-]*\d+$", "", key)}
        objects.append(Photographed(key=key, image=images[stem], mask=mask, about=about))
    return objects


def load_object(
    item: Photographed, *, release: Release, params: ObjectsParams
) -> tuple[str, dict[str, bytes]]:
    """Cut one object out, as a sample of an image set; errors as `Photographed.cut_out`."""
    cutout, _, _ = item.cut_out(release, params)
    return item.sample(release, cutout, pointing_deg=None, enters="none")
