"""Bring a release in: find its archives, check them, lay them out, record what was used."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from face_occlusion.sources.archives import Limits, archive_kind, archive_stem, check_zip, unpack
from face_occlusion.sources.release import RELEASE, Release
from face_occlusion.sources.table import Source, SourceFile, find_source, match_published

ORIGINS = ("folder", "miniature", "absent")
_CHUNK = 1 << 20

DrawRelease = Callable[[str, Path], None]  # (source, folder): writes its archives into folder


@dataclass(frozen=True, kw_only=True)
class SourceParams:
    """Section `sources.NAME`: where a release comes from."""

    origin: str  # folder, miniature or absent
    files: Sequence[str] | None  # the files to take; None: all that the source needs
    why: str | None  # of origin absent: what a reader of an empty cell is told

    def __post_init__(self) -> None:
        if self.origin not in ORIGINS:
            raise ValueError(f"origin: must be one of {', '.join(ORIGINS)}; got '{self.origin}'")
        if self.origin == "absent" and not self.why:
            raise ValueError("why: must say why the source is absent")
        if self.files is not None and (isinstance(self.files, str) or not self.files):
            raise ValueError(f"files: must be a list of file names or null; got {self.files!r}")


def fetch_release(
    name: str,
    folder: Path,
    params: SourceParams,
    *,
    archives_dir: Path,
    draw_miniature: DrawRelease,
    limits: Limits | None = None,
) -> Release:
    """Write a release into a new folder, aside in `FOLDER.partial`, renamed when complete.

    Zip archives are checked and kept as they are, 7z and tar archives are unpacked, loose files
    copied. Archives are copied, never linked: DVC makes what it caches read-only, and a link
    would do so to the user's own file.

    Args:
        name: A source of `sources/table.py`.
        folder: The new folder; must not exist or be empty.
        params: Where the release comes from.
        archives_dir: The folder of archives on disk, of origin `folder`.
        draw_miniature: Draws the archives, of origin `miniature`.
        limits: What an archive may hold; None for the defaults.

    Returns:
        The release, opened.

    Raises:
        ValueError: If a file is missing (says which, where to put it and where it is
            published), damaged or refused. The folder is then left as it was.
    """
    source = find_source(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder}: exists and is not an empty folder; nothing was written")
    partial = folder.with_name(folder.name + ".partial")
    scratch = folder.with_name(folder.name + ".archives.partial")
    for left in (partial, scratch):  # of a run that was killed
        shutil.rmtree(left, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        record: dict[str, Any] = {
            "source": name,
            "title": source.title,
            "licence": source.licence,
            "origin": params.origin,
        }
        if params.origin == "absent":
            record["absent"] = params.why
        else:
            if params.origin == "miniature":
                scratch.mkdir()
                draw_miniature(name, scratch)
                archives_dir = scratch
            found = find_files(source, archives_dir, params.files)
            record["files"] = [
                _lay_out(file, path, partial, limits or Limits()) for file, path in found
            ]
        (partial / RELEASE).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Release(folder)


def find_files(
    source: Source, archives_dir: Path, names: Sequence[str] | None
) -> list[tuple[SourceFile, Path]]:
    """Find a source's files in a folder.

    Args:
        source: The source.
        archives_dir: The folder that holds the files; its subfolders are not searched.
        names: Published names of the files to take, all of them needed; None for those the
            source needs, and those it can use that are there.

    Returns:
        Each file and where it lies, in the source's order.

    Raises:
        ValueError: If one is missing; lists every missing one with its page.
    """
    wanted = source.files if names is None else tuple(source.file(name) for name in names)
    archives_dir = archives_dir.expanduser()
    present: list[str] = []
    if archives_dir.is_dir():
        present = sorted(path.name for path in archives_dir.iterdir() if path.is_file())
    found, missing = [], []
    for file in wanted:
        if (match := match_published(file.name, present)) is not None:
            found.append((file, archives_dir / match))
        elif file.required or names is not None:
            missing.append(file)
    if missing:
        there = "" if archives_dir.is_dir() else " (no such folder)"
        listed = "; ".join(f"{file.name}, published at {file.page}" for file in missing)
        raise ValueError(
            f"download.archives_dir: source '{source.name}' needs files that are not in "
            f"'{archives_dir}'{there}: {listed}"
        )
    if not found:
        known = ", ".join(file.name for file in source.files)
        raise ValueError(
            f"download.archives_dir: source '{source.name}' has no file in '{archives_dir}'; "
            f"expected some of {known}, published at {source.files[0].page}"
        )
    return found


def _lay_out(file: SourceFile, path: Path, folder: Path, limits: Limits) -> dict[str, Any]:
    """Put one file into the release's folder; return its entry of `release.json`."""
    kind = archive_kind(file.name)
    size = path.stat().st_size
    if size == 0:
        raise ValueError(f"{path}: an empty file; expected {file.name} as published")
    with tqdm(total=size, unit="B", unit_scale=True, desc=file.name, leave=False) as bar:
        if kind in ("7z", "tar"):
            sha256 = _hash_file(path, bar.update)
            unpack(path, folder / archive_stem(file.name), limits)
        else:
            sha256 = _copy(path, folder / file.name, bar.update)
    if kind == "zip":
        with tqdm(unit="B", unit_scale=True, desc=f"{file.name}: check", leave=False) as bar:
            check_zip(folder / file.name, limits, bar.update)
    entry: dict[str, Any] = {"name": file.name, "sha256": sha256, "size": size}
    if file.sha256 is not None:
        entry["as_published"] = sha256 == file.sha256
    logging.info("%s: %s bytes, sha256 %s", file.name, f"{size:,}", sha256)
    return entry


def _hash_file(path: Path, progress: Callable[[int], object]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            progress(len(chunk))
    return digest.hexdigest()


def _copy(path: Path, target: Path, progress: Callable[[int], object]) -> str:
    """Copy a file and return its sha256; the bytes hashed are the bytes written."""
    digest = hashlib.sha256()
    with path.open("rb") as file, target.open("wb") as copy:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            copy.write(chunk)
            progress(len(chunk))
        copy.flush()
        os.fsync(copy.fileno())
    return digest.hexdigest()
