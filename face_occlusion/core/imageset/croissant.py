"""A set's metadata as Croissant, the vocabulary that data catalogues read (docs.mlcommons.org).

The shards are file objects, each part of the samples a file set inside all of them, and a record
set of key and content. The record set `samples` joins images and masks by key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from face_occlusion.core.imageset.format import INDEX, ShardEntry

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
_MIME = {"jpg": "image/jpeg", "png": "image/png", "json": "application/json"}
_RECORDS = {"jpg": "images", "png": "masks", "json": "records"}  # others by their part
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def encode_croissant(
    shards: Sequence[ShardEntry],
    info: Mapping[str, Any],
    *,
    index_sha256: str,
    description: str,
    licences: Sequence[str],
) -> bytes:
    """Encode a set's metadata, the same bytes for the same index.

    Args:
        shards: The entries of its index.
        info: What it says about itself, in plain Python types.
        index_sha256: Of the index.
        description: What the set is, in a sentence.
        licences: Of everything that went into it.
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
    found: dict[str, Any] = {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "encodingFormat": mime,
        "sha256": sha256,
    }
    return found if size is None else {**found, "contentSize": f"{size} B"}


def _file_set(
    part: str, keys_of: Mapping[str, list[str]], shards: Sequence[ShardEntry]
) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": _file_set_id(part),
        "name": part,
        "containedIn": [{"@id": shard["name"]} for shard in shards],
        "encodingFormat": _mime(part),
        "includes": _globs(part, keys_of),
    }


def _file_set_id(part: str) -> str:
    """Return an identifier that no record set has: `mlcroissant` mixes up two things of one."""
    return f"parts/{part}"


def _mime(part: str) -> str:
    return _MIME.get(part.rpartition(".")[2], "application/octet-stream")


def _globs(part: str, keys_of: Mapping[str, list[str]]) -> list[str]:
    """Return patterns of a part's files: `*.png` would take `KEY.original.png` as well.

    Keys have no dots, so where a part ends as another does, as many non-dots as a key is long
    leave the other out.
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
            sets.append(_record_set(name, [_key(name, part), _content(name, part)]))
    if "jpg" in keys_of and "png" in keys_of:
        sets.append(_record_set("samples", _joined("samples", "images", "masks")))
    return sets


def _record_set(name: str, fields: list[dict[str, Any]]) -> dict[str, Any]:
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}


def _joined(name: str, images: str, masks: str) -> list[dict[str, Any]]:
    """Return the fields of images with their masks.

    Record sets are joined, not file sets: of file sets inside several archives `mlcroissant`
    loses track.
    """
    key = _field(f"{name}/key", "sc:Text", {"field": {"@id": f"{images}/key"}})
    key["references"] = {"field": {"@id": f"{masks}/key"}}
    return [
        key,
        _field(f"{name}/image", "sc:ImageObject", {"field": {"@id": f"{images}/content"}}),
        _field(f"{name}/mask", "sc:ImageObject", {"field": {"@id": f"{masks}/content"}}),
    ]


def _key(name: str, part: str) -> dict[str, Any]:
    source = {
        "fileSet": {"@id": _file_set_id(part)},
        "extract": {"fileProperty": "filename"},
        "transform": {"regex": r"^([^.]+)\."},
    }
    return _field(f"{name}/key", "sc:Text", source)


def _content(name: str, part: str) -> dict[str, Any]:
    source = {"fileSet": {"@id": _file_set_id(part)}, "extract": {"fileProperty": "content"}}
    is_image = _mime(part).startswith("image/")
    return _field(f"{name}/content", "sc:ImageObject" if is_image else "sc:Text", source)


def _field(name: str, data_type: str, source: dict[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": name,
        "name": name,
        "dataType": data_type,
        "source": source,
    }
