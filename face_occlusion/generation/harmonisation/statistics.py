"""Harmonise by colour statistics: no weights, one step, strength capped.

Colours are (3, N), a row for each channel, in which numpy computes several times as fast as (N, 3).

The foreground's mean and deviation move toward those of its surroundings. Without a cap a plain
object would take on their whole contrast, and any object their mean colour, so gains and shifts
are limited: at full strength no method is worse than none.
"""

from collections.abc import Callable

import numpy as np

from face_occlusion.core.arithmetic import eigen, inverse, product, root

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

    Foreground and background are (3, N) and (3, M) uint8 or float RGB in 0-255. Returns (3, N)
    float64, the change of each foreground colour, in levels.
    """
    fore_mean, back_mean = _mean(foreground), _mean(background)
    square_root = _square_root(_covariance(foreground - fore_mean))
    inverse_root = inverse(square_root)
    inner = _product(square_root, _covariance(background - back_mean), square_root)
    gains, axes = eigen(_product(inverse_root, _square_root(inner), inverse_root))
    stretch = product(axes * np.clip(gains, 1 / MAX_GAIN, MAX_GAIN), axes.T)
    shift = _capped(back_mean - fore_mean, MAX_SHIFT)
    return product(stretch - np.eye(3), foreground - fore_mean) + shift


def _mean(colours: np.ndarray) -> np.ndarray:
    """Return the mean (3, 1) of (3, N) colours."""
    return colours.mean(axis=1, keepdims=True)


def _covariance(centred: np.ndarray, other: np.ndarray | None = None) -> np.ndarray:
    """Return the covariance (3, 3) of (3, N) colours less their mean: with themselves or others.

    With themselves it is enlarged by 1 level: a plain colour has no variance.
    """
    others = centred if other is None else other
    sums = (centred[:, np.newaxis] * others).sum(axis=-1)
    return sums / centred.shape[1] + (np.eye(3) if other is None else 0)


def _product(left: np.ndarray, middle: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the product of three (3, 3) matrices, which is symmetric."""
    whole = product(product(left, middle), right)
    return (whole + whole.T) / 2


def reinhard(foreground: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Match mean and deviation of each CIELAB channel (Reinhard et al. 2001).

    Gains are held in [1/MAX_GAIN, MAX_GAIN], the shift of the mean within MAX_SHIFT_LAB. Arguments
    and result are as those of `mkl`.
    """
    fore, back = to_lab(foreground), to_lab(background)
    mean, back_mean = _mean(fore), _mean(back)
    fore, back = fore - mean, back - back_mean
    gain = (np.sqrt(_mean(back * back)) + 1) / (np.sqrt(_mean(fore * fore)) + 1)
    gain = np.clip(gain, 1 / MAX_GAIN, MAX_GAIN)
    moved = fore * gain + (mean + _capped(back_mean - mean, MAX_SHIFT_LAB))
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
    if not fore.size or not back.size:
        return None
    change = move(fore, back)
    mean, mean_change = _mean(fore), _mean(change)
    centred = fore - mean
    cross = _covariance(centred, change - mean_change)
    linear = product(inverse(_covariance(centred)), cross).T
    return np.hstack([linear, mean_change - product(linear, mean)])


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
    """Take at most `MAX_COLOURS` of the colours in a part (H, W) bool, evenly spaced, (3, N)."""
    places = np.flatnonzero(part)
    places = places[:: max(1, -(-len(places) // MAX_COLOURS))]
    return np.ascontiguousarray(image.reshape(-1, 3).take(places, axis=0).T)


def _capped(shift: np.ndarray, longest: float) -> np.ndarray:
    """Shorten a shift (3, 1) to at most `longest`, its direction kept."""
    return shift * min(1.0, longest / max(float(np.sqrt((shift * shift).sum())), 1e-9))


def _square_root(matrix: np.ndarray) -> np.ndarray:
    """Return the symmetric square root of a symmetric positive (3, 3) matrix."""
    values, vectors = eigen(matrix)
    return product(vectors * np.sqrt(np.maximum(values, 1e-9)), vectors.T)


# sRGB to CIE XYZ, rows X, Y, Z, each divided by its value for white (IEC 61966-2-1, D65).
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
) / np.array([[0.950456], [1.0], [1.088754]])
TO_LAB = np.array([[0.0, 116.0, 0.0], [500.0, -500.0, 0.0], [0.0, 200.0, -200.0]])
_LAB_OFFSET = np.array([[-16.0], [0.0], [0.0]])
FROM_XYZ, FROM_LAB = inverse(TO_XYZ), inverse(TO_LAB)


def _to_linear(colours: np.ndarray) -> np.ndarray:
    """Undo sRGB's curve: float colours in 0-255 become float64 intensities in 0-1."""
    unit = colours / 255
    curve = root((np.maximum(unit, 0) + 0.055) / 1.055, 5) ** 2  # to the power of 2 / 5
    curve = curve * curve * curve
    return np.where(unit <= 0.04045, unit / 12.92, curve * curve)


_LINEAR = _to_linear(np.arange(256))


def to_lab(colours: np.ndarray) -> np.ndarray:
    """Convert (3, N) uint8 or float sRGB in 0-255 to CIELAB: float64 L in 0-100, a, b (D65)."""
    linear = _LINEAR.take(colours) if colours.dtype == np.uint8 else _to_linear(colours)
    xyz = product(TO_XYZ, linear)
    roots = np.where(xyz > 216 / 24389, root(xyz, 3), (24389 / 27 * xyz + 16) / 116)
    return product(TO_LAB, roots) + _LAB_OFFSET


def to_rgb(colours: np.ndarray) -> np.ndarray:
    """Convert (3, N) CIELAB under D65 to float64 sRGB clipped to 0-255, the inverse of `to_lab`."""
    roots = product(FROM_LAB, colours - _LAB_OFFSET)
    cubes = roots * roots * roots
    xyz = np.where(roots > 6 / 29, cubes, (116 * roots - 16) * 27 / 24389)
    linear = np.clip(product(FROM_XYZ, xyz), 0, 1)
    third = root(linear, 3)
    curve = third * np.sqrt(np.sqrt(third))  # to the power of 5 / 12
    unit = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * curve - 0.055)
    return unit * 255
