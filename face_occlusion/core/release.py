"""Read the files of a raw release, whether they are unpacked or kept in zip archives."""

from __future__ import annotations

import fnmatch
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from face_occlusion.core.classes import to_seg_map
from face_occlusion.core.files import PositionedFile, check_name, errors_name, read_json
from face_occlusion.core.images import decode_mask

RELEASE = "release.json"
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")  # APPNOTE 4.3.7; the last two: name and extra length
_LITTER = re.compile(r"__MACOSX/|(^|/)(\.DS_Store|Thumbs\.db)\Z")  # what desktops add to archives
_ROW = np.dtype("<u2, <u2, <u4, <u8, <u8, <u8")  # archive, method, crc, offset, packed, size
Member = tuple[str, int, int, int, int, int]  # the same of a zip member, its archive by name


class Release:
    """A folder written by `fetch_release`, whose files are read by name.

    The name of a file in an archive is the archive's name without its ending, then the path
    inside: `Hands/Hands/Hand_0000002.jpg` is a member of `Hands.zip`. A file outside archives has
    its path as name. Files that desktops add (`__MACOSX/`, `.DS_Store`) are ignored.

    Zip members are found through an index that is built once (430,000 members take two seconds).
    Threads and forked processes may share a Release; a pickled one reopens its archives.

    A folder that holds no release is a ValueError; later, so is a file's name that is not UTF-8.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        path = self.folder / RELEASE
        self.info: dict[str, Any] = read_json(path, "no such file; write it with `stages.download`")
        self.source: str = self.info["source"]  # its name in `releases/sources.yaml`
        self.absent: str | None = self.info.get("absent")  # why, None if the release is there
        self._open: dict[str, PositionedFile] = {}

    def provenance(self) -> dict[str, Any]:
        """Return `sources` and `releases` for the info of a set that is made from the release."""
        unknown = {"title": self.source, "origin": "not recorded", "licence": "not recorded"}
        unknown |= {"licence_url": "", "citation": "", "files": []}
        about = {name: self.info.get(name, value) for name, value in unknown.items()}
        return {"sources": [self.source], "releases": {self.source: about}}

    @cached_property
    def _zips(self) -> ZipIndex:
        return ZipIndex(sorted(self.folder.glob("*.zip")))

    @cached_property
    def _loose(self) -> frozenset[str]:
        found = (
            check_name(path).relative_to(self.folder).as_posix()
            for path in self.folder.rglob("*")
            if not path.is_dir()  # a link that leads nowhere is a file that cannot be read
        )
        return frozenset(
            name for name in found if name != RELEASE and ("/" in name or not name.endswith(".zip"))
        )

    @cached_property
    def names(self) -> list[str]:
        """The name of every file, sorted."""
        return sorted(name for name in (*self._loose, *self._zips) if not _LITTER.search(name))

    def glob(self, pattern: str) -> list[str]:
        """List the files whose name matches as in `fnmatch`, sorted; `*` matches "/" too."""
        return fnmatch.filter(self.names, pattern)

    def find(self, pattern: str) -> str:
        """Return the one file whose name matches; else a ValueError says what is there."""
        matches = self.glob(pattern)
        if len(matches) != 1:
            found = ", ".join(matches[:8]) if matches else self._sample()
            raise ValueError(
                f"{self.folder}: expected one file like '{pattern}', found {len(matches)}: {found}"
            )
        return matches[0]

    def by_stem(self, *patterns: str) -> dict[str, str]:
        """Map the file name without ending of each file that matches any pattern to its name.

        No file, or two of one such stem, is a ValueError.
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
        """List one file of each folder, at most twelve, for errors."""
        if not self.names:
            return "nothing"
        shown: dict[str, str] = {}
        for name in self.names:
            shown.setdefault(name.rpartition("/")[0], name)
        more = f" and {len(self.names) - len(shown)} more" if len(self.names) > len(shown) else ""
        return ", ".join(list(shown.values())[:12]) + more

    def read(self, name: str) -> bytes:
        """Read a file; one that is missing, or a zip member that is damaged, is a ValueError."""
        if (member := self._zips.get(name)) is not None:
            return self._read_member(name, member)
        if name not in self._loose:
            raise ValueError(f"{self.folder}: no file '{name}'; found {self._sample()}")
        return (self.folder / name).read_bytes()

    def seg_map(self, name: str) -> np.ndarray:
        """Read a face mask as (H, W) uint8 class ids; another file is a ValueError."""
        return to_seg_map(decode_mask(self.read(name), name), name)

    def lines(self, name: str) -> list[str]:
        """Read a UTF-8 text file's lines, stripped, without empty ones; another is a ValueError."""
        with errors_name(f"{self.folder / name}: not a UTF-8 text", UnicodeDecodeError):
            text = self.read(name).decode("utf-8-sig")
        return [line.strip() for line in text.splitlines() if line.strip()]

    def _read_member(self, name: str, member: Member) -> bytes:
        archive, method, crc, offset, packed, size = member
        path = self.folder / archive
        where = f"{path}: member '{name}'"
        if not (file := self._open.get(archive)):
            file = self._open.setdefault(archive, PositionedFile(path))
        header = file.read(_LOCAL_HEADER.size, offset)
        if len(header) < _LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
            raise ValueError(f"{where} is damaged: its header is missing")
        *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        content = file.read(packed, offset + _LOCAL_HEADER.size + name_length + extra_length)
        if method != zipfile.ZIP_STORED:
            with errors_name(f"{where} is damaged", zlib.error):
                # one byte more than announced shows a member that is too long
                content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, size + 1)
        if len(content) != size or zlib.crc32(content) != crc:
            raise ValueError(f"{where} is damaged or cut off: its checksum differs")
        return content

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_open": {}}
        state.pop("names", None)  # workers read by name; the list is the index again, larger
        return state


class ZipIndex:
    """The members of several archives by name, which is `ARCHIVE/NAME INSIDE`.

    To save memory, names are an array of bytes, sorted and searched by bisection, and the other
    values are rows of another.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._archives = [path.name for path in paths]
        rows = sorted(row for number, path in enumerate(paths) for row in _read_rows(number, path))
        self._names = np.array([row[0] for row in rows], dtype=bytes)
        self._rows = np.array([row[1:] for row in rows], dtype=_ROW)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        return (name.decode() for name in self._names)

    def get(self, name: str) -> Member | None:
        """Return the archive of the member of that name, and its row; None if there is none."""
        wanted = np.bytes_(name.encode())
        row = np.searchsorted(self._names, wanted)
        if row == len(self) or self._names[row] != wanted:
            return None
        archive, *position = self._rows[row].item()
        return self._archives[archive], *position


def _read_rows(number: int, path: Path) -> Iterator[tuple[bytes, int, int, int, int, int, int]]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                name = f"{path.stem}/{info.filename}".encode()
                place = (info.header_offset, info.compress_size, info.file_size)
                yield (name, number, info.compress_type, info.CRC, *place)
