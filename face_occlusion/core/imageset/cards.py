"""The files of a set for people and catalogues: its card and its Croissant metadata.

Both are functions of the index alone, so that equal sets carry equal cards and a card that is not
its set's is noticed. What they say of sources and terms is what the set's info says:

    {"releases": {"dtd": {"title": ..., "licence": ..., "licence_url": ..., "citation": ...,
                          "origin": "url", "files": [{"name": ..., "sha256": ...}]}},
     "made_from": {"faces": {"name": "wo", "count": 240, "index_sha256": ...}},
     "params": {...}, "licence": "of a set without releases"}

In Croissant (docs.mlcommons.org) each shard is a file object. Each part of the samples (`jpg`,
`png`, ...) is a file set inside all shards and a record set with two fields, `key` and `content`.
The record set `samples` joins images with their masks by key.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from face_occlusion.core.files import atomic_write, read_json
from face_occlusion.core.imageset.format import INDEX, ShardEntry, encode_index
from face_occlusion.core.params import read_yaml

CARD = "README.md"
CROISSANT = "croissant.json"
UNKNOWN_LICENCE = "not stated: ask the creator of the set"

_KINDS, _PARTS = read_yaml(Path(__file__).with_suffix(".yaml")).values()
_SAID_ELSEWHERE = ("kind", "name", "sources", "releases", "made_from", "licence", "absent")


def encode_cards(shards: Sequence[ShardEntry], info: Mapping[str, Any]) -> dict[str, bytes]:
    """Encode the card and the metadata of a set, the same bytes for the same index.

    Takes the entries of the index and what it says about itself; returns file name -> content.
    """
    index = encode_index(shards, info)
    plain = json.loads(index)["info"]  # as it reads back, whatever it was written from
    index_sha256 = hashlib.sha256(index).hexdigest()
    keys_of: dict[str, list[str]] = {}
    for shard in shards:
        for key, parts in shard["samples"]:
            for part in parts:
                keys_of.setdefault(part, []).append(key)
    keys_of = dict(sorted(keys_of.items()))
    card = "\n".join(_card(shards, plain, index_sha256, keys_of))
    croissant = _croissant(shards, plain, index_sha256, keys_of)
    metadata = json.dumps(croissant, ensure_ascii=False, indent=1)
    return {CARD: f"{card}\n".encode(), CROISSANT: f"{metadata}\n".encode()}


def write_cards(folder: Path, shards: Sequence[ShardEntry], info: Mapping[str, Any]) -> None:
    """Write card and metadata of a set, each atomically."""
    for name, content in encode_cards(shards, info).items():
        atomic_write(folder / name, content)


def check_cards(folder: Path, shards: Sequence[ShardEntry], info: Mapping[str, Any]) -> None:
    """Check that card and metadata exist and match this index; else a ValueError names the file."""
    for name, content in encode_cards(shards, info).items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            what = f"out of date: does not match {INDEX}" if path.is_file() else "missing"
            raise ValueError(f"{path}: {what}; `face-occlusion card {folder}` writes it")


def list_licences(info: Mapping[str, Any]) -> list[str]:
    """List the licences of everything that went into a set, each once.

    A set without releases has its info's `licence`, or none that is known.
    """
    stated = [release["licence"] for release in info.get("releases", {}).values()]
    if info.get("licence"):
        stated.append(info["licence"])
    return sorted(set(stated)) or [UNKNOWN_LICENCE]


def _card(
    shards: Sequence[ShardEntry],
    info: Mapping[str, Any],
    index_sha256: str,
    keys_of: Mapping[str, Sequence[str]],
) -> Iterator[str]:
    """Write the card line by line; `keys_of` maps each part to the samples that have it."""
    count = sum(len(shard["samples"]) for shard in shards)
    about = {part: f", {_PARTS[part]}" if part in _PARTS else "" for part in keys_of}
    yield from ("---", f"pretty_name: {json.dumps(info['name'], ensure_ascii=False)}")
    yield from ("license: other", "task_categories: [image-segmentation]", "---", "")
    yield from (f"# {_cell(info['name'])}", "", _KINDS[info["kind"]], "")
    if info.get("absent"):
        yield from (f"**Empty on purpose:** {_cell(info['absent'])}", "")
    yield from _table(
        ("", ""),
        [
            ("kind", info["kind"]),
            ("samples", f"{count:,}"),
            ("shards", f"{len(shards):,}"),
            ("bytes", f"{sum(shard['size'] for shard in shards):,}"),
            *((f"`.{part}`", f"{len(keys):,}{about[part]}") for part, keys in keys_of.items()),
        ],
    )
    yield from _sources(info)
    if made_from := info.get("made_from"):
        rows = [
            (role, one["name"], f"{one['count']:,}", one["index_sha256"])
            for role, one in made_from.items()
        ]
        yield from ("## Made from", "")
        yield from _table(("as", "set", "samples", f"sha256 of its {INDEX}"), rows)
    rest = {name: value for name, value in info.items() if name not in _SAID_ELSEWHERE}
    if lines := list(_flat(rest)):
        yield from ("## How it was made", "")
        yield from _table(("", ""), lines)
    yield from ("## Hashes", "")
    files = [(INDEX, "", index_sha256)]
    files += [(shard["name"], f"{shard['size']:,}", shard["sha256"]) for shard in shards]
    yield from _table(("file", "bytes", "sha256"), files)
    yield "`face-occlusion verify` compares all of this; `tar`, `webdataset` and `mlcroissant` open"
    yield "the shards."


def _sources(info: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Sources and terms", "")
    if releases := info.get("releases"):
        yield "Whoever uses the set is bound by the terms of every source:"
        yield ""
        columns = ("title", "origin", "licence", "licence_url", "citation")
        rows = [
            [({"title": name} | release).get(column) or "" for column in columns]
            for name, release in releases.items()
        ]
        yield from _table(("source", "origin", "licence", "terms", "to be cited"), rows)
        files = [
            (file["name"], f"{file['size']:,}", file["sha256"])
            for release in releases.values()
            for file in release.get("files", ())
        ]
        if files:
            yield from _table(("file of the release", "bytes", "sha256"), files)
    else:
        sources = ", ".join(info["sources"]) or "none named"
        yield from (f"Sources: {_cell(sources)}.", "")
    yield from (f"Licence: {_cell('; '.join(list_licences(info)))}.", "")


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Write a nested mapping as lines of dotted name and value; sorted."""
    for name, value in sorted(values.items()):
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            text = json.dumps(value, ensure_ascii=False)
            yield f"`{prefix}{name}`", value if isinstance(value, str) else text


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(map(_cell, row)) + " |"
    yield ""


