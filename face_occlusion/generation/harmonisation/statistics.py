"""Harmonise by colour statistics: no weights, one step, strength capped.

The foreground's mean and spread move toward the background's. Without a cap a plain object would
take on the background's whole contrast, and any object its mean colour, so gains and shifts are
limited.
"""

from __future__ import annotations

import cv2
import numpy as np

MAX_GAIN = 1.5  # a spread is stretched or shrunk at most this much
MAX_SHIFT = 40.0  # a mean moves at most this far, in levels of 255 (in units of L, a, b for Lab)


def mkl(foreground: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Move colours by the linear Monge-Kantorovich map between two Gaussians.

    T = Cf^-1/2 (Cf^1/2 Cb Cf^1/2)^1/2 Cf^-1/2 (Pitié & Kokaram 2007), with the map's stretches
    held in [1/MAX_GAIN, MAX_GAIN] and the shift of the mean within MAX_SHIFT.

    Args:
        foreground: (N, 3) float RGB in 0-255; left unchanged.
        background: (M, 3) float RGB in 0-255.

    Returns:
        (N, 3) float64 change of each foreground colour, in levels.
    """
    fore_mean, back_mean = foreground.mean(axis=0), background.mean(axis=0)
    fore_cov = np.cov(foreground.T, bias=True) + np.eye(3)  # + 1 level: a plain colour has none
    back_cov = np.cov(background.T, bias=True) + np.eye(3)
    root = _symmetric_power(fore_cov, 0.5)
    inverse_root = _symmetric_power(fore_cov, -0.5)
    stretch = inverse_root @ _symmetric_power(root @ back_cov @ root, 0.5) @ inverse_root
    gains, axes = np.linalg.eigh((stretch + stretch.T) / 2)
    stretch = (axes * np.clip(gains, 1 / MAX_GAIN, MAX_GAIN)) @ axes.T
    return (foreground - fore_mean) @ (stretch - np.eye(3)).T + _capped(back_mean - fore_mean)


def reinhard(foreground: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Match mean and deviation of each CIELAB channel (Reinhard et al. 2001).

    Gains are held in [1/MAX_GAIN, MAX_GAIN], the shift of the mean within MAX_SHIFT.

    Args:
        foreground: (N, 3) float RGB in 0-255; left unchanged.
        background: (M, 3) float RGB in 0-255.

    Returns:
        (N, 3) float64 change of each foreground colour, in levels of RGB.
    """
    fore, back = _to_lab(foreground), _to_lab(background)
    gain = (back.std(axis=0) + 1) / (fore.std(axis=0) + 1)
    gain = np.clip(gain, 1 / MAX_GAIN, MAX_GAIN)
    mean = fore.mean(axis=0)
    moved = (fore - mean) * gain + mean + _capped(back.mean(axis=0) - mean)
    return _to_rgb(moved) - foreground


def _capped(shift: np.ndarray) -> np.ndarray:
    """Shorten a shift (3,) to at most MAX_SHIFT, its direction kept."""
    return shift * min(1.0, MAX_SHIFT / max(float(np.linalg.norm(shift)), 1e-9))


def _symmetric_power(matrix: np.ndarray, power: float) -> np.ndarray:
    """Raise a symmetric positive matrix to a power."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(values, 1e-9) ** power) @ vectors.T


def _to_lab(colours: np.ndarray) -> np.ndarray:
    """Convert (N, 3) RGB in 0-255 to CIELAB, L in 0-100."""
    unit = (colours[np.newaxis] / 255).astype(np.float32)
    return cv2.cvtColor(unit, cv2.COLOR_RGB2LAB)[0].astype(np.float64)


def _to_rgb(colours: np.ndarray) -> np.ndarray:
    """Convert (N, 3) CIELAB to RGB in 0-255, clipped to the range."""
    unit = cv2.cvtColor(colours[np.newaxis].astype(np.float32), cv2.COLOR_LAB2RGB)[0]
    return np.clip(unit, 0, 1).astype(np.float64) * 255
