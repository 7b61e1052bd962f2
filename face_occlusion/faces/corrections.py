"""Corrected masks of CelebAMask-HQ: the authors', with the user's own corrections applied.

The user's corrections lie in one folder, in a subfolder named after their format:

    labelme/    one JSON for each face, as LabelMe saves it
    segments/   a release's JSON with its bitmaps, or with polygons
    coco/       JSONs with images, annotations (polygons or run lengths) and categories
    page/       JSONs saved by the pages of `face-occlusion audit` and `predict`

A correction belongs to the face whose number its image is named by (`24.jpg`, `00024.jpg`).
"""

import functools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from face_occlusion.core.classes import FACE, resize_seg_map
from face_occlusion.core.files import atomic_folder, read_json
from face_occlusion.core.images import encode_png
from face_occlusion.core.imageset import ImageSet, encode_record, write_image_set
from face_occlusion.core.parallel import ordered_map
from face_occlusion.core.release import Release
from face_occlusion.faces.celebamask_hq import (
    face_key,
    find_corrected,
    find_layers,
    list_images,
    read_corrected,
    read_original,
    read_subsets,
)
from face_occlusion.faces.coco import read_coco, read_page
from face_occlusion.faces.correction import Correction, CorrectionsParams
from face_occlusion.faces.labelme import read_labelme
from face_occlusion.faces.segments import read_segments

MASKS = "masks"  # the image set in the stage's folder
CHANGES = "changes.json"
_PER_SHARD = 4096  # masks are small: some 60 MB a shard
_IGNORED_FILES = ("README.md",)
# What reads the corrections in a JSON: of its path, its content and the parameters.
Reader = Callable[[Path, dict[str, Any], CorrectionsParams], Iterator[Correction]]
FORMATS: dict[str, Reader] = {
    "labelme": read_labelme,
    "segments": read_segments,
    "coco": read_coco,
    "page": read_page,
}


