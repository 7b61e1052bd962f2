"""Where CelebAMask-HQ keeps a face's photograph, part layers and corrected mask; reading them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from face_occlusion.core.classes import FACE
from face_occlusion.core.images import decode_mask, to_seg_map
from face_occlusion.core.release import Release
from face_occlusion.faces.part_masks import original_seg_map, read_identities

_PART_NAME = re.compile(r"/(\d+)_([a-z_]+)\.png$")


@dataclass(frozen=True, kw_only=True)
class FaceFiles:
    """Where one face's files lie in the release.

    Attributes:
        number: Its CelebAMask-HQ number.
        image: Name of the photograph.
        corrected: Name of the corrected mask.
        parts: Layer (`skin`, `l_eye`, ...) -> name of its mask.
        identity: Whose face it is, CelebA's number; None where the release does not say.
    """

    number: int
    image: str
    corrected: str
    parts: dict[str, str]
    identity: str | None

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
    identities = read_identities(release)
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
                identity=identities.get(number),
            )
        )
    return faces


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


def read_original(release: Release, face: FaceFiles, image: np.ndarray) -> np.ndarray:
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
