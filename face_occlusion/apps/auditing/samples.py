"""Images and masks of a set at the auditor's size, with what belongs together."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from face_occlusion.core.classes import FACE, IGNORED
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.parallel import ordered_map

_ALONE_UP_TO = 1000  # samples that are read faster here than processes start


@dataclass(frozen=True)
class Samples:
    """Small pictures with their masks.

    Attributes:
        keys: What each is called in its set.
        groups: Whose face each shows: samples of one group are never on both sides of a fold.
        images: (N, S, S, 3) uint8 RGB.
        faces: (N, S, S) uint8 share of face by the mask, 255 = all.
        known: (N, S, S) uint8 share that the mask does not ignore, 255 = all.
    """

    keys: list[str]
    groups: list[str]
    images: np.ndarray
    faces: np.ndarray
    known: np.ndarray

    def __len__(self) -> int:
        return len(self.keys)


def load_samples(image_set: ImageSet, part: str, side_px: int) -> Samples:
    """Read a set, squeezed into squares.

    Args:
        image_set: Faces with masks.
        part: Whose masks: `png`, or `original.png`.
        side_px: Side of the squares.

    Raises:
        ValueError: If the set is empty, has no such part, or a sample cannot be read.
    """
    if image_set.absent:
        raise ValueError(f"{image_set.folder}: empty: {image_set.absent}")
    count, square = len(image_set), (side_px, side_px)
    images = np.empty((count, *square, 3), np.uint8)
    faces, known = np.empty((count, *square), np.uint8), np.empty((count, *square), np.uint8)
    groups = []
    load = functools.partial(_load, image_set=image_set, part=part, side_px=side_px)
    workers = 1 if count <= _ALONE_UP_TO else None
    loaded = ordered_map(
        load, image_set.keys, desc=f"read {image_set.folder.name}", workers=workers
    )
    for place, (image, face, is_known, group) in enumerate(loaded):
        images[place], faces[place], known[place] = image, face, is_known
        groups.append(group)
    return Samples(image_set.keys, groups, images, faces, known)


def _load(
    key: str, *, image_set: ImageSet, part: str, side_px: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    seg_map = image_set.seg_map(key, part)
    image, face, known = (
        cv2.resize(pixels, (side_px, side_px), interpolation=cv2.INTER_AREA)
        for pixels in (
            image_set.image(key),
            (seg_map == FACE).astype(np.uint8) * np.uint8(255),
            (seg_map != IGNORED).astype(np.uint8) * np.uint8(255),
        )
    )
    record = image_set.record(key) if "json" in image_set.parts(key) else {}
    return image, face, known, group_of(key, record)


def group_of(key: str, record: Mapping[str, object]) -> str:
    """Say whose face a sample shows: its identity, the face it was made of, or its own key."""
    identity = record.get("identity")
    return str(record.get("face", key)) if identity is None else f"identity {identity}"


def join(audited: Samples, references: Sequence[Samples]) -> Samples:
    """Append references to a set; those made of an audited face join its group."""
    parts = [audited, *references]
    known_groups = dict(zip(audited.keys, audited.groups, strict=True))
    return Samples(
        keys=[key for part in parts for key in part.keys],
        groups=[known_groups.get(group, group) for part in parts for group in part.groups],
        images=np.concatenate([part.images for part in parts]),
        faces=np.concatenate([part.faces for part in parts]),
        known=np.concatenate([part.known for part in parts]),
    )
