"""Add a coarse change of colour to an image at its full size."""

from __future__ import annotations

import cv2
import numpy as np


def apply_displacement(hand_rgb: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """Add a coarse change of colour to an image, rounded to nearest and clipped.

    Args:
        hand_rgb: (h, w, 3) uint8; left unchanged.
        displacement: (gh, gw, 3) float32 in levels of 255.

    Returns:
        (h, w, 3) uint8.
    """
    height, width = hand_rgb.shape[:2]
    full = cv2.resize(displacement, (width, height), interpolation=cv2.INTER_LINEAR)
    return cv2.add(hand_rgb, full, dtype=cv2.CV_8U)


def apply_to_premultiplied(
    colour: np.ndarray, alpha: np.ndarray, displacement: np.ndarray
) -> np.ndarray:
    """Add a coarse change of colour to premultiplied colours: alpha x change.

    Args:
        colour: (h, w, 3) uint8 RGB, premultiplied; left unchanged.
        alpha: (h, w) uint8.
        displacement: (gh, gw, 3) float32 in levels of 255.

    Returns:
        (h, w, 3) uint8 RGB, premultiplied and rounded; no colour exceeds alpha.
    """
    height, width = alpha.shape
    cover = cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB)
    full = cv2.resize(displacement, (width, height), interpolation=cv2.INTER_LINEAR)
    weighted = cv2.multiply(full, cover, scale=1 / 255, dtype=cv2.CV_32F)
    return cv2.min(cv2.add(colour, weighted, dtype=cv2.CV_8U), cover)
