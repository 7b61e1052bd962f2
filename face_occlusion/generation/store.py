"""Occluders of an image set, decoded once and shared by all workers.

Cut-outs lie in one file that every worker maps into memory: its pages are shared, so a worker's
private memory does not grow with their number. Textures are decoded when chosen (1 ms each).
"""

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from face_occlusion.core.files import atomic_path
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.parallel import ordered_map
from face_occlusion.generation.geometry import Occluder, make_occluder
from face_occlusion.generation.shapes import Texture

MUCH_TO_DECODE = 2**25  # bytes: a second of work, more than it takes to start processes


class OccluderStore(Sequence[Occluder]):
    """Occluders, taken one at a time, in a file mapped into memory; picklable.

    The file at `path` is replaced if it is there, and must outlive the store.
    """

    def __init__(self, occluders: Iterable[Occluder], path: Path) -> None:
        self._path = path
        self._stored: list[tuple[Occluder, list[tuple[int, tuple[int, ...]]]]] = []
        self._pixels: np.ndarray | None = None
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            for occluder in occluders:
                levels = []  # offset in bytes and shape of each
                for level in occluder.levels:
                    levels.append((file.tell(), level.shape))
                    file.write(level.tobytes())
                self._stored.append((replace(occluder, levels=()), levels))

    def __len__(self) -> int:
        return len(self._stored)

    def __getitem__(self, index: int) -> Occluder:  # type: ignore[override]  # no slices
        occluder, stored = self._stored[index]
        if self._pixels is None:
            self._pixels = np.asarray(np.memmap(self._path, dtype=np.uint8, mode="r"))
        levels = tuple(
            self._pixels[offset : offset + math.prod(shape)].reshape(shape)
            for offset, shape in stored
        )
        return replace(occluder, levels=levels)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_pixels": None}


class TextureStore(Sequence[Texture]):
    """Textures, decoded by `load` when asked for; picklable, as `load` must be."""

    def __init__(self, keys: Sequence[str], load: Callable[[str], np.ndarray]) -> None:
        self._keys = list(keys)
        self._load = load

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, index: int) -> Texture:  # type: ignore[override]  # no slices
        key = self._keys[index]
        return Texture(key, self._load(key))


def read_occluder(occluders: ImageSet, key: str) -> Occluder:
    """Read one cut-out and measure it; an unreadable or empty one is a ValueError that names it."""
    record = occluders.record(key)
    pointing, enters = record.get("pointing_deg"), record.get("enters", "none")
    if pointing is not None and not isinstance(pointing, int | float):
        raise ValueError(f"{occluders.folder}: {key}: pointing_deg must be a number")
    try:
        return make_occluder(occluders.cutout(key), key=key, pointing_deg=pointing, enters=enters)
    except ValueError as error:
        raise ValueError(f"{occluders.folder}: {error}") from error


def open_store(
    occluders: ImageSet, method: str, path: Path, workers: int = 1
) -> OccluderStore | TextureStore:
    """Open the occluders that a method needs: cut-outs for `natocc`, textures for `randocc`.

    `path` is the file for decoded cut-outs; `workers` processes decode, where there is much to.

    Raises:
        ValueError: If the set is of another kind.
    """
    kind = {"natocc": "cutouts", "randocc": "textures"}[method]
    if occluders.info["kind"] != kind:
        raise ValueError(
            f"{occluders.folder}: {method} needs a set of {kind}; got {occluders.info['kind']}"
        )
    keys = sorted(occluders.keys)
    if method == "randocc":
        return TextureStore(keys, occluders.image)
    if sum(shard["size"] for shard in occluders.shards) < MUCH_TO_DECODE:
        workers = 1
    read = functools.partial(read_occluder, occluders)
    return OccluderStore(ordered_map(read, keys, desc="cut-outs", workers=workers), path)
