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
    card = _card(shards, plain, index_sha256, keys_of)
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
) -> str:
    """Write the card; `keys_of` maps each part to the samples that have it."""
    import jinja2  # here, as few programs that read sets write cards

    pages = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    pages.filters |= {"cell": _cell, "row": _row}
    pages.filters["head"] = lambda names: f"{_row(names)}\n{_row(['---'] * len(names))}"
    releases = info.get("releases", {}).values()
    rest = {name: value for name, value in info.items() if name not in _SAID_ELSEWHERE}
    template = pages.from_string(Path(__file__).with_name("card.md").read_text())
    return template.render(
        info={"absent": None, "releases": None, "made_from": None, **info},
        name=json.dumps(info["name"], ensure_ascii=False),
        about=_KINDS[info["kind"]],
        count=sum(len(shard["samples"]) for shard in shards),
        parts=[(part, len(keys), _PARTS.get(part)) for part, keys in keys_of.items()],
        files=[file for release in releases for file in release.get("files", ())],
        licences=list_licences(info),
        rest=list(_flat(rest)),
        shards=shards,
        index=INDEX,
        index_sha256=index_sha256,
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Write a nested mapping as lines of dotted name and value; sorted."""
    for name, value in sorted(values.items()):
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            text = json.dumps(value, ensure_ascii=False)
            yield f"`{prefix}{name}`", value if isinstance(value, str) else text


def _row(cells: Sequence[str | int | None]) -> str:
    """Write a row of a table: numbers with commas, None as nothing."""
    texts = (f"{one:,}" if isinstance(one, int) else one or "" for one in cells)
    return "| " + " | ".join(map(_cell, texts)) + " |"


def _cell(text: str) -> str:
    """Keep a text inside its cell, whatever is in it."""
    return " ".join(text.split()).replace("\\|", "|").replace("|", "\\|")


_MIME = {"jpg": "image/jpeg", "png": "image/png", "json": "application/json"}
_RECORDS = {"jpg": "images", "png": "masks", "json": "records"}  # others by their part
# What every file begins with, such as what names stand for; and the record set `samples`. That
# joins record sets: mlcroissant cannot join file sets that lie in several archives.
_BEGINNING, _SAMPLES = read_json(Path(__file__).with_name("croissant.json")).values()


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
    inside = [{"@id": shard["name"]} for shard in shards]
    for part in keys_of:
        about = {"encodingFormat": _mime(part), "includes": _globs(part, keys_of)}
        files.append(_named("FileSet", _parts_id(part), name=part, containedIn=inside, **about))
    metadata: dict[str, Any] = {
        **_BEGINNING,
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


def _named(kind: str, identity: str, **values: Any) -> dict[str, Any]:
    """Return an object of Croissant, whose name identifies it unless `values` holds another."""
    return {"@type": f"cr:{kind}", "@id": identity, "name": identity, **values}


def _file_object(name: str, sha256: str, mime: str, **more: str) -> dict[str, Any]:
    return _named("FileObject", name, contentUrl=name, encodingFormat=mime, sha256=sha256, **more)


def _parts_id(part: str) -> str:
    return f"parts/{part}"  # no record set has this name: mlcroissant confuses equal names


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
            content_type = "ImageObject" if _mime(part).startswith("image/") else "Text"
            key = {"transform": {"regex": r"^([^.]+)\."}}
            fields = [
                _field(f"{name}/key", "Text", part, "filename", **key),
                _field(f"{name}/content", content_type, part, "content"),
            ]
            sets.append(_named("RecordSet", name, field=fields))
    return [*sets, _SAMPLES] if {"jpg", "png"} <= set(parts) else sets


def _field(name: str, data_type: str, part: str, read: str, **more: Any) -> dict[str, Any]:
    source = {"fileSet": {"@id": _parts_id(part)}, "extract": {"fileProperty": read}, **more}
    return _named("Field", name, dataType=f"sc:{data_type}", source=source)
