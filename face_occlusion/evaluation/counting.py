"""Measure one image and count what was predicted of it; called in threads."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from face_occlusion.core.images import reduced
from face_occlusion.core.imageset import ImageSet
from face_occlusion.evaluation.metrics import calibration_counts, confusion_counts
from face_occlusion.evaluation.regions import border_band, boundary_counts, occluded_region
from face_occlusion.evaluation.scores import ImageFacts

TONE_PX = 256  # the image's longer side when skin tone is measured
LEAST_YELLOW = 1.0  # CIELAB b* below which a picture is grey or tinted and has no angle


@dataclass(frozen=True, kw_only=True)
class Sample:
    """An image of a benchmark, its mask, and its record."""

    key: str  # in the image set
    image: np.ndarray  # (H, W, 3) uint8 RGB
    target: np.ndarray  # (H, W) uint8 seg_map
    occluder_kind: str | None  # what covers the face, if that is known

    @classmethod
    def read(cls, image_set: ImageSet, key: str) -> Sample:
        """Decode an image of a set and its mask."""
        image, target = image_set.sample(key)
        kind = image_set.record(key).get("occluder_kind")
        return cls(key=key, image=image, target=target, occluder_kind=kind)


Columns = dict[str, np.ndarray]  # of one image: a row of `ViewCounts`
Counted = tuple[ImageFacts, dict[str, Columns], str | None]  # by view, and the mask for the page
Result = Callable[[], np.ndarray]  # waits for the (H, W) float32 probability of face


def count_sample(sample: Sample, results: Mapping[str, Result], preview_px: int) -> Counted:
    """Count one image for every view, also in regions; face from a probability of 0.5.

    The image is measured first, while its predictions may still be computed. `preview_px` is the
    longer side of the first view's mask for the page; 0 keeps none.
    """
    occluded, face = occluded_region(sample.target), sample.target == 1
    regions = {"occluded": occluded, "border": border_band(occluded, sample.target)}
    facts = ImageFacts(
        key=sample.key,
        occluder_kind=sample.occluder_kind,
        size=(face.shape[0], face.shape[1]),
        face_px=int(np.count_nonzero(face)),
        occluded_px=int(np.count_nonzero(occluded)),
        ita_deg=ita_deg(sample.image, face),
    )
    counts, preview, target = {}, None, sample.target
    for view, result in results.items():
        probability = result()
        pred = probability >= 0.5
        if preview_px and not counts:
            preview = encode_preview(pred, preview_px)
        counts[view] = {
            "counts": confusion_counts(pred, target),
            "boundary": boundary_counts(pred, target),
            "calibration": calibration_counts(probability, target),
            **{name: confusion_counts(pred[part], target[part]) for name, part in regions.items()},
        }
    return facts, counts, preview


def ita_deg(image: np.ndarray, face: np.ndarray) -> float | None:
    """Measure the individual typology angle of the visible face pixels (Chardon et al. 1991).

    arctan((L* - 50) / b*) of the median L* and b*, in CIELAB under D65 of the unchanged sRGB
    values of an image, (H, W, 3) uint8, where `face`, (H, W) bool. Light, camera and make-up change
    it: it describes the pixels of a picture under their lighting, and says nothing about who a
    person is.

    Returns degrees in [-90, 90], larger is lighter; None without face pixels, or where the picture
    has no yellow (median b* below 1: grey, or under coloured light).
    """
    inside = reduced(face.astype(np.uint8) * 255, TONE_PX) == 255  # only face
    if not inside.any():
        return None
    pixels = reduced(image, TONE_PX)[inside][np.newaxis].astype(np.float32) / 255  # (1, N, 3)
    channels = cv2.split(cv2.cvtColor(pixels, cv2.COLOR_RGB2Lab))  # L*, a*, b*
    lightness, yellow = float(np.median(channels[0])), float(np.median(channels[2]))
    if yellow < LEAST_YELLOW:
        return None
    # Not NumPy's arctan, whose last bits depend on the CPU.
    return round(math.degrees(math.atan((lightness - 50) / yellow)), 6)


def encode_preview(pred: np.ndarray, longer_side_px: int) -> str:
    """Reduce an (H, W) bool mask to a longer side, if larger; as 1-bit PNG in base64."""
    share = reduced(pred.astype(np.float32), longer_side_px)
    mask = np.where(share >= 0.5, 255, 0).astype(np.uint8)
    settings = [cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 9]
    _, data = cv2.imencode(".png", mask, settings)
    return base64.b64encode(data.tobytes()).decode("ascii")


def decode_preview(text: str) -> np.ndarray:
    """Decode `encode_preview`'s text to an (h, w) bool mask; ValueError if it is not a PNG."""
    data = np.frombuffer(base64.b64decode(text), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise ValueError("preview is not a PNG in base64")
    return image > 127
