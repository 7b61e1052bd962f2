"""Check and unpack untrusted archives.

No name leaves the target folder, no two names collide on case-insensitive file systems, and nothing
but plain files and folders is written. The number of members, their total size, the compression
ratio and the memory that decoding takes are bounded before anything is unpacked. Images are bounded
where they are decoded, by the size in their header (`images.MAX_PIXELS`).
"""

import gzip
import lzma
import shutil
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import py7zr
from py7zr.exceptions import ArchiveError, CrcError, PasswordRequired

from face_occlusion.core.files import atomic_folder, errors_name, is_refusal


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an archive may hold; beyond it, it is refused.

    The largest release, CelebAMask-HQ, has about 430,000 members; the largest file, COCO's
    train2017, 19 GB; the tightest, COCO's annotations, unpacks to about 4 times its size.
    """

    members: int = 1_000_000
    total_bytes: int = 64 << 30
    ratio: float = 100.0  # unpacked / packed
    free_bytes: int = 64 << 20  # total size up to which the ratio is not asked for
    decoder_bytes: int = 1 << 30  # memory of a 7z decoder; 7-Zip's strongest preset takes 2^28
    header_bytes: int = 1 << 24  # longest header of a tar member


def check_member_name(archive: str, name: str) -> str:
    """Return a member's name, with "/" as separator, if it stays inside the archive's folder.

    An empty or absolute one, one with a drive, `..` or a control character is a ValueError.
    """
    plain = name.replace("\\", "/")
    parts = PurePosixPath(plain).parts
    escapes = not parts or plain.startswith("/") or ".." in parts or ":" in parts[0]
    if escapes or any(ord(char) < 32 for char in plain):
        raise ValueError(f"{archive}: member {name!r} would be written outside the folder; refused")
    return str(PurePosixPath(*parts))


class Names:
    """The names that an archive's members take."""

    def __init__(self, archive: Path) -> None:
        self._archive = archive
        self._files: dict[str, str] = {}
        self._folders: set[str] = set()

    def claim(self, name: str, *, folder: bool, plain: bool) -> str:
        """Claim a name for a member, and return it as `check_member_name` does.

        It is refused if it is taken, also where only the case of letters or the coding of accents
        differs (on some file systems one file would replace the other), or lies within a file; and
        if the member is not `plain`, that is, neither a file nor a folder.
        """
        name = check_member_name(str(self._archive), name)
        if not plain:
            raise ValueError(f"{self._archive}: member {name!r} is a link or a device; refused")
        key = unicodedata.normalize("NFC", name).casefold()
        where = f"{self._archive}: member {name!r}"
        if other := self._files.get(key):
            same = f"collides with {other!r} on case-insensitive file systems"
            raise ValueError(f"{where} {'occurs twice' if other == name else same}; refused")
        if not folder:
            if key in self._folders:
                raise ValueError(f"{where} is both a file and a folder; refused")
            self._files[key] = name
            key = key.rpartition("/")[0]
        while key and key not in self._folders:
            if key in self._files:
                raise ValueError(f"{where} lies within the file {self._files[key]!r}; refused")
            self._folders.add(key)
            key = key.rpartition("/")[0]
        return name


def check_limits(archive: Path, members: int, total: int, limits: Limits) -> None:
    """Refuse an archive with too many members, too much content or too high a ratio."""
    if members > limits.members:
        raise ValueError(f"{archive}: {members:,} members; at most {limits.members:,} are unpacked")
    if total > limits.total_bytes:
        most = f"at most {limits.total_bytes:,} are unpacked"
        raise ValueError(f"{archive}: unpacks to {total:,} bytes; {most}")
    packed = max(archive.stat().st_size, 1)
    if total > limits.free_bytes and total / packed > limits.ratio:
        most = f"at most {limits.ratio:g} times is unpacked"
        raise ValueError(f"{archive}: unpacks to {total / packed:.0f} times its size; {most}")


