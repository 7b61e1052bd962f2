"""Draw many pictures, and pack them into archives whose bytes depend on their members alone."""

import gzip
import io
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import py7zr

from face_occlusion.core.parallel import ordered_map
from face_occlusion.core.params import Checked, Count, Meta, Natural

Item = TypeVar("Item")
Result = TypeVar("Result")
Members = Iterable[tuple[str, bytes]]  # (path inside, content)

_FEW = 24  # pictures that are drawn sooner than processes have started
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold
_TIME = 315532800  # the same, in seconds
_STORED = (".jpg", ".jpeg", ".png")  # compressed already


@dataclass(frozen=True, kw_only=True)
class MiniatureParams(Checked):
    """Section `download.miniature` of params.yaml: the size of the drawn releases."""

    seed: Natural  # another seed draws other people
    num_wo_train: Count  # faces without occluder, for training
    num_wo_test: Count  # unoccluded faces of other people, for the test
    num_o: Count  # occluded faces
    num_hands: Count  # photographs of hands
    num_objects: Count  # photographs with objects
    num_textures: Count
    num_benchmark: Count  # faces of each benchmark
    # Side of a face's photograph; part masks have half of it.
    face_px: Annotated[int, Meta(ge=64, multiple_of=4)]


def draw_all(draw: Callable[[Item], Result], items: Sequence[Item], what: str) -> list[Result]:
    """Return `draw(item)` of each item, in order, computed by processes where that is faster.

    `draw` is deterministic and picklable, and `what` the name of the progress bar.
    """
    workers = 1 if len(items) < _FEW else None
    return list(ordered_map(draw, items, desc=f"draw {what}", workers=workers))


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

    py7zr gives members that come as bytes the current time, so each goes through a file of a
    fixed date.
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
