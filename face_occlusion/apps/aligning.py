"""Align a folder of photographs, and their masks where there are some."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from face_occlusion.alignment.alignment import Aligned, align, align_seg_map
from face_occlusion.alignment.landmarks import LandmarkDetector
from face_occlusion.apps.folders import files_by_stem
from face_occlusion.core.images import (
    decode_image,
    decode_mask,
    encode_jpeg,
    encode_png,
    to_seg_map,
)
from face_occlusion.core.imageset.writer import written_aside
from face_occlusion.core.parallel import ordered_map

RECORDS = "alignment.json"
WITHOUT = "without_detection.txt"
JPEG_QUALITY = 95


@dataclass(frozen=True)
class Photo:
    """A photograph to align, and its mask where there is one."""

    path: Path
    mask: Path | None


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

    Writes `images/NAME.jpg`, with masks `masks/NAME.png` (what lies outside the photograph is
    ignored, 255), `alignment.json` with each one's points and transform, and where faces were
    not found `without_detection.txt` with their files' names.

    Args:
        photos: Folder of photographs; other files are passed over.
        out: New folder.
        size_px: Side of the aligned images.
        masks: Folder of face masks with the photographs' names; None for none.
        by_hand: Landmarks by name without ending, see `read_landmarks`; they go before dlib's.
        workers: Processes; None for one a core. Changes no byte.

    Returns:
        How many were aligned, and the names of those in which no face was found.

    Raises:
        ValueError: If there are no photographs, a mask is missing or of another size, landmarks
            are of no photograph, or a file cannot be read; names it. Nothing is then written.
    """
    if size_px < 16:
        raise ValueError(f"size must be at least 16; got {size_px}")
    found = _list_photos(photos, masks)
    given = by_hand or {}
    if unknown := sorted(given.keys() - {photo.path.stem for photo in found}):
        raise ValueError(f"landmarks of {', '.join(unknown[:5])}, which are not in {photos}")
    missing = any(photo.path.stem not in given for photo in found)
    detector = LandmarkDetector() if missing else None
    load = functools.partial(_align_photo, size_px=size_px, by_hand=given, detector=detector)
    records: dict[str, Any] = {}
    without: list[str] = []
    with written_aside(out) as partial:
        (partial / "images").mkdir()
        if masks is not None:
            (partial / "masks").mkdir()
        aligned = ordered_map(load, found, desc="align", workers=workers)
        for photo, result in zip(found, aligned, strict=True):
            if result is None:
                without.append(photo.path.name)
                continue
            image, mask, records[photo.path.name] = result
            (partial / "images" / f"{photo.path.stem}.jpg").write_bytes(image)
            if mask is not None:
                (partial / "masks" / f"{photo.path.stem}.png").write_bytes(mask)
        (partial / RECORDS).write_text(json.dumps(records, indent=1) + "\n")
        if without:
            (partial / WITHOUT).write_text("".join(f"{name}\n" for name in without))
    return len(records), without


def _list_photos(folder: Path, masks: Path | None) -> list[Photo]:
    photos = files_by_stem(folder)
    if masks is None:
        return [Photo(path, None) for path in photos.values()]
    mask_of = files_by_stem(masks)
    if lonely := sorted(photos.keys() - mask_of.keys()):
        raise ValueError(f"{masks}: no mask of {', '.join(lonely[:5])}")
    return [Photo(path, mask_of[stem]) for stem, path in photos.items()]


def _align_photo(
    photo: Photo,
    *,
    size_px: int,
    by_hand: Mapping[str, np.ndarray],
    detector: LandmarkDetector | None,
) -> tuple[bytes, bytes | None, dict[str, Any]] | None:
    """Align one photograph: its JPEG, its mask's PNG and its record; None without a face."""
    image = decode_image(photo.path.read_bytes(), str(photo.path))
    points, source, num_faces = by_hand.get(photo.path.stem), "hand", None
    if points is None and detector is not None:
        faces = detector.find_all(image)
        points, source, num_faces = (faces[0] if faces else None), "dlib", len(faces)
    if points is None:
        return None
    aligned = align(image, points, size_px)
    mask = None if photo.mask is None else _align_mask(photo.mask, image, aligned)
    record = {
        "landmarks": np.asarray(points).round(3).tolist(),
        "landmarks_by": source,
        "num_faces": num_faces,
        "square": aligned.square.round(3).tolist(),
        "to_photograph": aligned.to_photograph.tolist(),
        "photograph_size": list(image.shape[:2]),
    }
    return encode_jpeg(aligned.image, JPEG_QUALITY), mask, record


def _align_mask(path: Path, image: np.ndarray, aligned: Aligned) -> bytes:
    seg_map = to_seg_map(decode_mask(path.read_bytes(), str(path)), str(path))
    if seg_map.shape != image.shape[:2]:
        raise ValueError(
            f"{path}: a mask of {seg_map.shape[0]}x{seg_map.shape[1]} pixels, while its "
            f"photograph has {image.shape[0]}x{image.shape[1]}"
        )
    return encode_png(align_seg_map(seg_map, aligned.square, len(aligned.image)))