def check_disk(path: Path, folder: Path, total: int) -> None:
    """Refuse an archive that unpacks to more than the disk of `folder` has left."""
    free = shutil.disk_usage(folder).free
    if total > free:
        raise ValueError(f"{path}: unpacks to {total:,} bytes; the disk has {free:,} left")


Progress = Callable[[int], object]  # called with the number of bytes done since the last call

_CHUNK = 1 << 20
_ZIP_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError)
_ENCRYPTED = 0x1  # zip general purpose flag, bit 0
_7Z_ERRORS = (ArchiveError, PasswordRequired, lzma.LZMAError, zlib.error, EOFError, OSError)
# A truncated or forged header fails in many ways inside py7zr's parser.
_7Z_ERRORS += (ValueError, TypeError, LookupError, AttributeError, AssertionError)
_7Z_ERRORS += (OverflowError, MemoryError)
_KINDS = {".tar.gz": "tar", ".tgz": "tar", ".tar": "tar", ".zip": "zip", ".7z": "7z"}  # by ending


def _ending(name: str) -> str:
    return next((ending for ending in _KINDS if name.lower().endswith(ending)), "")


def archive_kind(name: str) -> str | None:
    """Return `zip`, `7z` or `tar` by the file's name, None for a loose file."""
    return _KINDS.get(_ending(name))


def archive_stem(name: str) -> str:
    """Return an archive's name without its ending: `dtd-r1.0.1.tar.gz` -> `dtd-r1.0.1`."""
    return name.removesuffix(name[len(name) - len(_ending(name)) :])


def check_zip(path: Path, limits: Limits, progress: Progress = lambda done: None) -> None:
    """Check every member of a zip archive: name, kind, method, size and CRC.

    The archive is read once in full; `progress` is told of its unpacked bytes. One that is no zip
    archive, truncated, damaged or refused is a ValueError that names it and the member.
    """
    whole = errors_name(f"{path}: not a whole zip archive", *_ZIP_ERRORS)
    with whole, zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        check_limits(path, len(members), sum(info.file_size for info in members), limits)
        names = Names(path)
        for info in members:
            _check_zip_member(path, info, names)
        for info in members:
            _read_zip_member(path, archive, info, progress)


def _check_zip_member(path: Path, info: zipfile.ZipInfo, names: Names) -> None:
    plain = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR)
    name = names.claim(info.filename, folder=info.is_dir(), plain=plain)
    if info.flag_bits & _ENCRYPTED:
        raise ValueError(f"{path}: member {name!r} is encrypted; expected a plain archive")
    if info.compress_type not in _ZIP_METHODS:
        method = f"method {info.compress_type}; expected stored (0) or deflate (8)"
        raise ValueError(f"{path}: member {name!r} is packed by {method}")


def _read_zip_member(
    path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, progress: Progress
) -> None:
    """Read a member through, which checks its CRC."""
    whole = errors_name(f"{path}: member {info.filename!r} is damaged", *_ZIP_ERRORS)
    with whole, archive.open(info) as member:
        while chunk := member.read(_CHUNK):
            progress(len(chunk))


def unpack(path: Path, folder: Path, limits: Limits) -> None:
    """Unpack a 7z or tar archive into a new folder, atomically.

    One that is damaged, cut off or refused is a ValueError.
    """
    unpack_kind = _unpack_7z if archive_kind(path.name) == "7z" else _unpack_tar
    with atomic_folder(folder) as partial:
        unpack_kind(path, partial, limits)


class _SmallReads:
    """A file of which no more than `most` bytes are read at once: tarfile reads headers whole."""

    def __init__(self, file: IO[bytes], path: Path, most: int) -> None:
        self._file, self._path, self._most = file, path, most
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, size: int) -> bytes:
        if size > self._most:
            raise ValueError(f"{self._path}: a header of {size:,} bytes is too large; refused")
        return self._file.read(size)


