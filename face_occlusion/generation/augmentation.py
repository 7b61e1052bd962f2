"""Brightness, contrast, compression and affine changes of faces and occluders (Q20).

Each change is drawn as a record of plain numbers, then applied without randomness.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from face_occlusion.generation.compositing import between
from face_occlusion.generation.params import FaceParams, ToneParams, draw_uniform
from face_occlusion.images import decode_image, encode_jpeg

MID_GREY = 127.5


def draw_tone(rng: np.random.Generator, params: ToneParams) -> dict[str, Any]:
    """Draw brightness, contrast and JPEG quality; what is not changed is None.

    Every number is drawn in any case, so that the same seed gives the same later draws.
    """
    has_tone, has_jpeg = rng.uniform(size=2) < (params.tone_prob, params.jpeg_prob)
    brightness = draw_uniform(rng, params.brightness_range)
    contrast = draw_uniform(rng, params.contrast_range)
    low, high = params.jpeg_quality_range
    quality = int(rng.integers(low, high, endpoint=True))
    return {
        "brightness": brightness if has_tone else None,
        "contrast": contrast if has_tone else None,
        "jpeg_quality": quality if has_jpeg else None,
    }


def tone_table(record: Mapping[str, Any]) -> np.ndarray | None:
    """Return the (256,) uint8 table of a record's brightness and contrast, None if unchanged."""
    if record["contrast"] is None:
        return None
    levels = np.arange(256, dtype=np.float64)
    shifted = (levels - MID_GREY) * record["contrast"] + MID_GREY + 255 * record["brightness"]
    return np.clip(np.rint(shifted), 0, 255).astype(np.uint8)


def apply_tone(image: np.ndarray, record: Mapping[str, Any]) -> np.ndarray:
    """Change brightness, contrast and compression of an image.

    Args:
        image: (H, W, 3) uint8 RGB; left unchanged.
        record: From `draw_tone`.

    Returns:
        (H, W, 3) uint8; `image` itself if the record changes nothing.
    """
    table = tone_table(record)
    if table is not None:
        image = cv2.LUT(image, table)
    return compress(image, record["jpeg_quality"])


def compress(image: np.ndarray, quality: int | None) -> np.ndarray:
    """Pass an image through a JPEG of a quality from 1 to 100; None leaves it alone."""
    if quality is None:
        return image
    return decode_image(encode_jpeg(np.ascontiguousarray(image), quality), "compressed")


def apply_tone_rgba(rgba: np.ndarray, record: Mapping[str, Any]) -> np.ndarray:
    """Change brightness, contrast and compression of a premultiplied cut-out; keep its coverage.

    Colours change as if they were not premultiplied: c' = kc + b becomes kP + b * alpha. Around
    the cut-out the JPEG sees its mean colour, not black, so its edge stays clean (D9).

    Args:
        rgba: (H, W, 4) uint8 premultiplied RGBA; left unchanged.
        record: From `draw_tone`.
    """
    if record["contrast"] is None and record["jpeg_quality"] is None:
        return rgba
    alpha = rgba[..., 3]
    colour = cv2.cvtColor(rgba, cv2.COLOR_BGRA2BGR)
    cover = cv2.cvtColor(np.ascontiguousarray(alpha), cv2.COLOR_GRAY2BGR)
    if record["contrast"] is not None:
        gain = record["contrast"]
        bias = (1 - gain) * MID_GREY / 255 + record["brightness"]
        colour = cv2.min(cv2.addWeighted(colour, gain, cover, bias, 0), cover)
    if record["jpeg_quality"] is not None:
        colour = _compress_premultiplied(colour, cover, record["jpeg_quality"])
    return cv2.merge([*cv2.split(colour), alpha])


def _compress_premultiplied(colour: np.ndarray, cover: np.ndarray, quality: int) -> np.ndarray:
    """Compress colour over its own mean, and take the result by coverage again."""
    weight = max(float(cover[..., 0].sum(dtype=np.int64)), 1.0)
    mean = colour.reshape(-1, 3).sum(axis=0, dtype=np.int64) * 255 / weight
    behind = cv2.LUT(cover, _filling_tables(mean))
    compressed = compress(cv2.add(colour, behind), quality)
    return cv2.multiply(compressed, cover, scale=1 / 255)


