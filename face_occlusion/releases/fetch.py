"""Write a release: find its archives, check them, lay them out, record what was used."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from face_occlusion.core.files import atomic_folder, errors_name
from face_occlusion.core.release import RELEASE, Release
from face_occlusion.releases import table
from face_occlusion.releases.archives import Limits, archive_kind, archive_stem, check_zip, unpack
from face_occlusion.releases.gather import ArchiveDir, SourceParams, gather
from face_occlusion.releases.table import LockEntry, Source, SourceFile
from face_occlusion.releases.transfer import check_content

_CHUNK = 1 << 20

DrawRelease = Callable[[str, Path], None]  # (source, folder): writes its archives into folder


def fetch_release(
    name: str,
    folder: Path,
    params: SourceParams,
    *,
    archives: ArchiveDir,
    draw_miniature: DrawRelease,
) -> Release:
    """Write a release atomically into a new folder.

    Zip archives are checked and kept as they are, 7z and tar archives are unpacked, loose files
    copied. Archives are copied, never linked: DVC makes what it caches read-only, and a link
    would do so to the user's own file. Checksums that are not published are locked once all of
    this has gone well.

    `name` is a source of `releases/sources.yaml`. With origin `miniature` its archives are drawn by
    `draw_miniature`; with `url` those missing from `archives` are fetched.

    Files that are missing (all are listed, with where to put them and where they are published),
    damaged, refused, or others than those published or used first are a ValueError; the folder is
    then left as it was.
    """
    source = table.find_source(name)
    scratch = folder.with_name(folder.name + ".archives.partial")
    shutil.rmtree(scratch, ignore_errors=True)  # of a run that was killed
    try:
        with atomic_folder(folder) as partial:
            record: dict[str, Any] = {"source": name, "title": source.title}
            record |= {"origin": params.origin, "citation": source.citation}
            record |= {"licence": source.licence, "licence_url": source.terms_url}
            if params.origin == "absent":
                record["absent"] = params.why
            elif params.origin == "miniature":
                record |= {"licence": table.DRAWN_LICENCE, "licence_url": table.DRAWN_TERMS_URL}
                record["citation"] = ""
                scratch.mkdir()
                draw_miniature(name, scratch)
                drawn = replace(archives, archives_dir=scratch, profile={})
                found = gather(name, replace(params, origin="folder"), drawn)
                record["files"] = [_lay_out(name, *one, partial, None) for one in found]
            else:
                record["files"] = _lay_out_published(source, params, archives, partial)
            (partial / RELEASE).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Release(folder)


def _lay_out_published(
    source: Source, params: SourceParams, archives: ArchiveDir, folder: Path
) -> list[dict[str, Any]]:
    entries = []
    unpublished: dict[str, LockEntry] = {}
    for file, path in gather(source.name, params, archives):
        with errors_name(path):
            check_content(path, file.name)
        lock = None if params.accept_changed else archives.lock
        entry = _lay_out(source.name, file, path, folder, lock)
        if file.sha256 is not None:
            entry["as_published"] = entry["sha256"] == file.sha256
        elif not params.accept_changed:
            url = file.urls[0] if file.urls else file.page
            locked = LockEntry(sha256=entry["sha256"], size=entry["size"], url=url)
            unpublished[f"{source.name}/{file.name}"] = locked
        entries.append(entry)
    if new := table.add_to_lock(archives.lock, unpublished):
        logging.info("%s: locked the checksums of %s; commit it", archives.lock, ", ".join(new))
    return entries


def _lay_out(
    source: str, file: SourceFile, path: Path, folder: Path, lock: Path | None
) -> dict[str, Any]:
    """Put one file into the release's folder; return its entry of `release.json`.

    Before anything in it is looked at, its size and checksum are compared with what is published
    and with the lock; without a lock any will do.
    """
    kind = archive_kind(file.name)
    size = path.stat().st_size
    is_unpacked = kind in ("7z", "tar")
    with tqdm(total=size, unit="B", unit_scale=True, desc=file.name, leave=False) as bar:
        sha256 = _hash(path, None if is_unpacked else folder / file.name, bar.update)
    if lock is not None:
        table.check_known(path, source, file, size, sha256, lock)
    if is_unpacked:
        unpack(path, folder / archive_stem(file.name), Limits())
    elif kind == "zip":
        with tqdm(unit="B", unit_scale=True, desc=f"{file.name}: check", leave=False) as bar:
            check_zip(folder / file.name, Limits(), bar.update)
    logging.info("%s: %s bytes, sha256 %s", file.name, f"{size:,}", sha256)
    return {"name": file.name, "sha256": sha256, "size": size}


def _hash(path: Path, copy_to: Path | None, progress: Callable[[int], object]) -> str:
    """Return a file's sha256 and, where asked, copy it: the bytes hashed are the bytes written."""
    digest = hashlib.sha256()
    with path.open("rb") as file, copy_to.open("wb") if copy_to else nullcontext() as copy:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            progress(len(chunk))
            if copy:
                copy.write(chunk)
        if copy:
            copy.flush()
            os.fsync(copy.fileno())
    return digest.hexdigest()
