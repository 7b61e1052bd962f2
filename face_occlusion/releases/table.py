"""The releases this project reads: their files, where each is published, its licence.

The table itself is `sources.yaml`, under the names of the public releases. Where no checksum is
published, the first one seen is kept in `sources.lock` (`releases/lock.py`) and required from then
on. No address has been downloaded from with this code yet; `seen` says what vouches for each.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from face_occlusion.core.params import read_yaml

DRAWN_LICENCE = "Apache-2.0 (drawn by this project)"  # of any release's miniature
DRAWN_TERMS_URL = "https://www.apache.org/licenses/LICENSE-2.0"


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One published file.

    Attributes:
        name: Its published name.
        page: Where it is published: a link for a person, who may have to agree to terms.
        urls: Addresses to fetch it from, tried in turn: HTTP(S), a file on Google Drive, or a
            folder there that holds a file of that name. If there are none, a person must fetch it.
        seen: What vouches for the addresses and the checksum.
        required: Whether the source cannot be used without it.
        size: Its size in bytes, None if unknown.
        sha256: Its checksum, None if unknown. A file of another size or checksum is refused,
            unless `sources.NAME.accept_changed` says otherwise.
    """

    name: str
    page: str
    urls: tuple[str, ...] = ()
    seen: str = ""
    required: bool = True
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """A release: its files and the terms of its use.

    Attributes:
        name: Key of `sources` in params.yaml.
        title: Its name as reports print it.
        files: The published files.
        licence: The terms of its use, in a few words.
        terms_url: The page that states the terms.
        citation: The works that its users must cite.
    """

    name: str
    title: str
    files: tuple[SourceFile, ...]
    licence: str
    terms_url: str = ""
    citation: str = ""

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


def _read_table() -> dict[str, Source]:
    table: dict[str, Any] = read_yaml(Path(__file__).with_name("sources.yaml"))
    return {name: _source(name, **fields) for name, fields in table.items()}


def _source(name: str, files: dict[str, dict[str, Any]], **terms: str) -> Source:
    listed = (
        SourceFile(name=file, **{**fields, "urls": tuple(fields.get("urls", ()))})
        for file, fields in files.items()
    )
    return Source(name=name, files=tuple(listed), **terms)


SOURCES = _read_table()


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