def _filling_tables(mean: np.ndarray) -> np.ndarray:
    """Return a (256, 1, 3) uint8 table: coverage to the share of a mean colour behind it."""
    behind = (255 - np.arange(256))[:, np.newaxis] * mean / 255
    return np.clip(np.rint(behind), 0, 255).astype(np.uint8)[:, np.newaxis, :]


def draw_face(
    rng: np.random.Generator, shape: tuple[int, int], params: FaceParams
) -> dict[str, Any]:
    """Draw what happens to a face before it is occluded.

    Args:
        rng: Source of the draw.
        shape: (H, W) of the face's image.
        params: Ranges and probabilities.

    Returns:
        The tone's record and `matrix`, the (2, 3) affine as nested lists, or None.
    """
    has_affine = rng.uniform() < params.affine_prob
    rotation = draw_uniform(rng, params.rotation_deg_range)
    shear = draw_uniform(rng, params.shear_deg_range)
    zoom = draw_uniform(rng, params.zoom_range)
    shift = rng.uniform(-1, 1, size=2)
    record: dict[str, Any] = {"rotation_deg": None, "shear_deg": None, "zoom": None, "matrix": None}
    if has_affine:
        matrix, scale = cover_affine(shape, rotation, shear, zoom, shift)
        record = {
            "rotation_deg": rotation,
            "shear_deg": shear,
            "zoom": scale,
            "matrix": matrix.tolist(),
        }
    return record | draw_tone(rng, params)


def cover_affine(
    shape: tuple[int, int],
    rotation_deg: float,
    shear_deg: float,
    zoom: float,
    shift: np.ndarray,
) -> tuple[np.ndarray, float]:
    """Return an affine that rotates, shears and enlarges, and shows nothing beyond the image.

    Args:
        shape: (H, W) of the image, before and after.
        rotation_deg: Rotation, clockwise as seen.
        shear_deg: Horizontal shear.
        zoom: Enlargement beyond the least that leaves no empty corner.
        shift: (2,) in [-1, 1]: where in the slack of that enlargement the picture lies.

    Returns:
        The (2, 3) float64 affine from image to image, and its whole enlargement.
    """
    size = np.array([shape[1], shape[0]], dtype=np.float64)
    angle = math.radians(rotation_deg)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = turn @ np.array([[1.0, math.tan(math.radians(shear_deg))], [0.0, 1.0]])
    reach = np.abs(np.linalg.inv(linear)) @ size  # of the output frame, seen in the input
    scale = float((reach / size).max()) * zoom
    slack = (size - reach / scale) / 2
    seen = (size - 1) / 2 + shift * slack  # input point shown in the output's centre
    linear = scale * linear
    return np.column_stack([linear, (size - 1) / 2 - linear @ seen]), scale


def apply_face(
    image: np.ndarray, seg_map: np.ndarray, record: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Apply a record of `draw_face` to an image and its map.

    Args:
        image: (H, W, 3) uint8 RGB; left unchanged.
        seg_map: (H, W) uint8 class ids; left unchanged.
        record: From `draw_face`.

    Returns:
        Image and map; the very inputs where nothing changes.
    """
    if record["matrix"] is not None:
        matrix = np.array(record["matrix"])
        size = (image.shape[1], image.shape[0])
        image = cv2.warpAffine(
            image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        seg_map = warp_seg_map(seg_map, matrix)
    return apply_tone(image, record), seg_map


def warp_seg_map(seg_map: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Warp class ids: each class by its coverage, the one that covers most wins (D10).

    Args:
        seg_map: (H, W) uint8 class ids.
        matrix: (2, 3) affine, input to output pixels.

    Returns:
        (H, W) uint8 holding no id that the input lacks.
    """
    size = (seg_map.shape[1], seg_map.shape[0])
    ids = np.flatnonzero(np.bincount(seg_map.ravel(), minlength=256))
    best = np.full(seg_map.shape, ids[0], np.uint8)
    covered: np.ndarray | None = None
    for class_id in ids[::-1] if len(ids) > 1 else ids:
        layer = between(seg_map, int(class_id), int(class_id))
        cover = cv2.warpAffine(
            layer, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        if covered is None:
            best[:], covered = class_id, cover
            continue
        wins = cover > covered
        best[wins] = class_id
        covered = np.maximum(covered, cover)
    return best
