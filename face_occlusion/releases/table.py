"""The releases this project reads: their files, where each is published, its licence.

The table itself is `sources.yaml`, under the names of the public releases. The files without a
published checksum are locked: the first one seen is kept in `sources.lock` and required from then
on. It is JSON, tracked in git: `SOURCE/FILE` -> its sha256, size and where it came from. To take
another version of a file on purpose, delete its entry, or set `sources.NAME.accept_changed`. No
address has been downloaded from with this code yet; `seen` says what vouches for each.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import msgspec
from filelock import FileLock

from face_occlusion.core.files import atomic_write
from face_occlusion.core.params import read_yaml

DRAWN_LICENCE = "Apache-2.0 (drawn by this project)"  # of any release's miniature
DRAWN_TERMS_URL = "https://www.apache.org/licenses/LICENSE-2.0"


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One published file; another size or checksum is refused unless `accept_changed` is set."""

    name: str
    page: str  # where a person finds it, who may have to agree to terms
    # Addresses tried in turn: HTTP(S), a file on Google Drive, or a folder there that holds a file
    # of that name. Without any, a person must fetch it.
    urls: Sequence[str] = ()
    seen: str = ""  # what vouches for the addresses and the checksum
    required: bool = True  # whether the source cannot be used without it
    size: int | None = None  # bytes; None if unknown
    sha256: str | None = None  # None if unknown


@dataclass(frozen=True, kw_only=True)
class Source:
    """A release: its files and the terms of its use."""

    name: str  # key of `sources` in params.yaml
    title: str  # as reports print it
    files: Sequence[SourceFile]
    licence: str  # the terms of its use, in a few words
    terms_url: str = ""  # the page that states the terms
    citation: str = ""  # the works that its users must cite

    def file(self, name: str) -> SourceFile:
        """Return a file of the release by its published name; another is a ValueError."""
        for file in self.files:
            if file.name == name:
                return file
        known = ", ".join(file.name for file in self.files)
        raise ValueError(f"files: '{name}' is not a file of source '{self.name}'; known: {known}")


_TABLE: dict[str, Any] = read_yaml(Path(__file__).with_name("sources.yaml"))
SOURCES: dict[str, Source] = {}
for _name, _entry in _TABLE.items():
    _files = [SourceFile(name=file, **fields) for file, fields in _entry.pop("files").items()]
    SOURCES[_name] = Source(name=_name, files=_files, **_entry)


def find_source(name: str) -> Source:
    """Return a source by name; an unknown one is a ValueError that lists the known ones."""
    if name not in SOURCES:
        raise ValueError(f"source: no source '{name}'; known: {', '.join(SOURCES)}")
    return SOURCES[name]


def match_published(name: str, found: Iterable[str]) -> str | None:
    """Find a published file among names on disk: the one name that matches, or None.

    An exact match is preferred. Otherwise case, "-", "_" and blanks are ignored, because lists and
    archives are republished under names such as `CelebAMask-HQ-WO-Train.txt`. Several matches, but
    none exact, are a ValueError.
    """
    names = sorted(found)
    if name in names:
        return name
    like = [other for other in names if _plain(other) == _plain(name)]
    if len(like) > 1:
        raise ValueError(f"{name}: several files could be this one: {', '.join(like)}; keep one")
    return like[0] if like else None


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]+", "", name).lower()


LOCK = "sources.lock"


class LockEntry(TypedDict):
    """What is known of one file."""

    sha256: str
    size: int
    url: str


def read_lock(path: Path) -> dict[str, LockEntry]:
    """Read the lock, empty without a file; a damaged one, as after a merge, is a ValueError."""
    if not path.is_file():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, LockEntry])
    except msgspec.DecodeError as error:
        remedy = f"restore it: git checkout {path}"
        raise ValueError(f"{path}: not a lock of releases ({error}); {remedy}") from error


def add_to_lock(path: Path, entries: dict[str, LockEntry]) -> list[str]:
    """Add the files that are not in the lock yet, and return their names; others are kept.

    Several processes may do so at once.
    """
    if not entries:
        return []
    with FileLock(path.with_name(f".{path.name}.lock")):
        known = read_lock(path)
        new = {name: entry for name, entry in entries.items() if name not in known}
        if new:
            atomic_write(path, json.dumps({**known, **new}, indent=1, sort_keys=True) + "\n")
    return sorted(new)


def check_known(
    where: Path, source: str, file: SourceFile, size: int, sha256: str, lock: Path
) -> None:
    """Compare a file, which lies at `where`, with what is published or locked.

    If it differs, a ValueError says from what and what to do.
    """
    locked = read_lock(lock).get(f"{source}/{file.name}")
    known = [
        ("size", "published (releases/sources.yaml)", file.size, size),
        ("sha256", "published (releases/sources.yaml)", file.sha256, sha256),
    ]
    if locked is not None:
        known.append(("sha256", f"first seen ({lock})", locked["sha256"], sha256))
    for what, whence, expected, found in known:
        if expected is not None and expected != found:
            raise ValueError(
                f"{where}: its {what} must be {expected}, as {whence}; got {found}. The file is "
                "damaged (delete it and fetch it again) or is another version of the release; to "
                f"use it knowingly set sources.{source}.accept_changed: true"
            )
