"""Skin tone of a picture's visible face: a measurement of pixels, not of a person."""

from __future__ import annotations

import cv2
import numpy as np

REDUCED_PX = 256  # the image's longer side for this measurement
LEAST_YELLOW = 1.0  # CIELAB b* below which a picture is grey or tinted and has no angle


def ita_deg(image: np.ndarray, face: np.ndarray) -> float | None:
    """Measure the individual typology angle of the visible face pixels (Chardon et al. 1991).

    arctan((L* - 50) / b*) of the median L* and b*, CIELAB under D65 of the sRGB values as they
    are. Light, camera and make-up move it: it describes the pixels that a network sees, under
    their lighting, and says nothing about who a person is.

    Args:
        image: (H, W, 3) uint8 RGB; left unchanged.
        face: (H, W) bool, True = visible face.

    Returns:
        Degrees in [-90, 90], larger is lighter; None without face pixels, or where the picture
        has no yellow (median b* below 1: grey, or under coloured light).
    """
    scale = min(1.0, REDUCED_PX / max(face.shape))
    size = (max(1, round(face.shape[1] * scale)), max(1, round(face.shape[0] * scale)))
    share = cv2.resize(face.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)
    inside = share == 255  # pixels that are face alone
    if not inside.any():
        return None
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    pixels = small[inside][np.newaxis].astype(np.float32) / 255  # (1, N, 3)
    channels = cv2.split(cv2.cvtColor(pixels, cv2.COLOR_RGB2Lab))  # L*, a*, b*
    lightness, yellow = np.median(channels[0]), np.median(channels[2])
    if yellow < LEAST_YELLOW:
        return None
    return float(np.degrees(np.arctan((lightness - 50) / yellow)))
