"""Read the benchmarks' releases: RealOcc's folders, COFW, CelebAMask-HQ's unoccluded test faces."""

import io
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import h5py
import numpy as np

from face_occlusion.core.classes import FACE, resize_seg_map
from face_occlusion.core.files import errors_name
from face_occlusion.core.images import decode_image
from face_occlusion.core.release import Release
from face_occlusion.faces.celebamask_hq import (
    by_number,
    face_key,
    find_corrected,
    list_images,
    read_corrected,
    read_identities,
    read_subsets,
)

NUM_LANDMARKS = 29  # of COFW
_MIN_ON_MASK = 0.5  # share of visible landmarks on their mask, below which masks do not match


@dataclass(frozen=True, kw_only=True)
class Annotated:
    """An image with its mask."""

    name: str  # what errors and records call it
    data: bytes | None  # the image file's own bytes, None if it comes from no file
    image: np.ndarray  # (H, W, 3) uint8 RGB
    seg_map: np.ndarray  # (H, W) uint8 class ids
    landmarks: np.ndarray | None = None  # (29, 2) COFW's points, None elsewhere
    identity: str | None = None  # CelebA's number of the person, None where it is unknown


class FolderReader:
    """A benchmark in folders: `image/`, `mask/` and, where the release has one, `split/val.txt`.

    No images, no masks, and an image of the split that lacks either are a ValueError.
    """

    def __init__(self, release: Release) -> None:
        self.release = release
        self.images = release.by_stem("*/image/*", "*/images/*", "*/img/*")
        self.masks = release.by_stem("*/mask/*", "*/masks/*")
        splits = release.glob("*/split/*val*.txt")
        self.split = splits[0] if splits else None
        stems = sorted(self.images)
        if self.split is not None:
            names = (line.rpartition("/")[2] for line in release.lines(self.split))
            stems = [re.sub(r"\.(jpe?g|png)$", "", name, flags=re.IGNORECASE) for name in names]
            if len(set(stems)) < len(stems):
                raise ValueError(f"{release.folder / self.split}: an image is listed twice")
            if not stems:
                raise ValueError(f"{release.folder / self.split}: the list of images is empty")
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
        seg_map = self.release.seg_map(mask_name)
        if seg_map.shape != image.shape[:2]:
            raise ValueError(
                f"{mask_name}: a mask of {seg_map.shape[0]}x{seg_map.shape[1]} pixels, while its "
                f"image has {image.shape[0]}x{image.shape[1]}; expected the same size"
            )
        return Annotated(name=name.rpartition("/")[2], data=data, image=image, seg_map=seg_map)

    def info(self) -> dict[str, Any]:
        """Return the list that chose the images."""
        return {"split": self.split or "all images; the release has no split"}


class WoTestReader:
    """The unoccluded test faces of CelebAMask-HQ, with the masks that the authors corrected."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self.images = list_images(release)
        self.subsets = read_subsets(release, self.images)
        self.identities = read_identities(release)
        self.corrected = find_corrected(release, self.subsets.numbers["wo_test"])
        self.keys = [face_key(number) for number in self.corrected]

    def read(self, key: str) -> Annotated:
        """Read one face; its mask takes the image's size."""
        number = int(key)
        name = self.images[number]
        data = self.release.read(name)
        image = decode_image(data, name)
        size = image.shape[:2]
        seg_map = read_corrected(self.release, self.corrected[number], size, "its image")
        return Annotated(
            name=name.rpartition("/")[2],
            data=data,
            image=image,
            seg_map=resize_seg_map(seg_map, size),
            identity=self.identities.get(number),
        )

    def info(self) -> dict[str, Any]:
        """Return what was checked of the lists."""
        return self.subsets.info()


