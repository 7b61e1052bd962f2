"""COCO's JSON files: images, annotations (polygons or run lengths) and categories."""

import collections
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from face_occlusion.core.files import read_json
from face_occlusion.faces.correction import (
    Correction,
    CorrectionsParams,
    Outline,
    errors_name,
    face_number,
    image_size,
)


def read_coco(folder: Path, params: CorrectionsParams) -> Iterator[Correction]:
    """Read every JSON of a folder; the mask of an image without annotations is not corrected.

    Annotations of one image are drawn in the file's order.

    Raises:
        ValueError: If a file is not in COCO's format, or an annotation cannot be drawn, has an
            unknown category or belongs to no image; names the file and the annotation.
    """
    for path in sorted(folder.rglob("*.json")):
        content = read_json(path)
        images = _by_id(path, content, "images")
        categories = _by_id(path, content, "categories")
        layers: dict[Any, list[Outline]] = collections.defaultdict(list)
        sizes: dict[Any, tuple[int, int]] = {}
        for annotation in _rows(path, content, "annotations"):
            key = annotation.get("image_id")
            with errors_name(f"{path}: annotation {annotation.get('id')}"):
                image = images.get(key)
                category = categories.get(annotation.get("category_id"))
                if image is None or category is None:
                    missing = "image" if image is None else "category"
                    raise ValueError(f"no {missing} {annotation.get(f'{missing}_id')} in the file")
                sizes[key] = image_size(image.get("height"), image.get("width"))
                class_id = params.class_id(category.get("name"))
                layers[key].append(Outline(class_id, annotation.get("segmentation"), sizes[key]))
        for key, drawn in layers.items():
            where = f"{path}: image {key}"
            with errors_name(where):
                number = face_number(images[key].get("file_name"))
            yield Correction(
                number=number, format="coco", where=where, size=sizes[key], layers=tuple(drawn)
            )


def _rows(path: Path, content: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    rows = content.get(name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(
            f"{path}: it has no list '{name}', which COCO's files have; found {sorted(content)}"
        )
    return rows


def _by_id(path: Path, content: Mapping[str, Any], name: str) -> dict[Any, dict[str, Any]]:
    rows = _rows(path, content, name)
    by_id = {row.get("id"): row for row in rows}
    if len(by_id) < len(rows):
        raise ValueError(f"{path}: two of '{name}' have the same id, or none")
    return by_id
