"""Small releases, crafted for tests."""

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import py7zr

from face_occlusion.core.release import Release
from face_occlusion.releases.gather import ArchiveDir
from face_occlusion.releases.transfer import FetchParams


def write_zip(path: Path, members: Mapping[Any, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, members: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def write_7z(path: Path, members: Mapping[str, bytes]) -> Path:
    with py7zr.SevenZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(content, name)
    return path


def archive_dir(
    folder: Path, lock: Path, profile: Mapping[str, Any], parallel: int = 3
) -> ArchiveDir:
    fetch = FetchParams(attempts=2, timeout_s=2, parallel=parallel)
    return ArchiveDir(archives_dir=folder, lock=lock, profile=profile, fetch=fetch)


def make_release(folder: Path, source: str, files: Mapping[str, bytes]) -> Release:
    """A release of loose files, as if unpacked."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "release.json").write_text(json.dumps({"source": source}))
    return Release(folder)


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth random picture, (height, width, 3) uint8."""
    rng = np.random.default_rng([seed, 1])
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    waves = [np.sin(6 * (a * rows + b * columns) + c) for a, b, c in rng.uniform(-1, 3, (3, 3))]
    return np.rint(127 + 100 * np.dstack(waves)).astype(np.uint8)


def ellipse(height: int, width: int, scale: float = 0.35) -> np.ndarray:
    """A centred ellipse, (height, width) bool."""
    rows, columns = np.mgrid[:height, :width]
    return np.hypot((rows + 0.5) / height - 0.5, (columns + 0.5) / width - 0.5) < scale
