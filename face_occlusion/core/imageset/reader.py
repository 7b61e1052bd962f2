"""Read image sets at random through their index."""

import json
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from face_occlusion.core.classes import BACKGROUND, FACE, IGNORED
from face_occlusion.core.files import PositionedFile, errors_name, file_sha256
from face_occlusion.core.images import decode_image, decode_mask, decode_rgba
from face_occlusion.core.imageset.cards import UNKNOWN_LICENCE, check_cards
from face_occlusion.core.imageset.format import INDEX, MAX_NAME_BYTES, ShardEntry, parse_index

_HASHING = threading.Lock()
MAX_OPEN_SHARDS = 128  # per set and process; the oldest is closed when another is opened


class ImageSet:
    """A folder, as `write_image_set` writes it, of samples with parts: image, seg_map, record, ...

    Reads are positioned (`os.pread`) through handles opened at the first read, so threads may
    share a set, a fork inherits it, and a pickle carries the index but no handle.

    A shard is hashed once, before the first read of it; to be pickled, a set hashes all that it
    has not read, on every core, so that the processes it is sent to need not. Each member is
    compared with the name that the index gives it.

    An index that is missing, foreign, damaged or of another version, and a shard that is missing or
    has another size than the index says, are a ValueError.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        # `info` is what the set says about itself: `kind`, `name`, `sources` and more.
        self.shards, self.info = parse_index(self.folder / INDEX)
        # Why the set is empty on purpose; None for a set with samples.
        self.absent: str | None = self.info.get("absent")
        self._members = {
            key: (shard["name"], parts) for shard in self.shards for key, parts in shard["samples"]
        }
        self.keys = list(self._members)  # in the set's order
        self._handles: dict[str, PositionedFile] = {}
        self._unchecked = {shard["name"]: shard for shard in self.shards}
        for shard in self.shards:
            self._check_size(shard)

    def _check_size(self, shard: ShardEntry) -> None:
        path = self.folder / shard["name"]
        if not path.is_file():
            raise ValueError(f"{path}: no such shard, though {INDEX} lists it")
        if (size := path.stat().st_size) != shard["size"]:
            raise ValueError(f"{path}: must have {shard['size']} bytes by {INDEX}; got {size}")

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, key: object) -> bool:
        return key in self._members

    def __repr__(self) -> str:
        return f"ImageSet({str(self.folder)!r}): {len(self)} samples of {self.info['kind']}"

    def __getstate__(self) -> dict[str, Any]:
        # Threads that pickle a set at once wait for one of them to hash it.
        with _HASHING, ThreadPoolExecutor() as pool:
            list(pool.map(self._check_hash, list(self._unchecked.values())))
        return {**self.__dict__, "_handles": {}, "_unchecked": {}}

    def _check_hash(self, shard: ShardEntry) -> None:
        path = self.folder / shard["name"]
        if (sha256 := file_sha256(path)) != shard["sha256"]:
            raise ValueError(
                f"{path}: must have sha256 {shard['sha256']} by {INDEX}; got {sha256}: "
                "the file was changed after it was written; make the set again, or fetch it again "
                "(`dvc pull`)"
            )
        self._unchecked.pop(shard["name"], None)

    def parts(self, key: str) -> list[str]:
        """Return the names of a sample's parts, sorted; an unknown key is a ValueError."""
        return sorted(self._find(key)[1])

    def _find(self, key: str) -> tuple[str, dict[str, list[int]]]:
        if key not in self._members:
            raise ValueError(f"{self.folder}: no sample '{key}' among {len(self)}")
        return self._members[key]

    def read(self, key: str, part: str) -> bytes:
        """Return one part of a sample as it is stored.

        No such key or part, and a shard that is not what the index says, are a ValueError.
        """
        name, parts = self._find(key)
        if part not in parts:
            raise ValueError(
                f"{self.folder}: sample '{key}' has no part '{part}'; got {', '.join(parts)}"
            )
        offset, size = parts[part]
        handle = self._handle(name)
        header = handle.read(MAX_NAME_BYTES, offset - tarfile.BLOCKSIZE)
        if header.rstrip(b"\0") != f"{key}.{part}".encode():
            raise ValueError(
                f"{self.folder / INDEX}: {key}.{part} is not at byte {offset} of {name}; the entry "
                "was changed after the set was written"
            )
        content = handle.read(size, offset)
        if len(content) != size:
            raise ValueError(
                f"{self.folder / name}: truncated inside {key}.{part}; make the set again"
            )
        return content

    def _handle(self, name: str) -> PositionedFile:
        with _HASHING:  # one thread hashes a shard, the others wait for it
            if shard := self._unchecked.get(name):
                self._check_hash(shard)
        # No lock: each step is one atomic operation on the dict, and a handle that another
        # thread drops here stays open until the last reader lets go of it.
        handle = self._handles.get(name)
        if handle is None:
            handle = self._handles.setdefault(name, PositionedFile(self.folder / name))
            for oldest in list(self._handles)[:-MAX_OPEN_SHARDS]:
                self._handles.pop(oldest, None)
        return handle

    def image(self, key: str, part: str = "jpg") -> np.ndarray:
        """Decode an image: (H, W, 3) uint8 RGB."""
        return decode_image(self.read(key, part), self._name(key, part))

    def seg_map(self, key: str, part: str = "png") -> np.ndarray:
        """Decode class ids: (H, W) uint8; 0 background, 1 face, 255 ignored, else a ValueError."""
        seg_map = decode_mask(self.read(key, part), self._name(key, part))
        if (seg_map + np.uint8(1)).max(initial=0) > FACE + 1:  # 255 + 1 is 0
            values = sorted(set(np.unique(seg_map).tolist()) - {BACKGROUND, FACE, IGNORED})
            raise ValueError(
                f"{self._name(key, part)}: class ids must be {BACKGROUND} (background), {FACE} "
                f"(face) or {IGNORED} (ignored); got also {values[:5]}"
            )
        return seg_map

    def sample(self, key: str, mask: str = "png") -> tuple[np.ndarray, np.ndarray]:
        """Decode an image and its mask: (H, W, 3) uint8 RGB and (H, W) uint8 class ids.

        Sizes that differ are a ValueError.
        """
        image, seg_map = self.image(key), self.seg_map(key, mask)
        if image.shape[:2] != seg_map.shape:
            raise ValueError(
                f"{self.folder}: sample {key}: image {image.shape[:2]} and mask {seg_map.shape} "
                "must share one (height, width)"
            )
        return image, seg_map

    def cutout(self, key: str, part: str = "rgba.png") -> np.ndarray:
        """Decode a cut-out: (H, W, 4) uint8, RGB premultiplied by alpha."""
        return decode_rgba(self.read(key, part), self._name(key, part))

    def record(self, key: str) -> dict[str, Any]:
        """Return a sample's record, its part `json`; anything but an object is a ValueError."""
        data = self.read(key, "json")
        with errors_name(f"{self._name(key, 'json')}: not readable as JSON"):
            record = json.loads(data)
        if not isinstance(record, dict):
            raise ValueError(f"{self._name(key, 'json')}: must be an object; got {record!r}")
        return record

    def _name(self, key: str, part: str) -> str:
        return f"{self.folder}: {key}.{part}"

    def verify(self) -> None:
        """Rehash every shard, compare its members with the index, and the cards with it.

        A ValueError names the first file that differs, or the shard that is not listed.
        """
        listed = {shard["name"] for shard in self.shards}
        for path in sorted(self.folder.glob("*.tar")):
            if path.name not in listed:
                raise ValueError(f"{path}: not listed in {INDEX}")
        for shard in self.shards:
            self._check_size(shard)
            self._check_hash(shard)
            path = self.folder / shard["name"]
            listed = [
                (f"{key}.{part}", *position)
                for key, parts in shard["samples"]
                for part, position in sorted(parts.items())
            ]
            with (
                errors_name(f"{path}: not a tar archive; make the set again", tarfile.TarError),
                tarfile.open(path, "r:", encoding="utf-8") as tar,
            ):
                held = [(member.name, member.offset_data, member.size) for member in tar]
            if held != listed:
                raise ValueError(f"{path}: {INDEX} lists other members than the shard holds")
        check_cards(self.folder, self.shards, self.info)

    @property
    def sha256(self) -> str:
        """The sha256 of the index, which identifies the set: the index holds every shard's."""
        return file_sha256(self.folder / INDEX)


def inherit(**made_from: ImageSet) -> dict[str, Any]:
    """Return the sources, releases and licence that a set inherits from those it is made from.

    Takes role -> set; returns `sources`, `releases`, `made_from` with each index's hash, and, where
    a set among them has no releases, its `licence`.
    """
    infos = [one.info for one in made_from.values()]
    releases = {name: about for info in infos for name, about in info.get("releases", {}).items()}
    own = {
        info.get("licence", UNKNOWN_LICENCE)
        for info in infos
        if "licence" in info or not info.get("releases")
    }
    inherited: dict[str, Any] = {
        "sources": sorted({source for info in infos for source in info["sources"]}),
        "releases": releases,
        "made_from": {
            role: {"name": one.info["name"], "count": len(one), "index_sha256": one.sha256}
            for role, one in made_from.items()
        },
    }
    return inherited | ({"licence": "; ".join(sorted(own))} if own else {})
