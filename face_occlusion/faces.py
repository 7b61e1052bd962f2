"""Import CelebAMask-HQ: faces with their original and their corrected masks."""

from __future__ import annotations

import functools
import shutil
from dataclasses import dataclass
from pathlib import Path

from face_occlusion.classes import FACE
from face_occlusion.face_files import (
    FaceFiles,
    find_faces,
    list_images,
    read_corrected,
    read_original,
)
from face_occlusion.images import decode_image, encode_png
from face_occlusion.imageset import ImageSet, encode_record, write_image_set
from face_occlusion.masks import read_subsets
from face_occlusion.parallel import ordered_map
from face_occlusion.resizing import fitted_jpeg, fitted_size, resize_seg_map
from face_occlusion.sources import Release


@dataclass(frozen=True, kw_only=True)
class FacesParams:
    """Section `faces` of params.yaml."""

    size_px: int  # side of the imported images; 0 keeps the release's
    jpeg_quality: int  # of images that change size; others keep their bytes
    samples_per_shard: int

    def __post_init__(self) -> None:
        if self.size_px != 0 and self.size_px < 16:
            raise ValueError(f"size_px: must be 0 or at least 16; got {self.size_px}")
        if not 1 <= self.jpeg_quality <= 100:
            raise ValueError(f"jpeg_quality: must lie in 1-100; got {self.jpeg_quality}")
        if self.samples_per_shard < 1:
            raise ValueError(f"samples_per_shard: must be at least 1; got {self.samples_per_shard}")


def import_faces(
    release: Release, folder: Path, params: FacesParams, *, workers: int | None = None
) -> dict[str, ImageSet]:
    """Write the image sets `wo`, `wo_test` and `o` into a folder: all three, or none.

    Args:
        release: CelebAMask-HQ with its lists and corrected masks.
        folder: Takes the three sets, which must not be there yet.
        params: Size and quality.
        workers: Processes; None for one a core. Changes no byte.

    Returns:
        Subset -> its set.

    Raises:
        ValueError: If the release is absent, a list or mask is refused, or an image cannot be
            read; names the file.
    """
    if release.absent:
        raise ValueError(f"{release.folder}: absent ({release.absent}); faces need it")
    images = list_images(release)
    subsets = read_subsets(release, images)
    for subset in subsets.numbers:
        if (folder / subset).exists():
            raise ValueError(f"{folder / subset}: exists; nothing was written")
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
    try:
        for subset, numbers in subsets.numbers.items():
            info = {
                "kind": "faces",
                "name": subset,
                "sources": [release.source],
                "size_px": params.size_px,
                "masks": {"png": "corrected by the authors", "original.png": "from part layers"},
                **subsets.info(),
            }
            load = functools.partial(load_face, release=release, params=params)
            samples = ordered_map(
                load, find_faces(release, images, numbers), desc=f"faces/{subset}", workers=workers
            )
            write_image_set(
                partial / subset, samples, info=info, samples_per_shard=params.samples_per_shard
            )
        folder.mkdir(parents=True, exist_ok=True)
        for subset in subsets.numbers:
            (partial / subset).rename(folder / subset)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return {subset: ImageSet(folder / subset) for subset in subsets.numbers}


def load_face(
    face: FaceFiles, *, release: Release, params: FacesParams
) -> tuple[str, dict[str, bytes]]:
    """Read one face and both its masks, resized, as a sample of an image set.

    Returns:
        Its key, and the parts `jpg`, `png` (corrected), `original.png`, `json`.

    Raises:
        ValueError: If a file cannot be read, or a mask has another aspect than the image;
            names it.
    """
    data = release.read(face.image)
    image = decode_image(data, face.image)
    size = fitted_size(image.shape[:2], params.size_px)
    corrected = resize_seg_map(read_corrected(release, face, image), size)
    original = resize_seg_map(read_original(release, face, image), size)
    record = {
        "name": face.image.rpartition("/")[2],
        "source": release.source,
        "release_size": list(image.shape[:2]),
        "size": list(size),
        "layers": sorted(face.parts),
        "face_frac": float((corrected == FACE).mean()),
        "changed_frac": float((corrected != original).mean()),
    }
    return face.key, {
        "jpg": fitted_jpeg(data, image, size, params.jpeg_quality),
        "png": encode_png(corrected),
        "original.png": encode_png(original),
        "json": encode_record(record),
    }
