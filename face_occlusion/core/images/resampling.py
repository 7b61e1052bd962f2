"""Enlarge images by cubic interpolation in whole numbers: the same bytes on every CPU.

OpenCV leaves this filter to Intel's IPP, which rounds as the instruction set allows. Its other
filters and its area average gave the same bytes under every instruction set tried.
"""

import numpy as np

_BITS = 11  # of a weight, as in OpenCV: sums along both axes then fit 32 bits


def enlarge_cubic(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Enlarge (H, W[, C]) uint8 to (height, width) by cubic interpolation (Keys 1981, a = -0.75).

    As in OpenCV; returns float32, not rounded, beyond [0, 255] where the filter overshoots.
    """
    sums = pixels.astype(np.int32)
    for axis in (0, 1):
        before, after = pixels.shape[axis], size[axis]
        whole, part = np.divmod((2 * np.arange(after) + 1) * before - after, 2 * after)
        near = [sums.take(np.clip(whole + k, 0, before - 1), axis) for k in (-1, 0, 1, 2)]
        weights = _weights(part / (2 * after)).reshape(4, -1, *[1] * (pixels.ndim - 1 - axis))
        products = [weight * values for weight, values in zip(weights, near, strict=True)]
        sums = np.sum(products, axis=0, dtype=np.int32)
    return np.asarray(sums / 4**_BITS, np.float32)


def _weights(t: np.ndarray) -> np.ndarray:
    """Return the (4, N) int32 weights of the neighbours at -1, 0, 1 and 2, for positions t."""
    before, after = (((-0.75 * d + 3.75) * d - 6) * d + 3 for d in (t + 1, 2 - t))
    first = (1.25 * t - 2.25) * t * t + 1
    rounded = np.rint(np.stack([before, first, 1 - before - first - after, after]) * 2**_BITS)
    missing = 2**_BITS - rounded.sum(axis=0)
    rounded[1] += np.where(t < 0.5, missing, 0)  # to the nearest, so that mirrored images stay so
    rounded[2] += np.where(t < 0.5, 0, missing)
    return rounded.astype(np.int32)
