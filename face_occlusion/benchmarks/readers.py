"""Read the benchmarks' releases: RealOcc's folders, COFW, CelebAMask-HQ's unoccluded test faces."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from face_occlusion.benchmarks.cofw import CofwTrain
from face_occlusion.core.images import decode_image, decode_mask, to_seg_map
from face_occlusion.core.release import Release
from face_occlusion.core.resizing import resize_seg_map
from face_occlusion.faces.celebamask_hq import find_faces, list_images, read_corrected
from face_occlusion.faces.part_masks import read_subsets


@dataclass(frozen=True, kw_only=True)
class Annotated:
    """An image with its mask.

    Attributes:
        name: What errors and records call it.
        data: The image file's own bytes, None if it comes from no file.
        image: (H, W, 3) uint8 RGB.
        seg_map: (H, W) uint8 class ids.
        landmarks: (29, 2) COFW's points, None elsewhere.
        identity: Whose face it is, CelebA's number, None where nobody says.
    """

    name: str
    data: bytes | None
    image: np.ndarray
    seg_map: np.ndarray
    landmarks: np.ndarray | None = None
    identity: str | None = None


class Reader(Protocol):
    """What a benchmark is read through; picklable."""

    keys: list[str]

    def read(self, key: str) -> Annotated:
        """Read one image with its mask; a ValueError names the file."""
        ...

    def info(self) -> dict[str, Any]:
        """Return what the set's info says beyond its sources."""
        ...


class FolderReader:
    """A benchmark in folders: `image/`, `mask/` and, where it is, `split/val.txt`.

    Raises:
        ValueError: If there are no images or no masks, or one of the split has neither.
    """

    def __init__(self, release: Release) -> None:
        self.release = release
        self.images = release.by_stem("*/image/*", "*/images/*", "*/img/*")
        self.masks = release.by_stem("*/mask/*", "*/masks/*")
        splits = release.glob("*/split/*val*.txt")
        self.split = splits[0] if splits else None
        stems = sorted(self.images)
        if self.split is not None:
            stems = [_stem(line) for line in release.lines(self.split)]
            if len(set(stems)) < len(stems):
                raise ValueError(f"{release.folder / self.split}: an image is listed twice")
            if not stems:
                raise ValueError(f"{release.folder / self.split}: an empty list of images")
        for stem in stems:
            for found, what in ((self.images, "image"), (self.masks, "mask")):
                if stem not in found:
                    listed = f"{self.split} lists" if self.split else "there is an image"
                    raise ValueError(f"{release.folder}: {listed} '{stem}', which has no {what}")
        self.stem_of = {re.sub(r"[^0-9A-Za-z_-]+", "_", stem): stem for stem in stems}
        self.keys = list(self.stem_of)

    def read(self, key: str) -> Annotated:
        """Read one image with its mask, which must have the same size."""
        stem = self.stem_of[key]
        name, mask_name = self.images[stem], self.masks[stem]
        data = self.release.read(name)
        image = decode_image(data, name)
        seg_map = to_seg_map(decode_mask(self.release.read(mask_name), mask_name), mask_name)
        if seg_map.shape != image.shape[:2]:
            raise ValueError(
                f"{mask_name}: a mask of {seg_map.shape[0]}x{seg_map.shape[1]} pixels, while its "
                f"image has {image.shape[0]}x{image.shape[1]}; expected the same size"
            )
        return Annotated(name=name.rpartition("/")[2], data=data, image=image, seg_map=seg_map)

    def info(self) -> dict[str, Any]:
        """Say which list chose the images."""
        return {"split": self.split or "all images; the release has no split"}


def _stem(line: str) -> str:
    """Return a listed image's name without folder and image ending."""
    return re.sub(r"\.(jpe?g|png)$", "", line.rpartition("/")[2], flags=re.IGNORECASE)


class WoTestReader:
    """The unoccluded test faces of CelebAMask-HQ with their corrected masks."""

    def __init__(self, release: Release) -> None:
        self.release = release
        images = list_images(release)
        self.subsets = read_subsets(release, images)
        faces = find_faces(release, images, self.subsets.numbers["wo_test"])
        self.faces = {face.key: face for face in faces}
        self.keys = list(self.faces)

    def read(self, key: str) -> Annotated:
        """Read one face; its mask takes the image's size."""
        face = self.faces[key]
        data = self.release.read(face.image)
        image = decode_image(data, face.image)
        seg_map = resize_seg_map(read_corrected(self.release, face, image), image.shape[:2])
        return Annotated(
            name=face.image.rpartition("/")[2],
            data=data,
            image=image,
            seg_map=seg_map,
            identity=face.identity,
        )

    def info(self) -> dict[str, Any]:
        """Say what was checked of the lists."""
        return self.subsets.info()


class CofwReader:
    """COFW's train images that have masks."""

    def __init__(self, release: Release) -> None:
        self.cofw = CofwTrain(release)
        self.number_of = {
            f"{index + 1:04d}": number for number, index in self.cofw.image_of_mask.items()
        }
        self.keys = list(self.number_of)

    def read(self, key: str) -> Annotated:
        """Read one image with its mask and its own landmarks."""
        index = int(key) - 1
        return Annotated(
            name=f"{self.cofw.mat_name.rpartition('/')[2]}: image {key}",
            data=None,
            image=self.cofw.image(index),
            seg_map=self.cofw.seg_map(self.number_of[key]),
            landmarks=self.cofw.landmarks(index)[0],
        )

    def info(self) -> dict[str, Any]:
        """Say how masks were matched to images."""
        return {
            "mask_numbering": self.cofw.numbering,
            "visible_landmarks_on_mask_frac": round(self.cofw.on_mask_frac, 4),
        }


READERS: dict[str, type[FolderReader] | type[WoTestReader] | type[CofwReader]] = {
    "realocc": FolderReader,
    "realocc_wild": FolderReader,
    "celebamask_hq": WoTestReader,
    "cofw": CofwReader,
}
