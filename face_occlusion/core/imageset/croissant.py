"""Describe an image set in Croissant, the vocabulary of data catalogues (docs.mlcommons.org).

Each shard is a file object. Each part of the samples (`jpg`, `png`, ...) is a file set inside all
shards and a record set with two fields, `key` and `content`. The record set `samples` joins images
with their masks by key.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from face_occlusion.core.imageset.format import INDEX, ShardEntry

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
_MIME = {"jpg": "image/jpeg", "png": "image/png", "json": "application/json"}
_RECORDS = {"jpg": "images", "png": "masks", "json": "records"}  # others by their part
# The context that the specification asks for: a name stands for the term `cr:NAME` of the
# vocabulary, unless another meaning is given.
_TERMS = """@language @vocab citeAs column conformsTo cr rai data dataType dct equivalentProperty
    examples extract field fileProperty fileObject fileSet format includes isLiveDataset jsonPath
    key md5 parentField path recordSet references regex repeated replace samplingRate sc separator
    source subField transform"""
_OTHER_MEANINGS = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "sc": "https://schema.org/",
}
_CONTEXT = {name: _OTHER_MEANINGS.get(name, f"cr:{name}") for name in _TERMS.split()}


def encode_croissant(
    shards: Sequence[ShardEntry],
    info: Mapping[str, Any],
    index_sha256: str,
    description: str,
    licences: Sequence[str],
) -> bytes:
    """Encode the content of `croissant.json`; the same index gives the same bytes.

    Args:
        shards: The shards' entries in the index.
        info: The set's info, in plain Python types.
        index_sha256: The sha256 of the index.
        description: One sentence that says what the set holds.
        licences: The licences of everything the set was made from.
    """
    keys_of: dict[str, list[str]] = {}
    for shard in shards:
        for key, parts in shard["samples"]:
            for part in parts:
                keys_of.setdefault(part, []).append(key)
    releases = info.get("releases", {}).values()
    citations = sorted({text for one in releases if (text := one.get("citation"))})
    terms = sorted({url for one in releases if (url := one.get("licence_url"))})
    metadata: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": info["name"],
        "description": description + (f" Empty: {info['absent']}" if info.get("absent") else ""),
        "license": [*licences, *terms],
        "version": "1.0.0",
        "distribution": [
            _file_object(INDEX, index_sha256, "application/json"),
            *(_file_object(s["name"], s["sha256"], "application/x-tar", s["size"]) for s in shards),
            *(_file_set(part, keys_of, shards) for part in sorted(keys_of)),
        ],
        "recordSet": _record_sets(keys_of),
    }
    if citations:
        metadata["citeAs"] = "; ".join(citations)
    if made_from := info.get("made_from"):
        metadata["isBasedOn"] = [
            f"{one['name']}, {INDEX} sha256:{one['index_sha256']}" for one in made_from.values()
        ]
    text = json.dumps(metadata, ensure_ascii=False, indent=1)
    return f"{text}\n".encode()


def _file_object(name: str, sha256: str, mime: str, size: int | None = None) -> dict[str, Any]:
    names = {"@type": "cr:FileObject", "@id": name, "name": name, "contentUrl": name}
    found = {**names, "encodingFormat": mime, "sha256": sha256}
    return found if size is None else {**found, "contentSize": f"{size} B"}


def _file_set(
    part: str, keys_of: Mapping[str, list[str]], shards: Sequence[ShardEntry]
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


def _globs(part: str, keys_of: Mapping[str, list[str]]) -> list[str]:
    """Return patterns that match the files of one part and no other.

    `*.png` also matches `KEY.original.png`. Keys contain no dots, so in that case there is one
    pattern for each length of a key: that many characters other than dots, then the part.
    """
    if not any(other != part and other.endswith(f".{part}") for other in keys_of):
        return [f"*.{part}"]
    return [f"{'[!.]' * length}.{part}" for length in sorted({len(key) for key in keys_of[part]})]


def _record_sets(keys_of: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """Describe the records: each part by key, and images joined with their masks."""
    sets = []
    for part in sorted(keys_of):
        if _mime(part) != "application/octet-stream":
            name = _RECORDS.get(part, re.sub(r"\W", "_", part))
            is_image = _mime(part).startswith("image/")
            key = _from_files(part, "filename") | {"transform": {"regex": r"^([^.]+)\."}}
            content = _from_files(part, "content")
            fields = [
                _field(f"{name}/key", "sc:Text", key),
                _field(f"{name}/content", "sc:ImageObject" if is_image else "sc:Text", content),
            ]
            sets.append(_record_set(name, fields))
    if "jpg" in keys_of and "png" in keys_of:
        # record sets are joined: mlcroissant cannot join file sets that lie in several archives
        key = _field("samples/key", "sc:Text", _from_field("images/key"))
        fields = [
            {**key, "references": _from_field("masks/key")},
            _field("samples/image", "sc:ImageObject", _from_field("images/content")),
            _field("samples/mask", "sc:ImageObject", _from_field("masks/content")),
        ]
        sets.append(_record_set("samples", fields))
    return sets


def _record_set(name: str, fields: list[dict[str, Any]]) -> dict[str, Any]:
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}


def _field(name: str, data_type: str, source: dict[str, Any]) -> dict[str, Any]:
    kind = {"@type": "cr:Field", "@id": name, "name": name}
    return {**kind, "dataType": data_type, "source": source}


def _from_files(part: str, file_property: str) -> dict[str, Any]:
    return {"fileSet": {"@id": f"parts/{part}"}, "extract": {"fileProperty": file_property}}


def _from_field(name: str) -> dict[str, Any]:
    return {"field": {"@id": name}}