def _unpack_tar(path: Path, folder: Path, limits: Limits) -> None:
    last = "none"
    members = total = 0
    names = Names(path)
    plain = path.name.lower().endswith(".tar")
    try:
        with (
            path.open("rb") if plain else gzip.open(path) as file,
            tarfile.open(
                fileobj=_SmallReads(file, path, limits.header_bytes),  # type: ignore[arg-type]  # only reads
                mode="r:",
            ) as archive,
        ):
            for member in archive:
                members, total = members + 1, total + member.size
                check_limits(path, members, total, limits)
                plain = member.isfile() or member.isdir()
                last = names.claim(member.name, folder=member.isdir(), plain=plain)
                check_disk(path, folder, member.size)
                archive.extract(member, folder, filter="data")
                archive.members = []  # tarfile keeps all it has read
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        if is_refusal(error):
            raise
        raise ValueError(
            f"{path}: damaged or cut off after member {last!r} ({members} unpacked): {error}"
        ) from error
    if not members:
        raise ValueError(f"{path}: the archive is empty")


def _unpack_7z(path: Path, folder: Path, limits: Limits) -> None:
    """Unpack a 7z archive into an empty folder, after checking its list of members."""
    try:
        with py7zr.SevenZipFile(path) as archive:
            members = archive.list()
            memory = _decoder_bytes(archive)
    except _7Z_ERRORS as error:
        raise ValueError(f"{path}: not a whole 7z archive: {_cut_off(path) or error}") from error
    if memory > limits.decoder_bytes:
        most = f"at most {limits.decoder_bytes:,} are allowed"
        raise ValueError(f"{path}: decoding takes {memory:,} bytes of memory; {most}")
    total = sum(member.uncompressed or 0 for member in members)
    check_limits(path, len(members), total, limits)
    check_disk(path, folder, total)
    names = Names(path)
    for member in members:
        plain = not member.is_symlink and (member.is_file or member.is_directory)
        names.claim(member.filename, folder=member.is_directory, plain=plain)
    try:
        with py7zr.SevenZipFile(path) as archive:
            archive.extractall(folder)
    except CrcError as error:
        raise ValueError(
            f"{path}: damaged at member {error.filename!r}: its CRC differs"
        ) from error
    except _7Z_ERRORS as error:
        if is_refusal(error):
            raise
        first = _first_incomplete(folder, members)
        raise ValueError(f"{path}: damaged or cut off at member {first!r}: {error}") from error


def _cut_off(path: Path) -> str | None:
    """Say how much of a 7z archive is missing, by its start header (7zFormat.txt, StartHeader)."""
    with path.open("rb") as file:
        start = file.read(32)
    if len(start) < 32 or not start.startswith(b"7z\xbc\xaf\x27\x1c"):
        return None
    offset, size = struct.unpack_from("<QQ", start, 12)
    here, whole = path.stat().st_size, 32 + offset + size
    if here >= whole:
        return None
    return f"{here:,} of {whole:,} bytes are here, and the list of its members is in the rest"


def _decoder_bytes(archive: py7zr.SevenZipFile) -> int:
    """Return the memory that the archive's decoders ask for: LZMA's dictionaries, PPMd's model."""
    streams = archive.header.main_streams
    most = 0
    for folder in streams.unpackinfo.folders if streams and streams.unpackinfo else []:
        for coder in folder.coders:
            method, properties = coder["method"], coder["properties"] or b""
            if method == b"\x21" and properties:  # LZMA2: 2 or 3 times a power of two
                most = max(most, (2 | properties[0] & 1) << (properties[0] // 2 + 11))
            elif method in (b"\x03\x01\x01", b"\x03\x04\x01") and len(properties) >= 5:
                most = max(most, *struct.unpack_from("<I", properties, 1))
    return most


def _first_incomplete(folder: Path, members: Sequence[py7zr.FileInfo]) -> str | None:
    for member in members:
        path = folder / member.filename
        if member.is_file and not (path.is_file() and path.stat().st_size == member.uncompressed):
            return member.filename
    return None
