"""Write image sets: the same samples give the same bytes, and nothing half-written remains."""

from __future__ import annotations

import io
import itertools
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from face_occlusion.core.files import atomic_folder, atomic_path, atomic_write, file_sha256
from face_occlusion.core.imageset.cards import write_cards
from face_occlusion.core.imageset.format import (
    INDEX,
    ShardEntry,
    check_info,
    check_shards,
    encode_index,
    member_name,
    shard_name,
)
from face_occlusion.core.imageset.reader import ImageSet

Sample = tuple[str, Mapping[str, bytes]]


def write_image_set(
    folder: Path,
    samples: Iterable[Sample],
    *,
    info: Mapping[str, Any],
    samples_per_shard: int = 256,
) -> ImageSet:
    """Write samples as a new image set, atomically, and open it.

    Samples, (key, {part: content}) in the set's order, are consumed one at a time. `info` says what
    the set is: `kind`, `name`, `sources`; `absent` (why) for a set that is empty on purpose;
    anything else that has a JSON form. A folder in use, a key or part that is refused or twice
    there, and incomplete info are a ValueError; the folder is then left as it was.
    """
    check_info(info)
    with atomic_folder(folder) as partial:
        remaining = iter(samples)
        shards = []
        while first := list(itertools.islice(remaining, 1)):
            rest = itertools.islice(remaining, samples_per_shard - 1)
            path = partial / shard_name(len(shards))
            shards.append(write_shard(path, itertools.chain(first, rest)))
        write_index(partial, shards, info)
    return ImageSet(folder)


def write_shard(path: Path, samples: Iterable[Sample]) -> ShardEntry:
    """Write one shard atomically, and return its entry for `write_index`.

    Members stand in the order of the samples, their parts sorted; time, owner and mode are
    fixed, so that equal samples give equal bytes. A key or part that is refused, a key that is
    twice there, and no sample are a ValueError.
    """
    index: dict[str, dict[str, list[int]]] = {}
    with atomic_path(path) as partial:
        with tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT, encoding="utf-8") as tar:
            for key, parts in samples:
                if key in index:
                    raise ValueError(f"key '{key}' occurs twice in the shard")
                if not parts:
                    raise ValueError(f"sample {key}: has no parts")
                index[key] = {}
                for part, content in sorted(parts.items()):
                    member = tarfile.TarInfo(member_name(key, part))  # mtime, uid, gid 0; mode 0644
                    member.size = len(content)
                    index[key][part] = [tar.offset + tarfile.BLOCKSIZE, member.size]
                    tar.addfile(member, io.BytesIO(content))
        if not index:
            raise ValueError(f"{path}: a shard needs at least one sample")
        sha256, size = file_sha256(partial), partial.stat().st_size
    entries = [[key, parts] for key, parts in index.items()]
    return {"name": path.name, "sha256": sha256, "size": size, "samples": entries}


def write_index(folder: Path, shards: list[ShardEntry], info: Mapping[str, Any]) -> None:
    """Write card, metadata and `index.json`, which completes a set; each atomically.

    `folder` holds the finished shards, `shards` are their entries in order. A key that is twice
    there, a shard that is missing or of another size, and incomplete info are a ValueError.
    """
    check_shards(shards)
    for shard in shards:
        path = folder / shard["name"]
        if not path.is_file() or path.stat().st_size != shard["size"]:
            raise ValueError(f"{path}: missing, or its size is not {shard['size']} bytes")
    check_info(info, sum(len(shard["samples"]) for shard in shards))
    write_cards(folder, shards, info)
    atomic_write(folder / INDEX, encode_index(shards, info))
