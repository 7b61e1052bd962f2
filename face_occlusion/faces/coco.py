"""COCO's JSON files: images, annotations (polygons or run lengths) and categories.

The pages of `audit` and `predict` save the same format with a verdict on each image.
"""

import collections
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from face_occlusion.core.classes import BACKGROUND
from face_occlusion.core.files import errors_name
from face_occlusion.faces.correction import (
    CLASS_IDS,
    Correction,
    CorrectionsParams,
    Outline,
    face_number,
    image_size,
)

Content = Mapping[str, Any]  # of a JSON file


def read_coco(path: Path, content: Content, params: CorrectionsParams) -> Iterator[Correction]:
    """Read a COCO file; the mask of an image without annotations is not corrected.

    Annotations of one image are drawn in the file's order.
    """
    images = _by_id(path, content, "images")
    for key, drawn in _drawn(path, content, images, params.class_id).items():
        yield _correction("coco", path, images[key], drawn)


def read_page(path: Path, content: Content, _params: CorrectionsParams) -> Iterator[Correction]:
    """Read what a page saved: an accepted, edited mask replaces the face's.

    Other images are counted in the log: those accepted as they were, and those that are wrong,
    unsure or not judged, whatever was drawn on them.
    """
    images = _by_id(path, content, "images")
    drawn = _drawn(path, content, images, _class_id)
    counts: collections.Counter[str] = collections.Counter()
    for key, image in images.items():
        with errors_name(f"{path}: image {key}"):
            verdict = image.get("verdict")
            if verdict not in VERDICTS:
                wanted = ", ".join(VERDICTS)
                raise ValueError(f"verdict must be one of {wanted}; got {verdict!r}")
            edited = image.get("edited") is True
            counts[f"{verdict}{', edited' if edited else ''}"] += 1
            if not edited or verdict != "accept":
                continue
            height, width = size = image_size(image.get("height"), image.get("width"))
            blank = Outline(BACKGROUND, [[0, 0, width, 0, width, height, 0, height]], size)
        yield _correction("page", path, image, [blank, *drawn.get(key, [])])
    logging.info("%s: %s", path, dict(sorted(counts.items())))


VERDICTS = ("accept", "wrong", "unsure", "none")


def _class_id(name: Any) -> int:
    if name not in CLASS_IDS:
        raise ValueError(f"unknown category {name!r}; a page saves {', '.join(CLASS_IDS)}")
    return CLASS_IDS[name]


def _drawn(
    path: Path,
    content: Content,
    images: Mapping[Any, Mapping[str, Any]],
    class_id: Callable[[Any], int],
) -> dict[Any, list[Outline]]:
    """Return the annotations of each image that has any, by the image's id."""
    categories = _by_id(path, content, "categories")
    drawn: dict[Any, list[Outline]] = collections.defaultdict(list)
    for annotation in _rows(path, content, "annotations"):
        key = annotation.get("image_id")
        with errors_name(f"{path}: annotation {annotation.get('id')}"):
            image = images.get(key)
            category = categories.get(annotation.get("category_id"))
            if image is None or category is None:
                missing = "image" if image is None else "category"
                raise ValueError(f"no {missing} {annotation.get(f'{missing}_id')} in the file")
            size = image_size(image.get("height"), image.get("width"))
            outline = annotation.get("segmentation")
            drawn[key].append(Outline(class_id(category.get("name")), outline, size))
    return drawn


def _correction(
    source: str, path: Path, image: Mapping[str, Any], drawn: list[Outline]
) -> Correction:
    where = f"{path}: image {image.get('id')}"
    with errors_name(where):
        number = face_number(image.get("file_name"))
    size, layers = drawn[0].size, tuple(drawn)
    return Correction(number=number, format=source, where=where, size=size, layers=layers)


def _rows(path: Path, content: Content, name: str) -> list[dict[str, Any]]:
    rows = content.get(name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(
            f"{path}: not a COCO file: it must have a list '{name}'; found {sorted(content)}"
        )
    return rows


def _by_id(path: Path, content: Content, name: str) -> dict[Any, dict[str, Any]]:
    rows = _rows(path, content, name)
    by_id = {row.get("id"): row for row in rows}
    if len(by_id) < len(rows):
        raise ValueError(f"{path}: '{name}': each entry must have an id of its own")
    return by_id
