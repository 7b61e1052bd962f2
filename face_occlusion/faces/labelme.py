"""Read and write LabelMe's JSON files: one for each face, with its outlines."""

import base64
import binascii
import itertools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import contourpy
import cv2
import numpy as np
import pycocotools.mask

from face_occlusion.core.files import errors_name
from face_occlusion.core.images import decode_mask
from face_occlusion.faces.correction import (
    Correction,
    CorrectionsParams,
    Outline,
    face_number,
    image_size,
)

LABELME_VERSION = "5.5.0"  # the version whose file format is written

_CIRCLE_POINTS = 64
_LEAST_AREA_PX = 4.0  # smaller polygons are not worth a correction by hand


def read_labelme(
    path: Path, content: Mapping[str, Any], params: CorrectionsParams
) -> Iterator[Correction]:
    """Read the JSON of one face."""
    with errors_name(path):
        size = image_size(content.get("imageHeight"), content.get("imageWidth"))
        number = face_number(content.get("imagePath"))
        shapes = content.get("shapes")
        if not isinstance(shapes, list) or not shapes:
            raise ValueError("no shapes; delete the file if the mask is right as it is")
    layers = []
    for place, shape in enumerate(shapes, 1):
        label = shape.get("label") if isinstance(shape, Mapping) else None
        with errors_name(f"{path}: shape {place} ({label!r})"):
            if not isinstance(shape, Mapping):
                raise ValueError(f"expected a JSON object; got {shape!r}")
            layers.append(Outline(params.class_id(label), _segmentation(shape, size), size))
    drawn = {"number": number, "size": size, "layers": tuple(layers)}
    yield Correction(format="labelme", where=str(path), **drawn)


def _segmentation(shape: Mapping[str, Any], size: tuple[int, int]) -> Any:
    """Turn a shape into polygons or run lengths."""
    kind = shape.get("shape_type") or "polygon"
    points = shape.get("points")
    if not isinstance(points, list) or not all(
        isinstance(point, list) and len(point) == 2 for point in points
    ):
        raise ValueError(f"points must be pairs (x, y); got {points!r}")
    if kind == "polygon":
        return [[value for point in points for value in point]]
    if kind not in ("rectangle", "circle", "mask"):
        raise ValueError(f"shape_type '{kind}' has no area; use polygon, rectangle, circle or mask")
    if len(points) != 2:
        raise ValueError(f"a {kind} has two points; got {len(points)}")
    (x0, y0), (x1, y1) = points
    if not all(isinstance(value, int | float) for value in (x0, y0, x1, y1)):
        raise ValueError(f"coordinates must be finite numbers; got {points!r}")
    if kind == "rectangle":
        return [[x0, y0, x1, y0, x1, y1, x0, y1]]
    if kind == "circle":
        return [_circle((x0, y0), math.hypot(x1 - x0, y1 - y0), size)]
    return _mask_runs(shape.get("mask"), (round(x0), round(y0)), size)


def _circle(centre: tuple[float, float], radius: float, size: tuple[int, int]) -> list[float]:
    """Return a circle as a polygon, clipped to the image as LabelMe does."""
    angles = np.arange(_CIRCLE_POINTS) * (2 * np.pi / _CIRCLE_POINTS)
    xs = np.clip(centre[0] + radius * np.cos(angles), 0, size[1])
    ys = np.clip(centre[1] + radius * np.sin(angles), 0, size[0])
    return np.stack([xs, ys], axis=1).ravel().tolist()


def _mask_runs(encoded: Any, corner: tuple[int, int], size: tuple[int, int]) -> Any:
    """Turn a mask, a PNG in base64 placed by its upper left corner (x, y), into run lengths."""
    with errors_name("a mask must be a PNG in base64", TypeError, binascii.Error):
        data = base64.b64decode(encoded, validate=True)
    mask = decode_mask(data, "its mask") > 0
    left, top = corner
    height, width = mask.shape
    if left < 0 or top < 0 or left + width > size[1] or top + height > size[0]:
        raise ValueError(f"a mask of {height}x{width} at {corner} leaves its image of {size}")
    canvas = np.zeros(size, np.uint8, order="F")
    canvas[top : top + height, left : left + width] = mask
    return pycocotools.mask.encode(canvas)


def labelme_content(
    image_path: str, face: np.ndarray, *, threshold: float = 0.5, tolerance_px: float = 0.5
) -> dict[str, Any]:
    """Outline a face as polygons that LabelMe opens and `read_labelme` draws.

    LabelMe's polygons have no holes: a hole is a polygon `background` above its `face`. Larger
    ones stand first, so that a face inside a hole is drawn above it.

    `image_path` is relative to the file, `face` is (H, W) probability of face, or a mask as 0 and
    1. A simplified outline may leave the exact one by `tolerance_px`. Returns the file's content,
    for `json.dumps`.
    """
    height, width = face.shape
    rest = {"group_id": None, "description": "", "shape_type": "polygon", "flags": {}}
    shapes = [
        {"label": label, "points": np.round(points, 2).tolist(), **rest}
        for label, points in _outlines(face, threshold, tolerance_px)
    ]
    return {
        "version": LABELME_VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": image_path,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }


def _outlines(
    face: np.ndarray, threshold: float, tolerance_px: float
) -> list[tuple[str, np.ndarray]]:
    """Return (label, (N, 2) points along pixels' edges), the largest first."""
    generator = contourpy.contour_generator(
        z=_closed(face, threshold), fill_type=contourpy.FillType.OuterOffset
    )
    found: list[tuple[float, str, np.ndarray]] = []
    for points, offsets in zip(*generator.filled(threshold, np.inf), strict=True):
        for place, (start, stop) in enumerate(itertools.pairwise(offsets)):
            # a pixel's centre is at a whole number + 0.5, and the padding moved all by 1
            ring = (points[start:stop] - 0.5).astype(np.float32)
            ring = cv2.approxPolyDP(ring, tolerance_px, closed=True)[:, 0]
            area = float(cv2.contourArea(ring))
            if len(ring) >= 3 and area >= _LEAST_AREA_PX:
                ring = np.clip(ring, 0, face.shape[::-1])
                found.append((area, "background" if place else "face", ring))
    found.sort(key=lambda outline: -outline[0])
    return [(label, ring) for _, label, ring in found]


def _closed(face: np.ndarray, threshold: float) -> np.ndarray:
    """Pad by 1 px such that outlines end half a pixel beyond the last centres: at the border."""
    padded = np.pad(face.astype(np.float32), 1, mode="edge")
    beyond = threshold - np.maximum(np.abs(padded - threshold), 1e-3)
    beyond[1:-1, 1:-1] = padded[1:-1, 1:-1]
    return beyond