def _cell(text: str) -> str:
    """Keep a text inside its cell, whatever is in it."""
    return " ".join(text.split()).replace("\\|", "|").replace("|", "\\|")


CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
_MIME = {"jpg": "image/jpeg", "png": "image/png", "json": "application/json"}
_RECORDS = {"jpg": "images", "png": "masks", "json": "records"}  # others by their part
# What names stand for, as the specification asks for it in every file.
_CONTEXT = read_json(Path(__file__).with_name("croissant_context.json"))


def _croissant(
    shards: Sequence[ShardEntry],
    info: Mapping[str, Any],
    index_sha256: str,
    keys_of: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """Describe a set in Croissant; `keys_of` maps each part to the samples that have it."""
    releases = info.get("releases", {}).values()
    citations = sorted({text for one in releases if (text := one.get("citation"))})
    terms = sorted({url for one in releases if (url := one.get("licence_url"))})
    files = [_file_object(INDEX, index_sha256, "application/json")]
    for shard in shards:
        size = {"contentSize": f"{shard['size']} B"}
        files.append(_file_object(shard["name"], shard["sha256"], "application/x-tar", **size))
    files += [_file_set(part, keys_of, shards) for part in keys_of]
    metadata: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": info["name"],
        "description": _KINDS[info["kind"]]
        + (f" Empty: {info['absent']}" if info.get("absent") else ""),
        "license": [*list_licences(info), *terms],
        "version": "1.0.0",
        "distribution": files,
        "recordSet": _record_sets(keys_of),
    }
    if citations:
        metadata["citeAs"] = "; ".join(citations)
    if made_from := info.get("made_from"):
        metadata["isBasedOn"] = [
            f"{one['name']}, {INDEX} sha256:{one['index_sha256']}" for one in made_from.values()
        ]
    return metadata


def _named(kind: str, name: str, **values: Any) -> dict[str, Any]:
    """Return an object of Croissant whose name identifies it."""
    return {"@type": f"cr:{kind}", "@id": name, "name": name, **values}


def _file_object(name: str, sha256: str, mime: str, **more: str) -> dict[str, Any]:
    return _named("FileObject", name, contentUrl=name, encodingFormat=mime, sha256=sha256, **more)


def _file_set(
    part: str, keys_of: Mapping[str, Sequence[str]], shards: Sequence[ShardEntry]
) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"parts/{part}",  # no record set has this name: mlcroissant confuses equal names
        "name": part,
        "containedIn": [{"@id": shard["name"]} for shard in shards],
        "encodingFormat": _mime(part),
        "includes": _globs(part, keys_of),
    }


def _mime(part: str) -> str:
    return _MIME.get(part.rpartition(".")[2], "application/octet-stream")


def _globs(part: str, keys_of: Mapping[str, Sequence[str]]) -> list[str]:
    """Return patterns that match the files of one part and no other.

    `*.png` also matches `KEY.original.png`. Keys contain no dots, so in that case there is one
    pattern for each length of a key: that many characters other than dots, then the part.
    """
    if not any(other != part and other.endswith(f".{part}") for other in keys_of):
        return [f"*.{part}"]
    return [f"{'[!.]' * length}.{part}" for length in sorted({len(key) for key in keys_of[part]})]


def _record_sets(parts: Collection[str]) -> list[dict[str, Any]]:
    """Describe the records: each part by key, and images joined with their masks."""
    sets = []
    for part in parts:
        if _mime(part) != "application/octet-stream":
            name = _RECORDS.get(part, re.sub(r"\W", "_", part))
            key = _from_files(part, "filename") | {"transform": {"regex": r"^([^.]+)\."}}
            content_type = "ImageObject" if _mime(part).startswith("image/") else "Text"
            fields = [
                _field(f"{name}/key", "Text", key),
                _field(f"{name}/content", content_type, _from_files(part, "content")),
            ]
            sets.append(_named("RecordSet", name, field=fields))
    if {"jpg", "png"} <= set(parts):
        # record sets are joined: mlcroissant cannot join file sets that lie in several archives
        key, image, mask, masks_key = (
            {"field": {"@id": name}}
            for name in ("images/key", "images/content", "masks/content", "masks/key")
        )
        fields = [
            {**_field("samples/key", "Text", key), "references": masks_key},
            _field("samples/image", "ImageObject", image),
            _field("samples/mask", "ImageObject", mask),
        ]
        sets.append(_named("RecordSet", "samples", field=fields))
    return sets


def _field(name: str, data_type: str, source: dict[str, Any]) -> dict[str, Any]:
    return _named("Field", name, dataType=f"sc:{data_type}", source=source)


def _from_files(part: str, file_property: str) -> dict[str, Any]:
    return {"fileSet": {"@id": f"parts/{part}"}, "extract": {"fileProperty": file_property}}