class CofwReader:
    """COFW's train images that have masks: MATLAB v7.3 files (HDF5), masks released separately.

    Burgos-Artizzu, Perona and Dollár, "Robust face landmark estimation under occlusion" (ICCV
    2013); masks of 500 of its 1,345 train images: Jia, Yang, Chan and Patras (CVPR 2014).

    The masks are numbered, but the release does not say what the numbers count. Three rules are
    tried: the image's number from 1, from 0, or in order to the last images (the first 845 of
    the 1,345 train images are LFPW's). The rule is taken under which all sizes agree and the most
    visible landmarks lie on the face; `numbering` names it. Keys are image numbers from 1.

    Picklable; each process opens the file once. Files that are missing or not as in COFW, and no
    rule that fits, are a ValueError.
    """

    def __init__(self, release: Release) -> None:
        self.release = release
        self.mat_name = release.find("*COFW_train*.mat")
        stems = release.by_stem("COFW_train_masks/*.png")
        # by the last number in each name
        self.mask_names = dict(sorted(by_number(release, stems, r"(?:.*\D)?(\d+)\D*").items()))
        index_of, self.numbering, self.on_mask_frac = self._match()
        self.number_of = {f"{index + 1:04d}": number for number, index in index_of.items()}
        self.keys = list(self.number_of)

    def __getstate__(self) -> dict[str, Any]:
        open_file = ("_file", "_references")
        return {key: value for key, value in self.__dict__.items() if key not in open_file}

    def read(self, key: str) -> Annotated:
        """Read one image with its mask and its own landmarks."""
        index = int(key) - 1
        return Annotated(
            name=f"{self.mat_name.rpartition('/')[2]}: image {key}",
            data=None,
            image=self.image(index),
            seg_map=self.release.seg_map(self.mask_names[self.number_of[key]]),
            landmarks=self.landmarks(index)[0],
        )

    def info(self) -> dict[str, Any]:
        """Return how masks were matched to images."""
        return {
            "mask_numbering": self.numbering,
            "visible_landmarks_on_mask_frac": round(self.on_mask_frac, 4),
        }

    @cached_property
    def _file(self) -> h5py.File:
        with errors_name(f"{self.mat_name}: not a MATLAB v7.3 (HDF5) file", OSError):
            return h5py.File(io.BytesIO(self.release.read(self.mat_name)), "r")

    def _dataset(self, name: str) -> h5py.Dataset:
        dataset = self._file.get(name)
        if not isinstance(dataset, h5py.Dataset):
            raise ValueError(f"{self.mat_name}: no '{name}'; found {', '.join(self._file)}")
        return dataset

    @cached_property
    def _references(self) -> np.ndarray:
        return np.ravel(self._dataset("IsTr")[()])

    @cached_property
    def _landmarks(self) -> np.ndarray:
        """(N, 87): x of 29 points, y of 29, occluded flag of 29; pixels counted from 1."""
        table = np.asarray(self._dataset("phisTr")[()], dtype=float)
        if table.shape[0] == 3 * NUM_LANDMARKS:
            table = table.T
        if table.shape != (len(self._references), 3 * NUM_LANDMARKS):
            raise ValueError(
                f"{self.mat_name}: 'phisTr' must be {len(self._references)} x "
                f"{3 * NUM_LANDMARKS} (x, y and occlusion of 29 points); got {table.shape}"
            )
        return table

    def _match(self) -> tuple[dict[int, int], str, float]:
        """Return mask number -> image index (from 0), the rule's name, and how well it fits."""
        numbers, count = list(self.mask_names), len(self._references)
        last = range(count - len(numbers), count)
        rules = {
            "image number from 1": {number: number - 1 for number in numbers},
            "image number from 0": {number: number for number in numbers},
            "in order, the last images": dict(zip(numbers, last, strict=True)),
        }
        fits: dict[str, float] = {}
        for rule, index_of in rules.items():
            if all(0 <= index < count for index in index_of.values()):
                fits[rule] = self._fit(index_of)
        best = max(fits, key=lambda rule: fits[rule], default=None)
        if best is None or fits[best] < _MIN_ON_MASK:
            raise ValueError(
                f"{self.release.folder}: the {len(numbers)} masks, numbered {numbers[0]} to "
                f"{numbers[-1]}, do not fit the {count} images of {self.mat_name}: a mask has "
                f"another size than its image, or visible landmarks lie off the face ({fits})"
            )
        return rules[best], best, fits[best]

    def _fit(self, index_of: dict[int, int]) -> float:
        """Return the share of visible landmarks on their mask; 0 if a size differs."""
        on_mask = visible = 0
        for number, index in index_of.items():
            seg_map = self.release.seg_map(self.mask_names[number])
            if seg_map.shape != self._image_dataset(index).shape[:-3:-1]:
                return 0.0
            points, occluded = self.landmarks(index)
            columns, rows = np.rint(points[~occluded]).astype(int).T
            inside = (rows >= 0) & (rows < seg_map.shape[0])
            inside &= (columns >= 0) & (columns < seg_map.shape[1])
            on_mask += int((seg_map[rows[inside], columns[inside]] == FACE).sum())
            visible += len(rows)
        return on_mask / max(1, visible)

    def _image_dataset(self, index: int) -> h5py.Dataset:
        """Return ([3,] W, H) pixels: MATLAB stores columns first."""
        dataset = self._file[self._references[index]]
        if not isinstance(dataset, h5py.Dataset) or dataset.ndim not in (2, 3):
            raise ValueError(f"{self.mat_name}: image {index + 1} of 'IsTr' is not an image")
        return dataset

    def image(self, index: int) -> np.ndarray:
        """Return an image, counted from 0: (H, W, 3) uint8 RGB; grey has three equal channels.

        One that is not 8-bit grey or colour is a ValueError.
        """
        pixels = np.asarray(self._image_dataset(index)[()]).T  # (H, W[, 3])
        if pixels.dtype != np.uint8 or (pixels.ndim == 3 and pixels.shape[2] != 3):
            raise ValueError(
                f"{self.mat_name}: image {index + 1} must be 8-bit grey or RGB; "
                f"got {pixels.shape} {pixels.dtype}"
            )
        if pixels.ndim == 2:
            pixels = np.repeat(pixels[..., np.newaxis], 3, axis=2)
        return np.ascontiguousarray(pixels)

    def landmarks(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return an image's landmarks, counted from 0.

        (29, 2) float (x, y) pixels, the first pixel's centre at (0, 0); and (29,) bool: whether
        each is occluded.
        """
        xs, ys, occluded = self._landmarks[index].reshape(3, NUM_LANDMARKS)
        return np.stack([xs, ys], axis=1) - 1, occluded > 0.5  # MATLAB counts from 1


Reader = FolderReader | WoTestReader | CofwReader
READERS: dict[str, type[Reader]] = {
    "realocc": FolderReader,
    "realocc_wild": FolderReader,
    "celebamask_hq": WoTestReader,
    "cofw": CofwReader,
}
