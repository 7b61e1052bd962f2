"""Align a folder of photographs, and their masks if they have any, as FFHQ does."""

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from face_occlusion.alignment.alignment import align, align_seg_map
from face_occlusion.alignment.landmarks import LandmarkDetector
from face_occlusion.apps import folders
from face_occlusion.core.files import errors_name
from face_occlusion.core.images import encode_jpeg
from face_occlusion.core.parallel import ordered_map

RECORDS = "alignment.json"
WITHOUT = "without_detection.txt"
JPEG_QUALITY = 95


def align_folder(
    photos: Path,
    out: Path,
    *,
    size_px: int,
    masks: Path | None = None,
    by_hand: Mapping[str, np.ndarray] | None = None,
    workers: int | None = None,
) -> tuple[int, list[str]]:
    """Align the largest face of every photograph of a folder, as FFHQ does.

    Writes `images/NAME.jpg`, with masks `masks/NAME.png` (see `viewable`; pixels outside the
    photograph are ignored, 255), `alignment.json` with the landmarks and the transform of each,
    and where faces were not found `without_detection.txt` with the names of their files.

    Landmarks set `by_hand`, by name without suffix (see `read_landmarks`), replace dlib's. Returns
    how many were aligned, and the names of those without a face. Nothing is written if there are no
    photographs, a mask is missing or of another size, landmarks belong to no photograph, or a file
    is unreadable: a ValueError names it.
    """
    found, given = folders.files_by_stem(photos), by_hand or {}
    mask_of = folders.files_by_stem(masks) if masks else {}
    if masks and (lonely := sorted(found.keys() - mask_of.keys())):
        raise ValueError(f"{masks}: no mask for {', '.join(lonely[:5])}")
    if unknown := sorted(given.keys() - found.keys()):
        raise ValueError(f"landmarks of {', '.join(unknown[:5])}, which are not in {photos}")
    detector = LandmarkDetector() if found.keys() - given.keys() else None
    work = functools.partial(
        _align_photo, size_px=size_px, mask_of=mask_of, by_hand=given, detector=detector
    )
    records: dict[str, Any] = {}
    without: list[str] = []

    def files() -> Iterator[tuple[str, bytes]]:
        paths = list(found.values())
        aligned = ordered_map(work, paths, desc="align", workers=workers)
        for path, result in zip(paths, aligned, strict=True):
            if result is None:
                without.append(path.name)
            else:
                parts, records[path.name] = result
                yield from parts
        yield RECORDS, (json.dumps(records, indent=1) + "\n").encode()
        if without:
            yield WITHOUT, "".join(f"{name}\n" for name in without).encode()

    folders.write_files(out, files())
    return len(records), without


def _align_photo(
    path: Path,
    *,
    size_px: int,
    mask_of: Mapping[str, Path],
    by_hand: Mapping[str, np.ndarray],
    detector: LandmarkDetector | None,
) -> tuple[list[tuple[str, bytes]], dict[str, Any]] | None:
    """Align one photograph; return its files and its record, or None without a face."""
    image = folders.read_image(path)
    points, source, num_faces = by_hand.get(path.stem), "hand", None
    if points is None and detector is not None:
        faces = detector.find_all(image)
        points, source, num_faces = (faces[0] if faces else None), "dlib", len(faces)
    if points is None:
        return None
    with errors_name(path):
        aligned = align(image, points, size_px)
    files = [(f"images/{path.stem}.jpg", encode_jpeg(aligned.image, JPEG_QUALITY))]
    if mask := mask_of.get(path.stem):
        seg_map = align_seg_map(folders.read_seg_map(mask, image, path), aligned.square, size_px)
        files.append((f"masks/{path.stem}.png", folders.viewable(seg_map)))
    return files, {
        "landmarks": np.asarray(points).round(3).tolist(),
        "landmarks_by": source,
        "num_faces": num_faces,
        "square": aligned.square.round(3).tolist(),
        "to_photograph": aligned.to_photograph.tolist(),
        "photograph_size": list(image.shape[:2]),
    }
