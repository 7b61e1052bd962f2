"""Samples of a generated set made again from their records, as they are or with a change."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from face_occlusion.core.imageset import ImageSet
from face_occlusion.generation.augmentation import apply_face
from face_occlusion.generation.occluder import Occluder
from face_occlusion.generation.occlusion import regenerate
from face_occlusion.generation.shapes import Texture
from face_occlusion.generation.store import read_occluder


class Regenerator:
    """Repeats samples of one generated set.

    Args:
        image_set: The set, of kind `synthetic`.
        faces: The faces it was made from.
        occluders: The occluders it was made from.

    Raises:
        ValueError: If the set says that it was made from others.
    """

    def __init__(self, image_set: ImageSet, faces: ImageSet, occluders: ImageSet) -> None:
        for role, source in (("faces", faces), ("occluders", occluders)):
            if image_set.info[role] != source.info["name"]:
                raise ValueError(
                    f"{image_set.folder}: made from {role} {image_set.info[role]!r}; "
                    f"got {source.info['name']!r}"
                )
        self.image_set, self.faces, self.occluders = image_set, faces, occluders
        self._occluder = lru_cache(maxsize=32)(self._read_occluder)

    def image(self, key: str, **changes: Any) -> np.ndarray:
        """Make a sample's image again, before it was compressed.

        Args:
            key: The sample.
            changes: Fields of its record that are to be others, such as `harmonisation=None`.

        Returns:
            (H, W, 3) uint8 RGB.
        """
        record = self.image_set.record(key) | changes
        face, seg_map = self._face(record)
        return regenerate(face, seg_map, self._occluder(record["occluder"]), record)[0]

    def bare_face(self, key: str) -> np.ndarray:
        """Return a sample's face as augmented, without its occluder; (H, W, 3) uint8 RGB."""
        record = self.image_set.record(key)
        return apply_face(*self._face(record), record["face_changes"])[0]

    def _face(self, record: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        return self.faces.image(record["face"]), self.faces.seg_map(record["face"])

    def _read_occluder(self, key: str) -> Occluder | Texture:
        if self.occluders.info["kind"] == "textures":
            return Texture(key, self.occluders.image(key))
        return read_occluder(self.occluders, key)


def mean_change(first: np.ndarray, second: np.ndarray) -> float:
    """Return by how many levels of 255 two uint8 images differ, over the pixels that do; or 0."""
    difference = np.abs(first.astype(np.int16) - second)
    changed = difference.any(axis=-1)
    return float(difference[changed].mean()) if changed.any() else 0.0
