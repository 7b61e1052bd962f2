"""Masks as LabelMe files: what `read_labelme` reads, written for somebody to correct."""

from __future__ import annotations

import itertools
from typing import Any

import contourpy
import cv2
import numpy as np

LABELME_VERSION = "5.5.0"  # whose files these are like
_LEAST_AREA_PX = 4.0  # smaller specks are nobody's to correct


def labelme_content(
    image_path: str, face: np.ndarray, *, threshold: float = 0.5, tolerance_px: float = 0.5
) -> dict[str, Any]:
    """Outline a face as polygons that LabelMe opens and `read_labelme` draws.

    LabelMe's polygons have no holes: a hole is a polygon `background` above its `face`. Larger
    ones stand first, so that a face inside a hole is drawn above it.

    Args:
        image_path: The image, relative to the file.
        face: (H, W) probability of face, or a mask as 0 and 1.
        threshold: From where on a pixel is face.
        tolerance_px: How far a simplified outline may leave the exact one.

    Returns:
        The file's content, for `json.dumps`.
    """
    height, width = face.shape
    shapes = [
        {
            "label": label,
            "points": np.round(points, 2).tolist(),
            "group_id": None,
            "description": "",
            "shape_type": "polygon",
            "flags": {},
        }
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
