"""Brightness, contrast, compression and affine changes of faces and occluders.

Each change is sampled as a record of plain numbers, then applied without randomness.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import simplejpeg

from face_occlusion.core.arithmetic import (
    affine,
    exact_weight,
    inverse,
    product,
    rotate,
    shear,
    transform,
)
from face_occlusion.core.images import warp_affine, warp_cutout
from face_occlusion.generation.compositing import HALF, Layer, add_alpha, between, three_channels
from face_occlusion.generation.params import FaceParams, ToneParams

MID_GREY = 127.5


def sample_uniform(rng: np.random.Generator, interval: Sequence[float]) -> float:
    """Sample a number from an interval [low, high]."""
    low, high = interval
    return low + (high - low) * rng.random()  # the number that rng.uniform draws, faster


def sample_tone(rng: np.random.Generator, params: ToneParams) -> dict[str, Any]:
    """Sample brightness, contrast and JPEG quality; what is not changed is None.

    Every number is sampled in any case, so that the same seed gives the same later samples.
    """
    has_tone, has_jpeg = rng.uniform(size=2) < (params.tone_prob, params.jpeg_prob)
    brightness = sample_uniform(rng, params.brightness_range)
    contrast = sample_uniform(rng, params.contrast_range)
    low, high = params.jpeg_quality_range
    quality = int(rng.integers(low, high, endpoint=True))
    return {
        "brightness": brightness if has_tone else None,
        "contrast": contrast if has_tone else None,
        "jpeg_quality": quality if has_jpeg else None,
    }


def apply_tone(image: np.ndarray, record: Mapping[str, Any]) -> np.ndarray:
    """Change brightness, contrast and compression by a record of `sample_tone`.

    Returns `image` itself if the record changes nothing.
    """
    if record["contrast"] is not None:
        contrast, bias = exact_weight(record["contrast"]), exact_weight(tone_bias(record))
        image = cv2.addWeighted(image, contrast, image, 0, bias)
    return compress(image, record["jpeg_quality"])


def tone_bias(record: Mapping[str, Any]) -> float:
    """Return what a record's tone adds to contrast * colour, in levels of 255."""
    return (1 - record["contrast"]) * MID_GREY + 255 * record["brightness"]


def compress(image: np.ndarray, quality: int | None) -> np.ndarray:
    """Pass an image through a JPEG of a quality from 1 to 100; None leaves it alone.

    Colours are stored at half the resolution (4:2:0), as cameras and web sites do.
    """
    if quality is None:
        return image
    return simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(image, quality, "RGB", "420"))


def apply_tone_layer(layer: Layer, record: Mapping[str, Any]) -> Layer:
    """Change brightness, contrast and compression of a premultiplied occluder, not its coverage.

    Colours change as if they were not premultiplied: c' = kc + b becomes kP + b * alpha. Around
    the occluder the JPEG sees its mean colour, not black, so its edge stays clean. Returns `layer`
    itself if the record of `sample_tone` changes nothing.
    """
    if record["contrast"] is None and record["jpeg_quality"] is None:
        return layer
    colour = layer.colour
    if record["contrast"] is not None:
        cover = three_channels(layer.alpha)
        contrast, shift = exact_weight(record["contrast"]), exact_weight(tone_bias(record) / 255)
        colour = cv2.min(cv2.addWeighted(colour, contrast, cover, shift, 0), cover)
    if record["jpeg_quality"] is not None:
        colour = _compress_premultiplied(colour, layer.alpha, record["jpeg_quality"])
    return Layer(colour, layer.alpha, layer.x, layer.y)


def _compress_premultiplied(colour: np.ndarray, alpha: np.ndarray, quality: int) -> np.ndarray:
    """Compress colour over its own mean, and take the result by coverage again."""
    rest = cv2.bitwise_not(alpha)
    total = max(cv2.sumElems(alpha)[0], 1.0)
    means = [exact_weight(min(channel / total, 1)) for channel in cv2.sumElems(colour)[:3]]
    behind = cv2.merge([cv2.convertScaleAbs(rest, alpha=mean) for mean in means])
    straight = compress(cv2.add(colour, behind), quality)
    return cv2.multiply(straight, three_channels(alpha), scale=1 / 255)


def sample_face(
    rng: np.random.Generator, shape: tuple[int, int], params: FaceParams
) -> dict[str, Any]:
    """Sample what happens to a face of an image of (H, W) `shape` before it is occluded.

    Returns the tone's record, and that of the affine, with `matrix`, (2, 3) as nested lists; each
    value is None where nothing happens.
    """
    has_affine = rng.uniform() < params.affine_prob
    rotation = sample_uniform(rng, params.rotation_deg_range)
    shear = sample_uniform(rng, params.shear_deg_range)
    zoom = sample_uniform(rng, params.zoom_range)
    shift = rng.uniform(-1, 1, size=2)
    tone = sample_tone(rng, params)
    record: dict[str, Any] = dict.fromkeys(("rotation_deg", "shear_deg", "zoom", "matrix"))
    if has_affine:
        matrix, scale = cover_affine(shape, rotation, shear, zoom, shift)
        record = {
            "rotation_deg": rotation,
            "shear_deg": shear,
            "zoom": scale,
            "matrix": matrix.tolist(),
        }
    return record | tone


def cover_affine(
    shape: tuple[int, int], rotation_deg: float, shear_deg: float, zoom: float, shift: np.ndarray
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
    linear = product(rotate(rotation_deg), shear(shear_deg))
    reach = transform(np.abs(inverse(linear)), size)  # of the output frame, seen in the input
    scale = float((reach / size).max()) * zoom
    slack = (size - reach / scale) / 2
    seen = (size - 1) / 2 + shift * slack  # input point shown in the output's centre
    linear = scale * linear
    return affine(linear, seen, (size - 1) / 2), scale


def apply_face(
    image: np.ndarray, seg_map: np.ndarray, record: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Apply a record of `sample_face` to an image and its map; returns new arrays."""
    if record["matrix"] is not None:
        image, seg_map = _warp_face(image, seg_map, np.array(record["matrix"]))
        return apply_tone(image, record), seg_map
    toned = apply_tone(image, record)
    return image.copy() if toned is image else toned, seg_map.copy()


def _warp_face(
    image: np.ndarray, seg_map: np.ndarray, matrix: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Warp an image and its map by one affine, input to output pixels."""
    plain = seg_map.max() <= 1  # background and face only
    rgba = add_alpha(image, seg_map * np.uint8(255) if plain else seg_map)
    image, cover = warp_cutout(rgba, matrix, seg_map.shape, cv2.BORDER_REPLICATE)
    if not plain:
        return image, warp_seg_map(seg_map, matrix)
    return image, cv2.threshold(cover, HALF - 1, 1, cv2.THRESH_BINARY)[1]


def warp_seg_map(seg_map: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Warp class ids by an affine: each class by its coverage, the one that covers most wins.

    The result holds no id that the input lacks.
    """
    best, most = np.zeros_like(seg_map), np.zeros_like(seg_map)
    for class_id in np.flatnonzero(np.bincount(seg_map.ravel(), minlength=256))[::-1]:
        cover = between(seg_map, int(class_id), int(class_id))
        cover = warp_affine(cover, matrix, seg_map.shape, cv2.BORDER_REPLICATE)
        best[cover > most] = class_id
        most = cv2.max(most, cover)
    return best
