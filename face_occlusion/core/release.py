"""Read a raw release: unpacked folders and the zip archives kept beside them, alike."""

from __future__ import annotations

import bisect
import fnmatch
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from face_occlusion.core.files import read_json

RELEASE = "release.json"
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")  # APPNOTE 4.3.7; the last two: name and extra length
_ROW = np.dtype(
    [
        ("archive", "<u2"),
        ("method", "<u2"),
        ("crc", "<u4"),
        ("offset", "<u8"),
        ("packed", "<u8"),
        ("size", "<u8"),
    ]
)


class Release:
    """A folder written by `fetch_release`, read by name.

    Every file has one name: its archive's name without the ending, then its path within:
    `Hands/Hands/Hand_0000002.jpg` is a member of `Hands.zip`. Loose files keep their own. What
    desktops leave behind (`__MACOSX/`, `.DS_Store`) is passed over.

    Zip members are found through an index built once (430,000 members take two seconds) and
    read with `os.pread`, so that threads and forked processes may share a Release; pickled, it
    reopens its archives.

    Raises:
        ValueError: If the folder is no release.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        path = self.folder / RELEASE
        self.info: dict[str, Any] = read_json(path, "no such file; write it with `stages.download`")
        self._handles: dict[tuple[int, str], int] = {}

    @property
    def source(self) -> str:
        """Name of the source, as in `releases/sources.yaml`."""
        return self.info["source"]

    @property
    def absent(self) -> str | None:
        """Why the release is not here, None if it is."""
        return self.info.get("absent")

    def provenance(self) -> dict[str, Any]:
        """Return what the info of a set made from the release says of it: `sources`, `releases`."""
        about = {
            "title": self.info.get("title", self.source),
            "origin": self.info.get("origin", "not recorded"),
            "licence": self.info.get("licence", "not recorded"),
            "licence_url": self.info.get("licence_url", ""),
            "citation": self.info.get("citation", ""),
            "files": self.info.get("files", []),
        }
        return {"sources": [self.source], "releases": {self.source: about}}

    @cached_property
    def _zips(self) -> ZipIndex:
        return ZipIndex(sorted(self.folder.glob("*.zip")))

    @cached_property
    def _loose(self) -> frozenset[str]:
        found = (
            path.relative_to(self.folder).as_posix()
            for path in self.folder.rglob("*")
            if path.is_file()
        )
        return frozenset(name for name in found if name != RELEASE and not _is_kept_zip(name))

    @cached_property
    def _names(self) -> list[str]:
        return sorted(name for name in (*self._loose, *self._zips) if not _is_litter(name))

    def names(self) -> list[str]:
        """List every file, sorted."""
        return list(self._names)

    def glob(self, pattern: str) -> list[str]:
        """List the files whose name matches, sorted.

        Args:
            pattern: As in `fnmatch`, case-sensitive; `*` matches "/" too.
        """
        return fnmatch.filter(self._names, pattern)

    def find(self, pattern: str) -> str:
        """Return the one file whose name matches.

        Raises:
            ValueError: If none or several match; lists what was found.
        """
        matches = self.glob(pattern)
        if len(matches) != 1:
            found = ", ".join(matches[:8]) if matches else self._sample()
            raise ValueError(
                f"{self.folder}: expected one file like '{pattern}', found {len(matches)}: {found}"
            )
        return matches[0]

    def by_stem(self, *patterns: str) -> dict[str, str]:
        """Map file name without folder and ending -> name, for files matching any pattern.

        Raises:
            ValueError: If no file matches, or two share a stem.
        """
        found: dict[str, str] = {}
        for pattern in patterns:
            for name in self.glob(pattern):
                stem = name.rpartition("/")[2].rpartition(".")[0]
                if found.setdefault(stem, name) != name:
                    raise ValueError(f"{self.folder}: '{found[stem]}' and '{name}' share a name")
        if not found:
            raise ValueError(
                f"{self.folder}: expected files like {' or '.join(map(repr, patterns))}; "
                f"found {self._sample()}"
            )
        return found

    def _sample(self) -> str:
        """Say what is here: some names from each folder."""
        if not self._names:
            return "nothing"
        shown: dict[str, str] = {}
        for name in self._names:
            shown.setdefault(name.rpartition("/")[0], name)
        more = f" and {len(self._names) - len(shown)} more" if len(self._names) > len(shown) else ""
        return ", ".join(list(shown.values())[:12]) + more

    def read(self, name: str) -> bytes:
        """Read a file.

        Raises:
            ValueError: If there is none of that name, or a zip member is damaged.
        """
        if (member := self._zips.get(name)) is not None:
            return self._read_member(name, member)
        if name not in self._loose:
            raise ValueError(f"{self.folder}: no file '{name}'; found {self._sample()}")
        return (self.folder / name).read_bytes()

    def lines(self, name: str) -> list[str]:
        """Read a text file's lines, stripped, without empty ones.

        Raises:
            ValueError: If there is no such file, or it is not UTF-8 text.
        """
        try:
            text = self.read(name).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"{self.folder / name}: not a UTF-8 text: {error}") from error
        return [line.strip() for line in text.splitlines() if line.strip()]

    def _read_member(self, name: str, member: Member) -> bytes:
        where = f"{self.folder / member.archive}: member '{name}'"
        handle = self._handle(member.archive)
        header = os.pread(handle, _LOCAL_HEADER.size, member.offset)
        if len(header) < _LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
            raise ValueError(f"{where} is damaged: no header at its place")
        *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        start = member.offset + _LOCAL_HEADER.size + name_length + extra_length
        packed = _pread(handle, member.packed, start)
        if member.method == zipfile.ZIP_STORED:
            content = packed
        else:
            content = _inflate(where, packed, member.size)
        if len(content) != member.size or zlib.crc32(content) != member.crc:
            raise ValueError(f"{where} is damaged or cut off: its checksum differs")
        return content

    def _handle(self, archive: str) -> int:
        key = (os.getpid(), archive)
        if key not in self._handles:
            self._handles[key] = os.open(self.folder / archive, os.O_RDONLY)
        return self._handles[key]

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_handles": {}}
        state.pop("_names", None)  # workers read by name; the list is the index again, larger
        return state

    def __del__(self) -> None:
        for (pid, _), handle in getattr(self, "_handles", {}).items():
            if pid == os.getpid():
                os.close(handle)


def _is_kept_zip(name: str) -> bool:
    return "/" not in name and name.endswith(".zip")


def _is_litter(name: str) -> bool:
    """Tell what desktops leave in archives."""
    return "__MACOSX/" in name or name.rpartition("/")[2] in (".DS_Store", "Thumbs.db")


def _pread(handle: int, size: int, offset: int) -> bytes:
    """Read `size` bytes, fewer at the file's end; one call reads at most 2 GiB."""
    chunks = []
    while size > 0 and (chunk := os.pread(handle, size, offset)):
        chunks.append(chunk)
        size, offset = size - len(chunk), offset + len(chunk)
    return b"".join(chunks)


