"""Photographs and cut-outs for training RainNet, small enough to be held in memory or carried.

Faces become squares of one side, cut-outs are fitted into such squares. One `.npz` file holds
them as JPEG and WebP, so that a machine with a GPU needs no image sets.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from tqdm import tqdm

from face_occlusion.core.writing import file_aside

if TYPE_CHECKING:
    from face_occlusion.core.imageset import ImageSet

HELD_OUT = 8  # one key in eight is held out
QUALITY = 92  # of both


@dataclass(frozen=True)
class TrainingImages:
    """Photographs and cut-outs of one side S, with their keys.

    Attributes:
        faces: (N, S, S, 3) uint8 RGB.
        cutouts: (M, S, S, 4) uint8 premultiplied RGBA, centred.
        face_keys: N keys.
        cutout_keys: M keys.
    """

    faces: np.ndarray
    cutouts: np.ndarray
    face_keys: Sequence[str]
    cutout_keys: Sequence[str]

    def __post_init__(self) -> None:
        """Check that there is something to train on."""
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
        """Split by key into images to train on and images held out; neither shares any.

        One key in eight is held out, chosen by its hash, so that a set that grows moves none.

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


def collect_images(
    faces: ImageSet, cutouts: Sequence[ImageSet], side_px: int, max_faces: int
) -> TrainingImages:
    """Read image sets at training size.

    Args:
        faces: Photographs, of faces or anything else; the middle square of each is used.
        cutouts: Sets of premultiplied cut-outs.
        side_px: Side of the squares.
        max_faces: Faces beyond this many are left out, evenly over the set.

    Returns:
        The images. Cut-outs' keys are preceded by their set's folder name.

    Raises:
        ValueError: If a set is empty or an image cannot be read.
    """
    chosen = np.linspace(0, len(faces) - 1, min(len(faces), max_faces)).astype(int)
    face_keys = [faces.keys[i] for i in chosen]
    squares = [
        _square(faces.image(key), side_px) for key in tqdm(face_keys, desc="faces", leave=False)
    ]
    fitted, cutout_keys = [], []
    for cutout_set in cutouts:
        for key in tqdm(cutout_set.keys, desc=cutout_set.folder.name, leave=False):
            fitted.append(_fit(cutout_set.cutout(key), side_px))
            cutout_keys.append(f"{cutout_set.folder.name}/{key}")
    if not squares or not fitted:
        raise ValueError(
            f"{faces.folder}, {[str(one.folder) for one in cutouts]}: need photographs and "
            f"cut-outs; got {len(squares)} and {len(fitted)}"
        )
    return TrainingImages(np.stack(squares), np.stack(fitted), face_keys, cutout_keys)


def _square(image: np.ndarray, side_px: int) -> np.ndarray:
    """Cut the middle square and resize it to (side_px, side_px, 3)."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    box = (left, top, left + side, top + side)
    small = Image.fromarray(image).resize((side_px, side_px), Image.Resampling.BOX, box)
    return np.asarray(small)


def _fit(cutout: np.ndarray, side_px: int) -> np.ndarray:
    """Resize a premultiplied cut-out into the middle of (side_px, side_px, 4)."""
    height, width = cutout.shape[:2]
    scale = side_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # RGBa is Pillow's name for premultiplied colours; plain channels are resized as they are.
    channels = [
        np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size, _filter(scale)))
        for plane in np.moveaxis(cutout, 2, 0)
    ]
    small = np.stack(channels, axis=2)
    fitted = np.zeros((side_px, side_px, 4), np.uint8)
    top, left = (side_px - size[1]) // 2, (side_px - size[0]) // 2
    fitted[top : top + size[1], left : left + size[0]] = small
    return fitted


def _filter(scale: float) -> Image.Resampling:
    """Average when shrinking, interpolate when enlarging."""
    return Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR


def save_images(images: TrainingImages, path: Path) -> None:
    """Write images to one `.npz` file, written aside first.

    Args:
        images: What to write: faces as JPEG, cut-outs as WebP with exact alpha.
        path: The file.
    """
    with file_aside(path) as partial, partial.open("wb") as file:
        faces, face_ends = _join([_encode(face, "JPEG") for face in images.faces])
        cutouts, cutout_ends = _join([_encode(cutout, "WEBP") for cutout in images.cutouts])
        np.savez(
            file,
            face_keys=np.array(images.face_keys),
            cutout_keys=np.array(images.cutout_keys),
            faces=faces,
            face_ends=face_ends,
            cutouts=cutouts,
            cutout_ends=cutout_ends,
        )


def load_images(path: Path) -> TrainingImages:
    """Read what `save_images` wrote.

    Raises:
        ValueError: If the file is missing or is another kind of file.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file of training images")
    try:
        with np.load(path, allow_pickle=False) as pack:
            return TrainingImages(
                np.stack([_decode(blob) for blob in _cut(pack["faces"], pack["face_ends"])]),
                np.stack([_decode(blob) for blob in _cut(pack["cutouts"], pack["cutout_ends"])]),
                pack["face_keys"].tolist(),
                pack["cutout_keys"].tolist(),
            )
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: no file of training images: {error}") from error


def _join(blobs: Iterable[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Join files end to end: their bytes (K,) uint8, and where each ends."""
    blobs = list(blobs)
    return np.frombuffer(b"".join(blobs), np.uint8), np.cumsum([len(blob) for blob in blobs])


def _cut(joined: np.ndarray, ends: np.ndarray) -> list[bytes]:
    """Cut joined files apart again."""
    return [part.tobytes() for part in np.split(joined, ends[:-1])]


def _encode(image: np.ndarray, kind: str) -> bytes:
    """Encode one image with Pillow: JPEG without chroma subsampling, WebP with exact alpha."""
    file = io.BytesIO()
    options = {"subsampling": 0} if kind == "JPEG" else {"exact": True}
    Image.fromarray(image).save(file, kind, quality=QUALITY, **options)
    return file.getvalue()


def _decode(blob: bytes) -> np.ndarray:
    """Decode one image with Pillow; a premultiplied colour is held below its alpha."""
    image = np.asarray(Image.open(io.BytesIO(blob)))
    return image if image.shape[2] == 3 else np.minimum(image, image[..., 3:])
