"""Import CelebAMask-HQ: faces with their original and their corrected masks."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from face_occlusion.core.classes import FACE
from face_occlusion.core.images import decode_image, encode_png
from face_occlusion.core.imageset import ImageSet, encode_record, write_image_set
from face_occlusion.core.parallel import ordered_map
from face_occlusion.core.params import check_at_least, check_jpeg_quality
from face_occlusion.core.release import Release
from face_occlusion.core.resizing import fitted_jpeg, fitted_size, resize_seg_map
from face_occlusion.faces.celebamask_hq import (
    FaceFiles,
    find_faces,
    list_images,
    read_corrected,
    read_original,
)
from face_occlusion.faces.corrections import Correction, CorrectionsParams
from face_occlusion.faces.mask_changes import (
    CHANGES,
    compare_masks,
    summarise_changes,
    write_changes,
)
from face_occlusion.faces.part_masks import Subsets, read_subsets


@dataclass(frozen=True, kw_only=True)
class FacesParams:
    """Section `faces` of params.yaml."""

    size_px: int  # side of the imported images; 0 keeps the release's
    jpeg_quality: int  # of images that change size; others keep their bytes
    samples_per_shard: int
    corrections: CorrectionsParams  # of one's own, over those of the authors

    def __post_init__(self) -> None:
        if self.size_px != 0 and self.size_px < 16:
            raise ValueError(f"size_px: must be 0 or at least 16; got {self.size_px}")
        check_jpeg_quality(self.jpeg_quality)
        check_at_least(1, samples_per_shard=self.samples_per_shard)


def import_faces(
    release: Release,
    folder: Path,
    params: FacesParams,
    *,
    corrections: Mapping[int, Correction] | None = None,
    workers: int | None = None,
) -> dict[str, ImageSet]:
    """Write the image sets `wo`, `wo_test` and `o` into a folder: all three, or none.

    Beside each set's shards lies `changes.csv`: what correcting changed, face by face.

    Args:
        release: CelebAMask-HQ with its lists and corrected masks.
        folder: Takes the three sets, which must not be there yet.
        params: Size and quality.
        corrections: Corrections of one's own by the face's number.
        workers: Processes; None for one a core. Changes no byte.

    Returns:
        Subset -> its set.

    Raises:
        ValueError: If the release is absent, a list, mask or correction is refused, or an image
            cannot be read; names the file.
    """
    if release.absent:
        raise ValueError(f"{release.folder}: absent ({release.absent}); faces need it")
    images = list_images(release)
    subsets = read_subsets(release, images)
    for subset in subsets.numbers:
        if (folder / subset).exists():
            raise ValueError(f"{folder / subset}: exists; nothing was written")
    corrections = corrections or {}
    _check_listed(corrections, subsets)
    load = functools.partial(load_face, release=release, params=params, corrections=corrections)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
    try:
        for subset, numbers in subsets.numbers.items():
            faces = find_faces(release, images, numbers)
            info = _set_info(subset, release, params) | subsets.info()
            changes: list[dict[str, object]] = []
            loaded = ordered_map(load, faces, desc=f"faces/{subset}", workers=workers)
            write_image_set(
                partial / subset,
                _with_changes(loaded, changes, info),
                info=info,
                samples_per_shard=params.samples_per_shard,
            )
            write_changes(partial / subset / CHANGES, changes)
        folder.mkdir(parents=True, exist_ok=True)
        for subset in subsets.numbers:
            (partial / subset).rename(folder / subset)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return {subset: ImageSet(folder / subset) for subset in subsets.numbers}


def _set_info(subset: str, release: Release, params: FacesParams) -> dict[str, object]:
    return {
        "kind": "faces",
        "name": subset,
        **release.provenance(),
        "size_px": params.size_px,
        "jpeg_quality": params.jpeg_quality,
        "masks": {"png": "corrected by the authors", "original.png": "from part layers"},
        "corrections": params.corrections.folder,
    }


def _check_listed(corrections: Mapping[int, Correction], subsets: Subsets) -> None:
    """Raise if a correction is of a face that no list names."""
    listed = {number for numbers in subsets.numbers.values() for number in numbers}
    for number, correction in sorted(corrections.items()):
        if number not in listed:
            raise ValueError(f"{correction.where}: face {number} is in none of the lists")


def _with_changes(
    loaded: Iterable[tuple[str, dict[str, bytes], dict[str, object]]],
    changes: list[dict[str, object]],
    info: dict[str, object],
) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Pass samples on, and gather what correcting changed for the report and the set's info."""
    for key, parts, change in loaded:
        changes.append({"key": key, **change})
        yield key, parts
    info["changes"] = summarise_changes(changes)


def load_face(
    face: FaceFiles,
    *,
    release: Release,
    params: FacesParams,
    corrections: Mapping[int, Correction],
) -> tuple[str, dict[str, bytes], dict[str, object]]:
    """Read one face and both its masks, resized, as a sample of an image set.

    Returns:
        Its key; the parts `jpg`, `png` (corrected), `original.png`, `json`; and what
        correcting changed, which the record says too.

    Raises:
        ValueError: If a file cannot be read, or a mask has another aspect than the image;
            names it.
    """
    data = release.read(face.image)
    image = decode_image(data, face.image)
    size = fitted_size(image.shape[:2], params.size_px)
    authors = read_corrected(release, face, image)
    original = resize_seg_map(read_original(release, face, image), size)
    correction = corrections.get(face.number)
    mine = authors if correction is None else correction.apply(authors)
    authors, corrected = resize_seg_map(authors, size), resize_seg_map(mine, size)
    change = {
        "corrected_by": "authors" if correction is None else correction.format,
        **compare_masks(original, corrected, "original"),
    }
    if correction is not None:
        change |= compare_masks(authors, corrected, "authors")
    record = {
        "name": face.image.rpartition("/")[2],
        "source": release.source,
        "release_size": list(image.shape[:2]),
        "size": list(size),
        "layers": sorted(face.parts),
        "identity": face.identity,
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
    return face.key, parts, change
