"""Read the train part of COFW: MATLAB v7.3 files (HDF5), and the masks released apart.

Burgos-Artizzu, Perona and Dollár, "Robust face landmark estimation under occlusion" (ICCV
2013); masks of 500 of its 1,345 train images: Jia, Yang, Chan and Patras (CVPR 2014).
"""

from __future__ import annotations

import io
import re
from functools import cached_property
from typing import Any

import h5py
import numpy as np

from face_occlusion.core.classes import FACE
from face_occlusion.core.images import decode_mask, to_seg_map
from face_occlusion.core.release import Release

NUM_LANDMARKS = 29
_MIN_ON_MASK = 0.5  # share of visible landmarks on their mask, below which masks are another's


class CofwTrain:
    """COFW's train images that have masks, by number.

    The masks carry numbers, but no release says what they count. They are matched to the images
    by three rules in turn - the image's number from 1, from 0, or in order to the last images
    (the first 845 of the 1,345 train images are LFPW's) - and the one is taken under which all
    sizes agree and the most visible landmarks lie on the face. `numbering` says which.

    Picklable; each process opens the file once.

    Raises:
        ValueError: If files are missing or not as in COFW, or no rule fits.
    """

    def __init__(self, release: Release) -> None:
        self.release = release
        self.mat_name = release.find("*COFW_train*.mat")
        self.mask_names = self._number_masks(release.by_stem("COFW_train_masks/*.png"))
        self.image_of_mask, self.numbering, self.on_mask_frac = self._match()

    def __getstate__(self) -> dict[str, Any]:
        open_file = ("_file", "_references")
        return {key: value for key, value in self.__dict__.items() if key not in open_file}

    @cached_property
    def _file(self) -> h5py.File:
        try:
            return h5py.File(io.BytesIO(self.release.read(self.mat_name)), "r")
        except OSError as error:
            raise ValueError(f"{self.mat_name}: not a MATLAB v7.3 (HDF5) file: {error}") from error

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

    def _number_masks(self, stems: dict[str, str]) -> dict[int, str]:
        numbers: dict[int, str] = {}
        for stem, name in stems.items():
            digits = re.findall(r"\d+", stem)
            if not digits:
                raise ValueError(f"{self.release.folder}: mask '{name}' has no number in its name")
            number = int(digits[-1])
            if number in numbers:
                raise ValueError(f"{self.release.folder}: '{numbers[number]}' and '{name}' are one")
            numbers[number] = name
        return dict(sorted(numbers.items()))

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
            seg_map = self.seg_map(number)
            if seg_map.shape != self._image_size(index):
                return 0.0
            points, occluded = self.landmarks(index)
            columns, rows = np.rint(points[~occluded]).astype(int).T
            inside = (rows >= 0) & (rows < seg_map.shape[0])
            inside &= (columns >= 0) & (columns < seg_map.shape[1])
            on_mask += int((seg_map[rows[inside], columns[inside]] == FACE).sum())
            visible += len(rows)
        return on_mask / max(1, visible)

    def _image_size(self, index: int) -> tuple[int, int]:
        shape = self._image_dataset(index).shape  # ([3,] W, H): MATLAB stores columns first
        return int(shape[-1]), int(shape[-2])

    def _image_dataset(self, index: int) -> h5py.Dataset:
        dataset = self._file[self._references[index]]
        if not isinstance(dataset, h5py.Dataset) or dataset.ndim not in (2, 3):
            raise ValueError(f"{self.mat_name}: image {index + 1} of 'IsTr' is no image")
        return dataset

    def image(self, index: int) -> np.ndarray:
        """Return an image, counted from 0.

        Returns:
            (H, W, 3) uint8 RGB; grey ones have three equal channels.

        Raises:
            ValueError: If it is not 8-bit grey or colour.
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

        Returns:
            (29, 2) float (x, y) pixels, the first pixel's centre at (0, 0); and (29,) bool:
            whether each is occluded.
        """
        xs, ys, occluded = self._landmarks[index].reshape(3, NUM_LANDMARKS)
        return np.stack([xs, ys], axis=1) - 1, occluded > 0.5  # MATLAB counts from 1

    def seg_map(self, number: int) -> np.ndarray:
        """Return the mask of a number. (H, W) uint8 class ids."""
        name = self.mask_names[number]
        return to_seg_map(decode_mask(self.release.read(name), name), name)
