"""The format of an image set: the names of its samples, its index and its records.

A set is a folder with uncompressed tar shards (`000000.tar`, ...), an `index.json` and the cards
that are made from the index (`cards.py`):

    {"format": "face-occlusion image set", "version": 1, "count": 2, "info": {...},
     "shards": [{"name": "000000.tar", "sha256": "...", "size": 20480,
                 "samples": [["00024", {"jpg": [512, 4213], "png": [5632, 120]}], ...]}]}

Offset and size, in bytes, give the position of a member's content in its shard.
"""

import json
import math
import re
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from face_occlusion.core.files import errors_name, read_json

FORMAT = "face-occlusion image set"
VERSION = 1
INDEX = "index.json"
KINDS = ("faces", "masks", "cutouts", "textures", "benchmark", "synthetic")
MAX_NAME_BYTES = 100  # of `KEY.PART`: the name field of a ustar header

_KEY = re.compile(r"[^\s./\\\x00-\x1f\x7f]+")
_PART = re.compile(r"[a-z0-9][a-z0-9_]*(\.[a-z0-9][a-z0-9_]*)*")  # webdataset lower-cases parts
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ShardEntry(TypedDict):
    """The entry of a shard in the index; `samples` holds [key, {part: [offset, size]}]."""

    name: str
    sha256: str
    size: int
    samples: list[list[Any]]


def shard_name(number: int) -> str:
    """Return the file name of shard `number`, counted from 0."""
    return f"{number:06d}.tar"


def check_key(key: str) -> str:
    """Return `key` if a sample may have that name; else raise a ValueError.

    Dots, slashes, white space and control characters are refused.
    """
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise ValueError(
            f"sample key must be text without dots, slashes and white space; got {key!r}"
        )
    return key


def variant_keys(faces: Sequence[str], variants: int) -> dict[str, str]:
    """Return sample key -> face key of a set that holds every face several times.

    A sample's key is that of its face, then `FACE__v2`, and so on.
    All faces come once before any comes again: more variants only add samples at the end. Two
    samples of one key are a ValueError.
    """
    suffixes = ["", *(f"__v{number}" for number in range(2, variants + 1))]
    keys = {f"{face}{suffix}": face for suffix in suffixes for face in faces}
    if len(keys) < variants * len(faces):
        raise ValueError("variants: two samples get the same key; rename faces that end in `__vN`")
    return keys


def member_name(key: str, part: str) -> str:
    """Return `KEY.PART`, the name of a member of a shard.

    A key or part that is not allowed, or a name too long for a ustar header, is a ValueError.
    """
    if not isinstance(part, str) or not _PART.fullmatch(part):
        raise ValueError(
            f"sample {key}: part must be lower-case letters and digits, like 'original.png'; "
            f"got {part!r}"
        )
    name = f"{check_key(key)}.{part}"
    if len(name.encode()) > MAX_NAME_BYTES:
        raise ValueError(f"sample {key}: '{name}' is longer than {MAX_NAME_BYTES} bytes")
    return name


def check_info(info: Mapping[str, Any], count: int | None = None) -> None:
    """Check that the info of a set has kind, name, sources and no `absent` that is not text.

    Of a set that is written, `count` is its samples: it says why it is absent, or has some.
    """
    if info.get("kind") not in KINDS:
        raise ValueError(f"info: kind must be one of {', '.join(KINDS)}; got {info.get('kind')!r}")
    if not isinstance(info.get("name"), str) or not info["name"]:
        raise ValueError(f"info: name must be text; got {info.get('name')!r}")
    sources = info.get("sources")
    if not isinstance(sources, list) or not all(isinstance(source, str) for source in sources):
        raise ValueError(f"info: sources must be a list of texts; got {sources!r}")
    absent = info.get("absent")
    if absent is not None and not (isinstance(absent, str) and absent):
        raise ValueError(f"info: absent must say why in words; got {absent!r}")
    if count and absent:
        raise ValueError(f"info: absent ({absent!r}), yet the set holds {count} samples")
    if count == 0 and not absent:
        raise ValueError(f"set '{info['name']}' has no samples, and info: absent does not say why")


def encode_record(record: Mapping[str, Any]) -> bytes:
    """Encode a sample's record as JSON; equal values give equal bytes.

    Keys are sorted. Floats are written with `repr`, so that they are read back exactly. Numpy
    scalars and arrays are written like Python's numbers and lists. A value that is not finite or
    has no JSON form is a ValueError that names the field.
    """
    return _dumps(_plain(record, "")).encode()