def _inflate(where: str, packed: bytes, size: int) -> bytes:
    """Inflate a raw deflate stream to at most `size` bytes and one more."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, size + 1)
    except zlib.error as error:
        raise ValueError(f"{where} is damaged: {error}") from error


@dataclass(frozen=True, slots=True)
class Member:
    """Where a zip member lies: archive, header offset, packed and plain size, method, CRC-32."""

    archive: str
    offset: int
    packed: int
    size: int
    method: int
    crc: int


class ZipIndex:
    """The members of several archives by name, which is `STEM/NAME IN THE ARCHIVE`.

    Names are kept sorted in one string of bytes and looked up by bisection; the rest is a row of
    an array.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._archives = [path.name for path in paths]
        rows = sorted(row for number, path in enumerate(paths) for row in _read_rows(number, path))
        self._names = b"".join(row[0] for row in rows)
        ends = np.cumsum([0, *(len(row[0]) for row in rows)], dtype=np.int64)
        self._ends = ends  # row i's name lies from ends[i] to ends[i + 1]
        self._rows = np.array([row[1:] for row in rows], dtype=_ROW)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        return (self._name(row).decode() for row in range(len(self)))

    def get(self, name: str) -> Member | None:
        """Return a member, None if there is none of that name."""
        wanted = name.encode()
        row = bisect.bisect_left(range(len(self)), wanted, key=self._name)
        if row == len(self) or self._name(row) != wanted:
            return None
        archive, method, crc, offset, packed, size = self._rows[row].item()
        return Member(self._archives[archive], offset, packed, size, method, crc)

    def _name(self, row: int) -> bytes:
        return self._names[self._ends[row] : self._ends[row + 1]]


def _read_rows(number: int, path: Path) -> Iterator[tuple[bytes, int, int, int, int, int, int]]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                yield (
                    f"{path.stem}/{info.filename}".encode(),
                    number,
                    info.compress_type,
                    info.CRC,
                    info.header_offset,
                    info.compress_size,
                    info.file_size,
                )
