"""Write archives whose bytes depend on their members alone."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import py7zr

Members = Iterable[tuple[str, bytes]]  # (path inside, content)

_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold
_TIME = 315532800  # the same, in seconds
_STORED = (".jpg", ".jpeg", ".png")  # compressed already


def write_zip(path: Path, members: Members) -> None:
    """Write a zip, members in the order given; photographs are stored, the rest deflated."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name, _DATE)
            info.external_attr = 0o100644 << 16
            info.create_system = 3  # Unix, wherever this runs
            stored = name.endswith(_STORED)
            info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            archive.writestr(info, data)


def write_tar_gz(path: Path, members: Members) -> None:
    """Write a gzipped tar, members in the order given, without owners and times."""
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            archive.addfile(info, io.BytesIO(data))


def write_7z(path: Path, members: Members) -> None:
    """Write a 7z, members in the order given.

    py7zr dates members given as bytes with the clock; so they go through files of a fixed date.
    """
    filters = [{"id": py7zr.FILTER_LZMA2, "preset": 1}]
    with (
        tempfile.TemporaryDirectory() as folder,
        py7zr.SevenZipFile(path, "w", filters=filters) as archive,
    ):
        file = Path(folder) / "member"
        for name, data in members:
            file.write_bytes(data)
            file.chmod(0o644)
            os.utime(file, (_TIME, _TIME))
            archive.write(file, name)