def read_corrections(folder: Path, params: CorrectionsParams) -> dict[int, Correction]:
    """Read all corrections in a folder, by the face's number.

    The folder has one subfolder for each format that is used; with none, nothing is corrected.
    ValueError, with the file and the place in it, if the folder is missing, holds something else or
    no correction in its subfolders, a face is corrected twice, or a correction cannot be read,
    drawn or has an unknown label.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder (corrections.folder in params.yaml)")
    visible = (path for path in folder.iterdir() if not path.name.startswith("."))
    entries = sorted(path for path in visible if path.name not in _IGNORED_FILES)
    corrections: dict[int, Correction] = {}
    for path in entries:
        if path.name not in FORMATS or not path.is_dir():
            raise ValueError(f"{path}: expected only the folders {', '.join(FORMATS)} here")
        for file in sorted(path.rglob("*.json")):
            for correction in FORMATS[path.name](file, read_json(file), params):
                other = corrections.setdefault(correction.number, correction)
                if other is not correction:
                    raise ValueError(
                        f"{correction.where}: face {correction.number} is also corrected in "
                        f"{other.where}; keep one"
                    )
    if entries and not corrections:
        raise ValueError(f"{folder}: it holds no finished correction")
    return corrections


def import_corrections(
    release: Release, folder: Path, params: CorrectionsParams, corrections: Mapping[int, Correction]
) -> ImageSet:
    """Write the masks of every listed face, and a report of what was corrected.

    `masks/` is an image set with the parts `png` (corrected), `original.png` (from the part
    layers) and, where the user corrected a face, `authors.png` (the authors' mask), each at its
    own size; it is returned. `changes.json` counts the changes and lists the changed faces.
    `corrections` are the user's, by the face's number. An absent release, a mask or a correction
    that cannot be used, and one of a face that is in none of the lists are a ValueError.
    """
    if release.absent:
        raise ValueError(f"{release.folder}: absent ({release.absent}); corrections need it")
    subset_of = read_subsets(release, list_images(release)).subset_of
    for number, correction in sorted(corrections.items()):
        if number not in subset_of:
            raise ValueError(f"{correction.where}: face {number} is in none of the release's lists")
    load = functools.partial(
        load_masks,
        release=release,
        authors=find_corrected(release, subset_of),
        layers=find_layers(release, subset_of),
        corrections=corrections,
    )
    info: dict[str, Any] = {
        "kind": "masks",
        "name": "corrections",
        **release.provenance(),
        "corrections": params.folder if corrections else "none",
    }
    changes: list[dict[str, Any]] = []

    def samples() -> Iterator[tuple[str, dict[str, bytes]]]:
        masks = ordered_map(load, sorted(subset_of), desc="corrections")
        for number, (parts, change) in zip(sorted(subset_of), masks, strict=True):
            changes.append({"key": face_key(number), "subset": subset_of[number], **change})
            yield face_key(number), parts

    with atomic_folder(folder) as partial:
        write_image_set(partial / MASKS, samples(), info=info, samples_per_shard=_PER_SHARD)
        report = {"corrections": info["corrections"], **_report(changes)}
        (partial / CHANGES).write_text(json.dumps(report, indent=1) + "\n")
    return ImageSet(folder / MASKS)


def load_masks(
    number: int,
    *,
    release: Release,
    authors: Mapping[int, str],
    layers: Mapping[int, Mapping[str, str]],
    corrections: Mapping[int, Correction],
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Read the masks of one face and correct them: the parts of its sample, and what was changed.

    A mask that cannot be read, or masks of different aspects, are a ValueError.
    """
    original = read_original(release, number, layers[number])
    height, width = original.shape
    what = "each part layer of the face"
    corrected = read_corrected(release, authors[number], (height, width), what)
    parts = {"original.png": encode_png(original)}
    change: dict[str, Any] = {"corrected_by": "authors"}
    if (correction := corrections.get(number)) is not None:
        before, parts["authors.png"] = corrected, encode_png(corrected)
        corrected = correction.apply(before)
        change = {"corrected_by": correction.format}
        change |= compare_masks(resize_seg_map(before, correction.size), corrected, "authors")
    parts["png"] = encode_png(corrected)
    height, width = corrected.shape
    change |= compare_masks(resize_seg_map(original, (height, width)), corrected, "original")
    change["changed_frac"] = change["changed_px"] / corrected.size
    record = {"corrected_by": change["corrected_by"], "layers": sorted(layers[number])}
    parts["json"] = encode_record(record)
    return parts, change


def compare_masks(before: np.ndarray, after: np.ndarray, name: str) -> dict[str, Any]:
    """Measure how two masks of a face, (H, W) uint8 class ids, differ.

    `name` is what `before` is called: original or authors. Returns `changed_px`
    (`changed_px_authors`): pixels whose class differs, and `iou_with_NAME`: overlap of the faces,
    1 where neither has one.
    """
    both = int(np.count_nonzero((before == FACE) & (after == FACE)))
    either = int(np.count_nonzero((before == FACE) | (after == FACE)))
    suffix = "" if name == "original" else f"_{name}"
    return {
        f"changed_px{suffix}": int(np.count_nonzero(before != after)),
        f"iou_with_{name}": both / either if either else 1.0,
    }


def summarise_changes(changes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Count changed faces and pixels, average the overlap, and count who corrected the faces.

    Takes of each face what `compare_masks` returns, and `corrected_by`.
    """
    ious = [change["iou_with_original"] for change in changes]
    return {
        "num_changed": sum(change["changed_px"] != 0 for change in changes),
        "changed_px": sum(change["changed_px"] for change in changes),
        "mean_iou_with_original": float(np.mean(ious)) if ious else 1.0,
        "min_iou_with_original": min(ious, default=1.0),
        "corrected_by": dict(sorted(Counter(c["corrected_by"] for c in changes).items())),
    }


def _report(changes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Count changes in each subset, and list the changed faces, the largest change first."""
    subsets = {
        subset: summarise_changes([c for c in changes if c["subset"] == subset])
        for subset in dict.fromkeys(change["subset"] for change in changes)
    }
    listed = [c for c in changes if c["changed_px"] != 0 or c["corrected_by"] != "authors"]
    listed.sort(key=lambda change: (change["iou_with_original"], change["key"]))
    return {"subsets": subsets, "faces": listed}
