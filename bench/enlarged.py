"""Image sets enlarged to the paper's sizes, for measurements on smaller ones."""

import statistics
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from face_occlusion.core.images import encode_jpeg, encode_png, encode_rgba
from face_occlusion.core.imageset import ImageSet, encode_record, write_image_set

HAND_MPX = 0.76  # median of 11k Hands' 1600x1200 photographs, cut out and cropped


def enlarge_faces(folder: Path, count: int, size: int, out: Path) -> ImageSet:
    """Write the first faces of a set as squares of another size."""
    faces = ImageSet(folder)

    def samples() -> Iterator[tuple[str, dict[str, bytes]]]:
        for key in faces.keys[:count]:
            image = cv2.resize(faces.image(key), (size, size), interpolation=cv2.INTER_CUBIC)
            cover = cv2.resize((faces.seg_map(key) == 1) * np.uint8(255), (size, size))
            parts = {"jpg": encode_jpeg(image, 95), "png": encode_png((cover >= 128) * np.uint8(1))}
            yield key, parts | {"json": encode_record({})}

    return write_image_set(out, samples(), info=_info("faces"))


def enlarge_hands(folder: Path, count: int, median_mpx: float, out: Path) -> ImageSet:
    """Write the first hands of a set, enlarged until they have the wanted median size."""
    hands = ImageSet(folder)
    keys = hands.keys[:count]
    sizes = [hands.cutout(key).shape[:2] for key in keys]
    factor = (median_mpx * 1e6 / statistics.median(h * w for h, w in sizes)) ** 0.5

    def samples() -> Iterator[tuple[str, dict[str, bytes]]]:
        for key, (height, width) in zip(keys, sizes, strict=True):
            size = max(1, round(width * factor)), max(1, round(height * factor))
            cutout = cv2.resize(hands.cutout(key), size, interpolation=cv2.INTER_LINEAR)
            record = encode_record(hands.record(key))
            yield key, {"rgba.png": encode_rgba(cutout), "json": record}

    return write_image_set(out, samples(), info=_info("cutouts"))


def repeat_faces(faces: ImageSet, count: int, out: Path) -> ImageSet:
    """Write a set of so many faces, the same ones again under other keys."""

    def samples() -> Iterator[tuple[str, dict[str, bytes]]]:
        for number in range(count):
            key = faces.keys[number % len(faces)]
            yield f"{number:06d}", {part: faces.read(key, part) for part in ("jpg", "png", "json")}

    return write_image_set(out, samples(), info=_info("faces"))


def _info(kind: str) -> dict[str, object]:
    return {"kind": kind, "name": f"enlarged {kind}", "sources": []}
