"""Releases of Segments.ai: a JSON with samples, and bitmaps of instance ids or polygons.

The JSON refers to its bitmaps by URL. They are searched for in the JSON's folder, under the last
part of the URL or under the name that Segments.ai's client gives them
(`24_label_ground-truth.png`); nothing is downloaded.
"""

import glob
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from PIL import Image, UnidentifiedImageError

from face_occlusion.core.files import errors_name
from face_occlusion.faces.correction import (
    Bitmap,
    Correction,
    CorrectionsParams,
    Layer,
    Outline,
    face_number,
    image_size,
)

FINISHED = ("LABELED", "REVIEWED")
_LABEL_SET = "ground-truth"


def _png_size(path: Path) -> tuple[int, int]:
    kinds = (UnidentifiedImageError, Image.DecompressionBombError)
    with errors_name(f"{path.name}: not a PNG", *kinds), Image.open(path, formats=["PNG"]) as image:
        return image.height, image.width


def read_segments(
    path: Path, content: Mapping[str, Any], params: CorrectionsParams
) -> Iterator[Correction]:
    """Read a release; samples that are not finished are counted in the log."""
    with errors_name(f"{path}: not a release of Segments.ai: it lacks", KeyError, TypeError):
        dataset = content["dataset"]
        samples = dataset["samples"]
        listed = dataset["task_attributes"]["categories"]
        categories = {category["id"]: category["name"] for category in listed}
    unfinished = 0
    for sample in samples:
        name = sample.get("name")
        label = (sample.get("labels") or {}).get(_LABEL_SET)
        if label is None or label.get("label_status") not in FINISHED:
            unfinished += 1
            continue
        where = f"{path}: sample '{name}'"
        with errors_name(where), errors_name("lacks", KeyError, TypeError):
            size, layers = _drawn(path.parent, sample, label, categories, params)
            number = face_number(name)
        drawn = {"number": number, "size": size, "layers": tuple(layers)}
        yield Correction(format="segments", where=where, **drawn)
    logging.info("%s: %d samples, %d not finished", path, len(samples), unfinished)


def _drawn(
    folder: Path,
    sample: Mapping[str, Any],
    label: Mapping[str, Any],
    categories: Mapping[int, str],
    params: CorrectionsParams,
) -> tuple[tuple[int, int], list[Layer]]:
    """Return (height, width) of a sample's image, and what was drawn on it."""
    content = label["attributes"]
    annotations = content["annotations"]
    class_of = {
        annotation["id"]: params.class_id(categories.get(annotation["category_id"]))
        for annotation in annotations
    }
    if (bitmap := content.get("segmentation_bitmap")) is not None:
        file = _find_bitmap(folder, sample["name"], bitmap["url"])
        return _png_size(file), [Bitmap(file, class_of)]
    image = sample["attributes"]["image"]
    size = image_size(image.get("height"), image.get("width"))
    layers: list[Layer] = []
    for annotation in annotations:
        if annotation.get("type") != "polygon":
            raise ValueError(f"annotation {annotation['id']}: expected type polygon")
        points = [value for point in annotation["points"] for value in point]
        layers.append(Outline(class_of[annotation["id"]], [points], size))
    if not layers:
        raise ValueError("a finished label without annotations")
    return size, layers


def _find_bitmap(folder: Path, name: str, url: str) -> Path:
    """Find a sample's bitmap in its release's folder; ValueError names what was searched for."""
    stem = Path(name).stem
    names = [Path(unquote(urlsplit(url).path)).name, f"{stem}_label_{_LABEL_SET}.png"]
    for candidate in filter(None, names):
        if found := sorted(folder.rglob(glob.escape(candidate))):
            return found[0]
    raise ValueError(f"no bitmap {' or '.join(names)} in {folder}; download it with the release")
