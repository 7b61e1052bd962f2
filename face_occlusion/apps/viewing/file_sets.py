"""Folders of files, as `occlude`, `unpack` and `align` write them, to look at like an image set."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from face_occlusion.apps.folders import files_by_stem, read_image
from face_occlusion.core.classes import to_seg_map
from face_occlusion.core.images import decode_mask, decode_rgba
from face_occlusion.cutouts import premultiply

_FOLDERS = {
    "jpg": "images",
    "png": "masks",
    "original.png": "masks_original",
    "rgba.png": "cutouts",
}


class FileSet:
    """The files in `images` or `cutouts`, with those of the same name in `masks` and `records`.

    It has what a contact sheet asks of an `ImageSet`.

    Raises:
        ValueError: If the folder holds neither `images` nor `cutouts`.
    """

    absent = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        found = {part: folder / name for part, name in _FOLDERS.items()}
        self._files = {part: files_by_stem(path) for part, path in found.items() if path.is_dir()}
        shown = self._files.get("jpg") or self._files.get("rgba.png")
        if shown is None:
            raise ValueError(f"{folder}: is not an image set, and has no folder images or cutouts")
        self.keys = sorted(shown)
        kind = "faces" if "png" in self._files else "files"
        self.info: dict[str, Any] = {"name": folder.resolve().name, "kind": kind, "sources": []}

    def __len__(self) -> int:
        return len(self.keys)

    def _record(self, key: str) -> Path:
        return self.folder / "records" / f"{key}.json"

    def parts(self, key: str) -> list[str]:
        """Return the names of a sample's parts as an image set has them; ValueError for another."""
        if key not in self.keys:
            raise ValueError(f"{self.folder}: no sample '{key}' among {len(self)}")
        parts = [part for part, files in self._files.items() if key in files]
        return [*parts, "json"] if self._record(key).is_file() else parts

    def record(self, key: str) -> dict[str, Any]:
        """Read a sample's record."""
        return json.loads(self._record(key).read_text())

    def image(self, key: str) -> np.ndarray:
        """Decode an image: (H, W, 3) uint8 RGB."""
        return read_image(self._files["jpg"][key])

    def seg_map(self, key: str, part: str = "png") -> np.ndarray:
        """Decode a mask to (H, W) uint8: 0 background, 1 face, 255 ignored.

        Of a map with more classes, all but 0 is face.
        """
        path = self._files[part][key]
        mask = decode_mask(path.read_bytes(), str(path))
        is_plain = np.isin(mask, (0, 1, 255)).all()
        return to_seg_map(mask if is_plain else mask > 0, str(path))

    def cutout(self, key: str) -> np.ndarray:
        """Decode a cut-out: (H, W, 4) uint8 RGBA, premultiplied."""
        path = self._files["rgba.png"][key]
        straight = decode_rgba(path.read_bytes(), str(path))
        return premultiply(straight[..., :3], straight[..., 3] / 255)
