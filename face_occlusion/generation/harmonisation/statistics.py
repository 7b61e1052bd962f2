"""Harmonise by colour statistics: no weights, one step, strength capped.

The foreground's mean and deviation move toward those of its surroundings. Without a cap a plain
object would take on their whole contrast, and any object their mean colour, so gains and shifts
are limited: at full strength no method is worse than none.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

MAX_GAIN = 1.5  # a deviation is stretched or shrunk at most this much
MAX_SHIFT = 40.0  # a mean moves at most this far, in levels of 255
MAX_SHIFT_LAB = 20.0  # likewise, in units of L, a, b
SURROUNDINGS_FRAC = 0.25  # of the foreground's size: how far its surroundings reach
MAX_COLOURS = 2048  # of either, evenly spaced: beyond this, the statistics do not change

Move = Callable[[np.ndarray, np.ndarray], np.ndarray]


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
    shift = _capped(back_mean - fore_mean, MAX_SHIFT)
    return (foreground - fore_mean) @ (stretch - np.eye(3)).T + shift


def reinhard(foreground: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Match mean and deviation of each CIELAB channel (Reinhard et al. 2001).

    Gains are held in [1/MAX_GAIN, MAX_GAIN], the shift of the mean within MAX_SHIFT_LAB.

    Args:
        foreground: (N, 3) float RGB in 0-255; left unchanged.
        background: (M, 3) float RGB in 0-255.

    Returns:
        (N, 3) float64 change of each foreground colour, in levels of RGB.
    """
    fore, back = to_lab(foreground), to_lab(background)
    gain = (back.std(axis=0) + 1) / (fore.std(axis=0) + 1)
    gain = np.clip(gain, 1 / MAX_GAIN, MAX_GAIN)
    mean = fore.mean(axis=0)
    moved = (fore - mean) * gain + mean + _capped(back.mean(axis=0) - mean, MAX_SHIFT_LAB)
    return to_rgb(moved) - foreground


def affine_change(
    move: Move, image: np.ndarray, inside: np.ndarray, outside: np.ndarray
) -> np.ndarray | None:
    """Summarise a method's change of a foreground as one affine map of its colours.

    The affine map is the best fit to the change of the colours; of `mkl` it is the change itself.

    Args:
        move: `mkl` or `reinhard`.
        image: (H, W, 3) uint8 or float RGB in 0-255.
        inside: (H, W) bool, the foreground; pixels it covers in part left out.
        outside: (H, W) bool, the background, likewise.

    Returns:
        (3, 4) float64: change = A colour + b, [A | b], in levels; None without a foreground or
        surroundings.
    """
    near = surroundings(inside)
    fore, back = (_subsample(image[near], part[near]) for part in (inside, outside))
    if not len(fore) or not len(back):
        return None
    change = move(fore, back)
    mean, mean_change = fore.mean(axis=0), change.mean(axis=0)
    covariance = (fore - mean).T @ (fore - mean) / len(fore) + np.eye(3)  # + 1 level, as in mkl
    cross = (fore - mean).T @ (change - mean_change) / len(fore)
    linear = np.linalg.solve(covariance, cross).T
    return np.column_stack([linear, mean_change - linear @ mean])


def surroundings(inside: np.ndarray) -> tuple[slice, slice]:
    """Return the window about a foreground, (H, W) bool, in which its surroundings lie."""
    reach = max(3, int(SURROUNDINGS_FRAC * np.sqrt(np.count_nonzero(inside))))
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return slice(0), slice(0)
    return (
        slice(max(0, int(rows[0]) - reach), int(rows[-1]) + reach + 1),
        slice(max(0, int(columns[0]) - reach), int(columns[-1]) + reach + 1),
    )


def _subsample(image: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Take at most `MAX_COLOURS` of the colours in a part (H, W) bool, evenly spaced, float64."""
    places = np.flatnonzero(part)
    places = places[:: max(1, -(-len(places) // MAX_COLOURS))]
    return image.reshape(-1, 3)[places].astype(np.float64)


def _capped(shift: np.ndarray, longest: float) -> np.ndarray:
    """Shorten a shift (3,) to at most `longest`, its direction kept."""
    return shift * min(1.0, longest / max(float(np.linalg.norm(shift)), 1e-9))


def _symmetric_power(matrix: np.ndarray, power: float) -> np.ndarray:
    """Raise a symmetric positive matrix to a power."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(values, 1e-9) ** power) @ vectors.T


# sRGB to CIE XYZ, rows X, Y, Z, each divided by its value for white (IEC 61966-2-1, D65).
_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
) / np.array([[0.950456], [1.0], [1.088754]])
_TO_LAB = np.array([[0.0, 116.0, 0.0], [500.0, -500.0, 0.0], [0.0, 200.0, -200.0]])
_LAB_OFFSET = np.array([-16.0, 0.0, 0.0])


def to_lab(colours: np.ndarray) -> np.ndarray:
    """Convert sRGB to CIELAB under D65.

    Args:
        colours: (N, 3) float RGB in 0-255.

    Returns:
        (N, 3) float64: L in 0-100, a, b.
    """
    unit = colours / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((np.maximum(unit, 0) + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return root @ _TO_LAB.T + _LAB_OFFSET


def to_rgb(colours: np.ndarray) -> np.ndarray:
    """Convert CIELAB to sRGB under D65: the inverse of `to_lab`.

    Args:
        colours: (N, 3) float L, a, b.

    Returns:
        (N, 3) float64 RGB, clipped to 0-255.
    """
    root = (colours - _LAB_OFFSET) @ np.linalg.inv(_TO_LAB).T
    xyz = np.where(root > 6 / 29, root**3, (116 * root - 16) * 27 / 24389)
    linear = np.clip(xyz @ np.linalg.inv(_TO_XYZ).T, 0, 1)
    unit = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return unit * 255
