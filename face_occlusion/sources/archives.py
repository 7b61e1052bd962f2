"""Check and unpack archives that nobody vouches for.

No name leaves the target folder, nothing but plain files and folders is written, and the number
of members, their total size and the compression ratio are bounded before anything is unpacked.
"""

from __future__ import annotations

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import py7zr
import py7zr.exceptions

Progress = Callable[[int], object]  # told the number of bytes done since the last call

_CHUNK = 1 << 20
_ZIP_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ENCRYPTED = 0x1  # zip general purpose flag, bit 0


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


def archive_kind(name: str) -> str | None:
    """Return `zip`, `7z` or `tar` by the file's name, None for a loose file."""
    lowered = name.lower()
    if lowered.endswith(".zip"):
        return "zip"
    if lowered.endswith(".7z"):
        return "7z"
    return "tar" if lowered.endswith((".tar.gz", ".tgz", ".tar")) else None


def archive_stem(name: str) -> str:
    """Return an archive's name without its ending: `dtd-r1.0.1.tar.gz` -> `dtd-r1.0.1`."""
    for ending in (".tar.gz", ".tgz", ".tar", ".zip", ".7z"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name


def check_member_name(archive: str, name: str) -> str:
    """Return a member's name, with "/" as separator, if it stays inside the archive's folder.

    Raises:
        ValueError: If it is empty, absolute, has a drive or `..`, or a control character.
    """
    plain = name.replace("\\", "/")
    parts = PurePosixPath(plain).parts
    if (
        not parts
        or plain.startswith("/")
        or ".." in parts
        or ":" in parts[0]
        or any(ord(char) < 32 for char in plain)
    ):
        raise ValueError(f"{archive}: member {name!r} would be written outside the folder; refused")
    return str(PurePosixPath(*parts))


def check_limits(archive: Path, members: int, total: int, limits: Limits) -> None:
    """Refuse an archive with too many members, too much content or too high a ratio.

    Raises:
        ValueError: Names the archive, what was found and the bound.
    """
    if members > limits.members:
        raise ValueError(f"{archive}: {members:,} members; at most {limits.members:,} are unpacked")
    if total > limits.total_bytes:
        raise ValueError(
            f"{archive}: unpacks to {total:,} bytes; at most {limits.total_bytes:,} are unpacked"
        )
    packed = max(archive.stat().st_size, 1)
    if total > limits.free_bytes and total / packed > limits.ratio:
        raise ValueError(
            f"{archive}: unpacks to {total / packed:.0f} times its size; "
            f"at most {limits.ratio:g} times is unpacked"
        )


def check_zip(path: Path, limits: Limits, progress: Progress = lambda done: None) -> None:
    """Check every member of a zip archive: name, kind, method, size and CRC.

    Args:
        path: The archive; read once in full.
        limits: What it may hold.
        progress: Told the unpacked bytes as they are checked.

    Raises:
        ValueError: If it is not a zip archive, is truncated or damaged, or is refused; names
            the archive and the member.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            check_limits(path, len(members), sum(info.file_size for info in members), limits)
            seen: set[str] = set()
            for info in members:
                _check_zip_member(path, info, seen)
            for info in members:
                _read_zip_member(path, archive, info, progress)
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise ValueError(f"{path}: not a whole zip archive: {error}") from error


def _check_zip_member(path: Path, info: zipfile.ZipInfo, seen: set[str]) -> None:
    name = check_member_name(str(path), info.filename)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ValueError(f"{path}: member {name!r} is a link or a device; refused")
    if info.flag_bits & _ENCRYPTED:
        raise ValueError(f"{path}: member {name!r} is encrypted; expected a plain archive")
    if info.compress_type not in _ZIP_METHODS:
        raise ValueError(
            f"{path}: member {name!r} is packed by method {info.compress_type}; "
            "expected stored (0) or deflate (8)"
        )
    if name in seen and not info.is_dir():
        raise ValueError(f"{path}: member {name!r} is there twice")
    seen.add(name)


def _read_zip_member(
    path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, progress: Progress
) -> None:
    """Read a member through, which checks its CRC."""
    try:
        with archive.open(info) as member:
            while chunk := member.read(_CHUNK):
                progress(len(chunk))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise ValueError(
            f"{path}: member {info.filename!r} is damaged or cut off: {error}"
        ) from error


def unpack(path: Path, folder: Path, limits: Limits) -> None:
    """Unpack a 7z or tar archive into a folder, which must not exist.

    Raises:
        ValueError: If the archive is damaged, cut off or refused; the folder is then removed.
    """
    folder.mkdir(parents=True)
    try:
        if archive_kind(path.name) == "7z":
            _unpack_7z(path, folder, limits)
        else:
            _unpack_tar(path, folder, limits)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


_SEVENZIP_ERRORS = (
    py7zr.exceptions.ArchiveError,
    py7zr.exceptions.PasswordRequired,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    OSError,
    # a truncated or forged header fails in many ways inside py7zr's parser
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    AssertionError,
    OverflowError,
    MemoryError,
)


def _unpack_7z(path: Path, folder: Path, limits: Limits) -> None:
    try:
        with py7zr.SevenZipFile(path) as archive:
            members = archive.list()
    except _SEVENZIP_ERRORS as error:
        raise ValueError(f"{path}: not a whole 7z archive: {error}") from error
    check_limits(path, len(members), sum(member.uncompressed or 0 for member in members), limits)
    for member in members:
        name = check_member_name(str(path), member.filename)
        if member.is_symlink or not (member.is_file or member.is_directory):
            raise ValueError(f"{path}: member {name!r} is a link or a device; refused")
    try:
        with py7zr.SevenZipFile(path) as archive:
            archive.extractall(folder)
    except _SEVENZIP_ERRORS as error:
        raise ValueError(f"{path}: damaged or cut off: {error}") from error


def _unpack_tar(path: Path, folder: Path, limits: Limits) -> None:
    last = "none"
    members = total = 0
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                members, total = members + 1, total + member.size
                check_limits(path, members, total, limits)
                last = check_member_name(str(path), member.name)
                if not (member.isfile() or member.isdir()):
                    raise ValueError(f"{path}: member {last!r} is a link or a device; refused")
                archive.extract(member, folder, filter="data")
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise ValueError(
            f"{path}: damaged or cut off after member {last!r} ({members} unpacked): {error}"
        ) from error
    if not members:
        raise ValueError(f"{path}: an empty archive")
