"""Unpack untrusted 7z archives."""

import lzma
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import py7zr
from py7zr.exceptions import ArchiveError, CrcError, PasswordRequired

from face_occlusion.releases.limits import (
    Limits,
    Names,
    check_disk,
    check_limits,
    check_member_name,
)

_ERRORS = (
    ArchiveError,
    PasswordRequired,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    OSError,
    MemoryError,
)
# A truncated or forged header fails in many ways inside py7zr's parser.
_ERRORS += (ValueError, TypeError, LookupError, AttributeError, AssertionError, OverflowError)


def unpack_7z(path: Path, folder: Path, limits: Limits) -> None:
    """Unpack a 7z archive into an empty folder, after checking its list of members.

    Raises:
        ValueError: If it is damaged, cut off or refused; names the archive and, where its list
            could be read, the member.
    """
    try:
        with py7zr.SevenZipFile(path) as archive:
            members = archive.list()
            memory = _decoder_bytes(archive)
    except _ERRORS as error:
        raise ValueError(f"{path}: not a whole 7z archive: {_cut_off(path) or error}") from error
    if memory > limits.decoder_bytes:
        raise ValueError(
            f"{path}: decoding takes {memory:,} bytes of memory; at most "
            f"{limits.decoder_bytes:,} are allowed"
        )
    total = sum(member.uncompressed or 0 for member in members)
    check_limits(path, len(members), total, limits)
    check_disk(path, folder, total)
    names = Names(path)
    for member in members:
        name = check_member_name(str(path), member.filename)
        if member.is_symlink or not (member.is_file or member.is_directory):
            raise ValueError(f"{path}: member {name!r} is a link or a device; refused")
        names.claim(name, folder=member.is_directory)
    try:
        with py7zr.SevenZipFile(path) as archive:
            archive.extractall(folder)
    except CrcError as error:
        raise ValueError(
            f"{path}: damaged at member {error.filename!r}: its CRC differs"
        ) from error
    except _ERRORS as error:
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
    """Return the first member that was not written whole."""
    for member in members:
        path = folder / member.filename
        if member.is_file and not (path.is_file() and path.stat().st_size == member.uncompressed):
            return member.filename
    return None
