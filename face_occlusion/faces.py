"""Import CelebAMask-HQ: faces with their original and their corrected masks."""

from __future__ import annotations

import functools
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from face_occlusion.classes import FACE
from face_occlusion.images import decode_image, decode_mask, encode_jpeg, encode_png, to_seg_map
from face_occlusion.imageset import ImageSet, encode_record, write_image_set
from face_occlusion.masks import original_seg_map, read_subsets
from face_occlusion.parallel import ordered_map
from face_occlusion.resizing import fitted_size, resize_image, resize_seg_map
from face_occlusion.sources import Release

_PART_NAME = re.compile(r"/(\d+)_([a-z_]+)\.png$")
_JPEG_START = b"\xff\xd8\xff"


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


@dataclass(frozen=True, kw_only=True)
class FaceFiles:
    """Where one face's files lie in the release.

    Attributes:
        number: Its CelebAMask-HQ number.
        image: Name of the photograph.
        corrected: Name of the corrected mask.
        parts: Layer (`skin`, `l_eye`, ...) -> name of its mask.
    """

    number: int
    image: str
    corrected: str
    parts: dict[str, str]

    @property
    def key(self) -> str:
        """The face's key in image sets, five digits."""
        return f"{self.number:05d}"


def list_images(release: Release) -> dict[int, str]:
    """Map the number of each photograph of CelebAMask-HQ to its name.

    Raises:
        ValueError: If there is none.
    """
    stems = release.by_stem("*/CelebA-HQ-img/*.jpg", "*/CelebA-HQ-img/*.png")
    return _by_number(release, stems)


def _by_number(release: Release, stems: dict[str, str]) -> dict[int, str]:
    numbers: dict[int, str] = {}
    for stem, name in stems.items():
        if not stem.isdecimal():
            raise ValueError(f"{release.folder}: '{name}' is not named by a face's number")
        if (number := int(stem)) in numbers:
            raise ValueError(f"{release.folder}: '{numbers[number]}' and '{name}' are one face's")
        numbers[number] = name
    return numbers


def find_faces(release: Release, images: dict[int, str], numbers: list[int]) -> list[FaceFiles]:
    """Find the photograph, the part layers and the corrected mask of each face.

    Raises:
        ValueError: If a face has no corrected mask, or no `skin` layer.
    """
    corrected = _by_number(release, release.by_stem("CelebAMask-HQ-masks_corrected/*.png"))
    parts: dict[int, dict[str, str]] = {}
    for name in release.glob("*/CelebAMask-HQ-mask-anno/*.png"):
        if (match := _PART_NAME.search(name)) is None:
            raise ValueError(f"{release.folder}: '{name}' is not named like 00024_skin.png")
        parts.setdefault(int(match[1]), {})[match[2]] = name
    faces = []
    for number in numbers:
        if number not in corrected:
            raise ValueError(
                f"{release.folder}: no corrected mask of face {number}; expected "
                f"{number}.png in CelebAMask-HQ-masks_corrected.7z"
            )
        if "skin" not in parts.get(number, {}):
            raise ValueError(
                f"{release.folder}: no layer of skin of face {number}; expected "
                f"{number:05d}_skin.png in CelebAMask-HQ.zip"
            )
        faces.append(
            FaceFiles(
                number=number,
                image=images[number],
                corrected=corrected[number],
                parts=parts[number],
            )
        )
    return faces


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
    original = resize_seg_map(_read_original(release, face, image), size)
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


def fitted_jpeg(data: bytes, image: np.ndarray, size: tuple[int, int], quality: int) -> bytes:
    """Return an image as JPEG of a size: its own bytes if it has that size and is a JPEG.

    Args:
        data: The file's bytes.
        image: (H, W, 3) uint8 RGB, decoded from them.
        size: (height, width) wanted.
        quality: JPEG quality, 1-100, where it is encoded anew.
    """
    if image.shape[:2] == size and data.startswith(_JPEG_START):
        return data
    return encode_jpeg(resize_image(image, size), quality)


def read_corrected(release: Release, face: FaceFiles, image: np.ndarray) -> np.ndarray:
    """Read a face's corrected mask, at its own size.

    Args:
        release: CelebAMask-HQ.
        face: Where its files lie.
        image: (H, W, 3) its photograph, whose aspect the mask must have.

    Returns:
        (h, w) uint8 class ids.

    Raises:
        ValueError: If it cannot be read or has another aspect; names it.
    """
    return _read_seg_map(release, face.corrected, image)


def _read_original(release: Release, face: FaceFiles, image: np.ndarray) -> np.ndarray:
    """Build the mask of a face from its layers. Returns (h, w) uint8 class ids."""
    layers = {
        part: _read_seg_map(release, name, image) == FACE for part, name in face.parts.items()
    }
    try:
        return original_seg_map(layers)
    except ValueError as error:
        raise ValueError(f"{release.folder}: face {face.number}: {error}") from error


def _read_seg_map(release: Release, name: str, image: np.ndarray) -> np.ndarray:
    """Read a mask, which may be smaller than its image but not of another shape.

    The release's layers are 512x512, its photographs 1024x1024.
    """
    seg_map = to_seg_map(decode_mask(release.read(name), name), name)
    height, width = image.shape[:2]
    if height * seg_map.shape[1] != width * seg_map.shape[0]:
        raise ValueError(
            f"{name}: a mask of {seg_map.shape[0]}x{seg_map.shape[1]} pixels, while its image "
            f"has {height}x{width}; expected the same aspect"
        )
    return seg_map
