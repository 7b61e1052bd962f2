"""Small releases, crafted for tests."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import py7zr

from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.core.release import Release


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


def celebamask_files(
    *, wo: int = 3, wo_test: int = 2, o: int = 2, excluded: int = 1, size: int = 64
) -> dict[str, bytes]:
    """CelebAMask-HQ in small: images of `size`, layers of half that, corrected masks."""
    files: dict[str, bytes] = {}
    half = size // 2
    root = "CelebAMask-HQ/CelebAMask-HQ"
    for number in range(wo + wo_test + o + excluded):
        files[f"{root}/CelebA-HQ-img/{number}.jpg"] = encode_jpeg(photo(size, size, number), 90)
        skin = ellipse(half, half)
        hair = np.zeros_like(skin)
        hair[: half // 3] = True
        anno = f"{root}/CelebAMask-HQ-mask-anno/{number // 2000}/{number:05d}"
        files[f"{anno}_skin.png"] = encode_png(skin.astype(np.uint8) * 255)
        files[f"{anno}_hair.png"] = encode_png(hair.astype(np.uint8) * 255)
        corrected = (skin & ~hair).astype(np.uint8) * 255
        files[f"CelebAMask-HQ-masks_corrected/CelebAMask-HQ-masks_corrected/{number}.png"] = (
            encode_png(np.repeat(corrected[..., np.newaxis], 3, axis=2))  # the authors' have 3
        )
    names = iter(range(wo + wo_test + o))
    for subset, count in (("WO-train", wo), ("WO-test", wo_test), ("O", o)):
        listed = "".join(f"{next(names)}.jpg\n" for _ in range(count))
        files[f"CelebAMask-HQ-{subset}.txt"] = listed.encode()
    return files
