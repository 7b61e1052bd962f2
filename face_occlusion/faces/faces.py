"""Import CelebAMask-HQ: photographs with their original and their corrected masks."""

import contextlib
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from face_occlusion.core.classes import FACE, resize_seg_map
from face_occlusion.core.files import atomic_folder
from face_occlusion.core.images import decode_image, encode_png, fitted_jpeg, fitted_size
from face_occlusion.core.imageset import ImageSet, encode_record, write_image_set
from face_occlusion.core.parallel import ordered_map
from face_occlusion.core.params import Count, Resized
from face_occlusion.core.release import Release
from face_occlusion.faces.celebamask_hq import (
    check_aspect,
    face_key,
    list_images,
    read_identities,
    read_subsets,
)
from face_occlusion.faces.corrections import compare_masks, summarise_changes


@dataclass(frozen=True, kw_only=True)
class FacesParams(Resized):
    """Section `faces` of params.yaml; `size_px` is the side of the imported images."""

    samples_per_shard: Count


def import_faces(
    release: Release, masks: ImageSet, folder: Path, params: FacesParams
) -> dict[str, ImageSet]:
    """Write the image sets `wo`, `wo_test` and `o` into a folder, all three or none; return them.

    `masks` are those that `import_corrections` writes. An absent release, a list that is refused,
    an image that cannot be read, and masks that are missing or do not fit are a ValueError.
    """
    if release.absent:
        raise ValueError(f"{release.folder}: absent ({release.absent}); faces need it")
    images = list_images(release)
    subsets = read_subsets(release, images)
    load = functools.partial(
        load_face,
        images=images,
        identities=read_identities(release),
        release=release,
        masks=masks,
        params=params,
    )
    with contextlib.ExitStack() as stack:
        partial = {
            subset: stack.enter_context(atomic_folder(folder / subset))
            for subset in subsets.numbers
        }
        for subset, numbers in subsets.numbers.items():
            info: dict[str, object] = {
                "kind": "faces",
                "name": subset,
                **release.provenance(),
                "size_px": params.size_px,
                "jpeg_quality": params.jpeg_quality,
                "masks": {"png": "corrected by the authors", "original.png": "from part layers"},
                "corrections": masks.info["corrections"],
                **subsets.info(),
            }
            loaded = ordered_map(load, numbers, desc=f"faces/{subset}")
            samples, size = _with_changes(loaded, info), params.samples_per_shard
            write_image_set(partial[subset], samples, info=info, samples_per_shard=size)
    return {subset: ImageSet(folder / subset) for subset in subsets.numbers}


def _with_changes(
    loaded: Iterable[tuple[str, dict[str, bytes], dict[str, Any]]], info: dict[str, object]
) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Pass samples on, and summarise in the set's info what the corrections changed."""
    changes = []
    for key, parts, change in loaded:
        changes.append(change)
        yield key, parts
    info["changes"] = summarise_changes(changes)


def load_face(
    number: int,
    *,
    images: dict[int, str],
    identities: dict[int, str],
    release: Release,
    masks: ImageSet,
    params: FacesParams,
) -> tuple[str, dict[str, bytes], dict[str, Any]]:
    """Read one face and both its masks, resized, as a sample of an image set.

    Returns its key; the parts `jpg`, `png` (corrected), `original.png`, `json`; and what correcting
    changed at this size, which is also in the record. A file that cannot be read, or masks of
    another aspect than the image, are a ValueError that names it.
    """
    key, name = face_key(number), images[number]
    data = release.read(name)
    image = decode_image(data, name)
    release_size = image.shape[:2]
    size = fitted_size(release_size, params.size_px)
    seg_maps: dict[str, np.ndarray] = {}
    for part in masks.parts(key):
        if part != "json":
            seg_map = masks.seg_map(key, part)
            check_aspect(f"{masks.folder}: {key}.{part}", seg_map.shape, release_size, "its image")
            seg_maps[part] = resize_seg_map(seg_map, size)
    original, corrected = seg_maps["original.png"], seg_maps["png"]
    masks_record = masks.record(key)
    change = {"corrected_by": masks_record["corrected_by"]}
    change |= compare_masks(original, corrected, "original")
    if "authors.png" in seg_maps:
        change |= compare_masks(seg_maps["authors.png"], corrected, "authors")
    record = {
        "name": name.rpartition("/")[2],
        "source": release.source,
        "release_size": list(release_size),
        "size": list(size),
        "layers": masks_record["layers"],
        "identity": identities.get(number),
        "face_frac": np.count_nonzero(corrected == FACE) / corrected.size,
        "changed_frac": np.count_nonzero(corrected != original) / corrected.size,
        **change,
    }
    parts = {
        "jpg": fitted_jpeg(data, image, size, params.jpeg_quality),
        "png": encode_png(corrected),
        "original.png": encode_png(original),
        "json": encode_record(record),
    }
    return key, parts, change
