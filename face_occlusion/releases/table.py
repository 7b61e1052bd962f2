"""The releases this project reads: their files, where each is published, its licence.

The table itself is `sources.yaml`, under the names of the public releases. Where no checksum is
published, the first one seen is kept in `sources.lock` (`releases/lock.py`) and required from then
on. No address has been downloaded from with this code yet; `seen` says what vouches for each.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        """Return a file of the release by its published name.

        Raises:
            ValueError: If the release has no such file; lists its files.
        """
        for file in self.files:
            if file.name == name:
                return file
        known = ", ".join(file.name for file in self.files)
        raise ValueError(f"files: '{name}' is not a file of source '{self.name}'; known: {known}")


def _source(name: str, entry: dict[str, Any]) -> Source:
    files = [SourceFile(name=file, **fields) for file, fields in entry["files"].items()]
    return Source(**{**entry, "name": name, "files": files})


_TABLE: dict[str, Any] = read_yaml(Path(__file__).with_name("sources.yaml"))
SOURCES = {name: _source(name, entry) for name, entry in _TABLE.items()}


def find_source(name: str) -> Source:
    """Return a source by name.

    Raises:
        ValueError: If there is no source of that name; lists the known ones.
    """
    if name not in SOURCES:
        raise ValueError(f"source: no source '{name}'; known: {', '.join(SOURCES)}")
    return SOURCES[name]


def match_published(name: str, found: Iterable[str]) -> str | None:
    """Find a published file among names on disk.

    An exact match is preferred. Otherwise case, "-", "_" and blanks are ignored, because lists and
    archives are republished under names such as `CelebAMask-HQ-WO-Train.txt`.

    Returns:
        The one name that matches, or None.

    Raises:
        ValueError: If several names match, but none exactly.
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