def _dumps(value: Any) -> str:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def _plain(value: Any, field: str) -> Any:
    """Convert `value` to plain Python types; errors name it by `field`, with dots."""
    if isinstance(value, float):  # first, as most values are
        if not math.isfinite(value):
            raise ValueError(f"record: '{field}' must be finite; got {value}")
        return float(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist(), field)
    if isinstance(value, Mapping):
        if wrong := [key for key in value if not isinstance(key, str)]:
            raise ValueError(f"record: '{field}' must have texts as keys; got {wrong[0]!r}")
        return {key: _plain(item, f"{field}.{key}".lstrip(".")) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{field}[{number}]") for number, item in enumerate(value)]
    raise ValueError(f"record: '{field}' cannot be written as JSON; got {type(value).__name__}")


def encode_index(shards: Sequence[ShardEntry], info: Mapping[str, Any]) -> bytes:
    """Encode an index as JSON with one sample a line; equal values give equal bytes."""
    count = sum(len(shard["samples"]) for shard in shards)
    head = {"format": FORMAT, "version": VERSION, "count": count, "info": _plain(info, "info")}
    texts = []
    for shard in shards:
        rest = _dumps({name: shard[name] for name in ("name", "sha256", "size")})
        samples = ",\n".join(_dumps(sample) for sample in shard["samples"])
        texts.append(f'{rest[:-1]},"samples":[\n{samples}\n]}}')
    shard_texts = ",\n".join(texts)
    return f'{_dumps(head)[:-1]},"shards":[\n{shard_texts}\n]}}\n'.encode()


def parse_index(path: Path) -> tuple[list[ShardEntry], dict[str, Any]]:
    """Read and check an index: the entries of the shards, and the set's info.

    One that is missing, foreign, of another format version, or contradicts itself is a ValueError.
    """
    index = read_json(
        path,
        f"no such file; {path.parent} is not an image set, or unfinished; "
        "one of the pipeline's is made by `dvc repro` and fetched by `dvc pull`",
    )
    if index.get("format") != FORMAT:
        raise ValueError(f"{path}: not the index of an image set; must say 'format': '{FORMAT}'")
    if index.get("version") != VERSION:
        raise ValueError(
            f"{path}: format version {index.get('version')!r}, this program reads {VERSION}; "
            "write the set again"
        )
    wrong = (AttributeError, IndexError, KeyError, TypeError, ValueError)
    with errors_name(f"{path}: damaged index, make the set again", *wrong):
        shards, info = index["shards"], index["info"]
        check_shards(shards)
        count = sum(len(shard["samples"]) for shard in shards)
        if index["count"] != count:
            raise ValueError(f"count is {index['count']}, but the shards list {count} samples")
        check_info(info, count)
    return shards, info


def check_shards(shards: Iterable[ShardEntry]) -> None:
    """Check that shards are numbered from 0, no key occurs twice, and members leave no gap."""
    seen: dict[str, str] = {}
    for number, shard in enumerate(shards):
        name = shard["name"]
        if name != shard_name(number):
            raise ValueError(f"shard {number} must be {shard_name(number)}; got {name!r}")
        if not _SHA256.fullmatch(shard["sha256"]):
            raise ValueError(f"{name}: sha256 must be 64 hexadecimal digits")
        end = 0
        for key, parts in shard["samples"]:
            if key in seen:
                raise ValueError(f"key '{key}' occurs twice in the set: in {seen[key]} and {name}")
            seen[check_key(key)] = name
            for part, (offset, size) in sorted(parts.items()):
                if offset != end + tarfile.BLOCKSIZE or size < 0:
                    raise ValueError(
                        f"{name}: {key}.{part} must start at byte {end + tarfile.BLOCKSIZE}; got "
                        f"{offset}: an entry before it is missing, or entries were swapped"
                    )
                end = _rounded_up(offset + size, tarfile.BLOCKSIZE)
        if shard["size"] != _rounded_up(end + 2 * tarfile.BLOCKSIZE, tarfile.RECORDSIZE):
            raise ValueError(f"{name}: has {shard['size']} bytes, but its last entry ends at {end}")


def _rounded_up(size: int, unit: int) -> int:
    return -(-size // unit) * unit
