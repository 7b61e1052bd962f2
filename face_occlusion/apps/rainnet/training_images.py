"""Photographs and cut-outs for training RainNet, small enough to be held in memory.

Faces become squares of one side, and cut-outs are fitted into such squares. One `.npz` file can
hold them as JPEG and PNG, so that another machine can train without the image sets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from face_occlusion.core.files import atomic_path
from face_occlusion.core.images import decode_image, decode_rgba, encode_jpeg, encode_rgba
from face_occlusion.core.imageset import ImageSet
from face_occlusion.reporting.pictures import into_square, thumbnail

HELD_OUT = 8  # one key in eight is held out
JPEG_QUALITY = 92


@dataclass(frozen=True)
class TrainingImages:
    """Photographs and cut-outs of one side S, with their keys."""

    faces: np.ndarray  # (N, S, S, 3) uint8 RGB
    cutouts: np.ndarray  # (M, S, S, 4) uint8 premultiplied RGBA, centred
    face_keys: Sequence[str]  # N keys
    cutout_keys: Sequence[str]  # M keys

    def __post_init__(self) -> None:
        if len(self.faces) < 2 or len(self.cutouts) < 2:
            raise ValueError(
                "at least 2 faces and 2 cut-outs are needed, to train and to hold out; "
                f"got {len(self.faces)} and {len(self.cutouts)}"
            )

    @property
    def side_px(self) -> int:
        """Side S of all images."""
        return self.faces.shape[1]

    def split(self) -> tuple[TrainingImages, TrainingImages]:
        """Split by key into images to train on and images held out.

        One key in eight is held out, chosen by its hash, so that adding images moves no other.

        Raises:
            ValueError: If a part is left with fewer than two faces or cut-outs.
        """
        face_held, cutout_held = _held_out(self.face_keys), _held_out(self.cutout_keys)
        return self._part(~face_held, ~cutout_held), self._part(face_held, cutout_held)

    def _part(self, faces: np.ndarray, cutouts: np.ndarray) -> TrainingImages:
        return TrainingImages(
            self.faces[faces],
            self.cutouts[cutouts],
            np.array(self.face_keys)[faces].tolist(),
            np.array(self.cutout_keys)[cutouts].tolist(),
        )


def _held_out(keys: Sequence[str]) -> np.ndarray:
    """Return (N,) bool: the keys that come first by hash, one in eight and at least two."""
    hashes = [hashlib.sha256(key.encode()).hexdigest() for key in keys]
    below = np.array([int(digest[:8], 16) < 2**32 // HELD_OUT for digest in hashes])
    below[np.argsort(hashes)[:2]] = True
    return below


def read_images(
    faces: Path, cutouts: Sequence[Path], side_px: int, max_faces: int
) -> TrainingImages:
    """Read image sets at training size, or a file by `save_images` given as `faces`.

    The middle squares of at most `max_faces` photographs, evenly spaced, are used. The folder's
    name of a set of cut-outs precedes its keys.

    Raises:
        ValueError: If there are no cut-outs, or the sets or the file cannot be read.
    """
    if faces.suffix == ".npz":
        if cutouts:
            raise ValueError(f"{faces} holds cut-outs already; name no sets of cut-outs with it")
        return load_images(faces)
    if not cutouts:
        raise ValueError("name image sets of cut-outs after that of photographs")
    face_set = ImageSet(faces)
    chosen = np.linspace(0, len(face_set) - 1, min(len(face_set), max_faces)).astype(int)
    face_keys = [face_set.keys[i] for i in chosen]
    bar = tqdm(face_keys, desc="faces", leave=False)
    squares = [_square(face_set.image(key), side_px) for key in bar]
    fitted, cutout_keys = [], []
    for cutout_set in map(ImageSet, cutouts):
        for key in tqdm(cutout_set.keys, desc=cutout_set.folder.name, leave=False):
            fitted.append(into_square(cutout_set.cutout(key), side_px, (0, 0, 0, 0)))
            cutout_keys.append(f"{cutout_set.folder.name}/{key}")
    if not squares or not fitted:
        raise ValueError(
            f"{faces}, {[str(folder) for folder in cutouts]}: need photographs and "
            f"cut-outs; got {len(squares)} and {len(fitted)}"
        )
    return TrainingImages(np.stack(squares), np.stack(fitted), face_keys, cutout_keys)


def _square(image: np.ndarray, side_px: int) -> np.ndarray:
    """Cut the middle square and resize it to (side_px, side_px, 3)."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return thumbnail(image[top : top + side, left : left + side], side_px)


def save_images(images: TrainingImages, path: Path) -> None:
    """Write images atomically to one `.npz` file: faces as JPEG, cut-outs as PNG."""
    arrays: dict[str, Any] = {}
    for key, face in zip(images.face_keys, images.faces, strict=True):
        arrays[f"faces/{key}"] = np.frombuffer(encode_jpeg(face, JPEG_QUALITY), np.uint8)
    for key, cutout in zip(images.cutout_keys, images.cutouts, strict=True):
        arrays[f"cutouts/{key}"] = np.frombuffer(encode_rgba(cutout), np.uint8)
    with atomic_path(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


def load_images(path: Path) -> TrainingImages:
    """Read what `save_images` wrote.

    Raises:
        ValueError: If the file is missing or is another kind of file.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file of training images")
    try:
        with np.load(path, allow_pickle=False) as archive:
            faces, cutouts = _entries(archive, "faces/"), _entries(archive, "cutouts/")
        return TrainingImages(
            np.stack([decode_image(data, key) for key, data in faces.items()]),
            np.stack([decode_rgba(data, key) for key, data in cutouts.items()]),
            list(faces),
            list(cutouts),
        )
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a file of training images: {error}") from error


def _entries(archive: np.lib.npyio.NpzFile, prefix: str) -> dict[str, bytes]:
    names = [name for name in archive.files if name.startswith(prefix)]
    return {name.removeprefix(prefix): archive[name].tobytes() for name in names}
