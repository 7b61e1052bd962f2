"""Warp images by an affine and enlarge them by cubic interpolation, the same bytes on every CPU.

OpenCV leaves the cubic filter to Intel's IPP, which rounds as the instruction set allows; here it
is computed in whole numbers. OpenCV's other filters and its area average gave the same bytes under
every instruction set tried.
"""

from collections.abc import Iterator

import cv2
import numpy as np

from face_occlusion.core.arithmetic import on_grid

BAND_ROWS = 32  # rows whose source positions are in memory at a time: they stay in the cache
SMALL_PX = 2**14  # up to so many pixels all bands are computed at once, with the same positions
_BITS = 11  # of a weight, as in OpenCV: sums along both axes then fit 32 bits


def warp_affine(
    image: np.ndarray,
    matrix: np.ndarray,
    size: tuple[int, int],
    border: int = cv2.BORDER_CONSTANT,
    needed: np.ndarray | None = None,
) -> np.ndarray:
    """Warp an image by an affine, with linear interpolation.

    `cv2.warpAffine` fuses products and sums where a CPU can, and rounds them apart where it
    cannot. Here source positions are multiples of 1/32 pixel, between which OpenCV interpolates in
    whole numbers.

    Args:
        image: (H, W), (H, W, 3) or (H, W, 4) uint8, sides below 32,768 pixels; or float32 whose
            values have at most 14 bits, so that every sum is exact.
        matrix: (2, 3) affine, input to output pixels (x, y).
        size: (height, width) of the result.
        border: What lies beyond the image: OpenCV's BORDER_CONSTANT (0), BORDER_REPLICATE, ...
        needed: (height, width) uint8, 0 where the result may be left 0; None needs all.

    Returns:
        An image of this size, with the input's type and channels.
    """
    warped = np.zeros((*size, *image.shape[2:]), image.dtype)
    for window, maps in _maps(matrix, size, needed):
        cv2.remap(image, *maps, cv2.INTER_LINEAR, dst=warped[window], borderMode=border)
    return warped


def warp_cutout(
    rgba: np.ndarray, matrix: np.ndarray, size: tuple[int, int], border: int = cv2.BORDER_CONSTANT
) -> tuple[np.ndarray, np.ndarray]:
    """Warp (H, W, 4) uint8 like `warp_affine`; return the first three channels and the last."""
    colour, alpha = np.empty((*size, 3), np.uint8), np.empty(size, np.uint8)
    pixels = None
    for window, maps in _maps(matrix, size):
        pixels = cv2.remap(rgba, *maps, cv2.INTER_LINEAR, dst=pixels, borderMode=border)
        cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB, dst=colour[window])
        cv2.extractChannel(pixels, 3, dst=alpha[window])
    return colour, alpha


def _maps(
    matrix: np.ndarray, size: tuple[int, int], needed: np.ndarray | None = None
) -> Iterator[tuple[tuple[slice, slice], tuple[np.ndarray, np.ndarray]]]:
    """Yield windows (rows, columns) of the result, and OpenCV's fixed-point maps, used once."""
    height, width = size
    band = min(BAND_ROWS, height)
    inverse = cv2.invertAffineTransform(np.asarray(matrix, np.float64))
    # Multiples of 1/256, whose sums float32 holds; a band's positions are the same, but moved.
    of_column = on_grid(inverse[:, :1] * np.arange(width), 8).astype(np.float32)
    of_row = on_grid(inverse[:, 1:2] * np.arange(band), 8).astype(np.float32)
    of_band = inverse[:, 1:2] * np.arange(0, height, band) + inverse[:, 2:]
    of_band = on_grid(of_band, 8).astype(np.float32)
    if height * width <= SMALL_PX:
        of_row = (of_band[..., np.newaxis] + of_row[:, np.newaxis]).reshape(2, -1)[:, :height]
        band, of_band = height, np.zeros((2, 1), np.float32)
    in_band = of_column[:, np.newaxis] + of_row[..., np.newaxis]
    moved = np.empty_like(in_band)
    whole, part = np.empty((band, width, 2), np.int16), np.empty((band, width), np.uint16)
    for number, top in enumerate(range(0, height, band)):
        rows, columns = slice(top, min(top + band, height)), slice(0, width)
        if needed is not None:
            used = np.flatnonzero(np.maximum.reduce(needed[rows]))
            if not len(used):
                continue
            columns = slice(used[0], used[-1] + 1)
        place = np.s_[: rows.stop - top, columns]
        shift = of_band[:, number, np.newaxis, np.newaxis]
        x, y = np.add(in_band[:, *place], shift, out=moved[:, *place])
        yield (rows, columns), cv2.convertMaps(x, y, cv2.CV_16SC2, whole[place], part[place])


def look_up(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Look up an image, as for `warp_affine`, at (h, w) positions, to 1/256 pixel; 0 outside.

    The middle of the first pixel is (0, 0). Returns (h, w) pixels, interpolated linearly.
    """
    x, y = ((np.rint(axis * 256) / 256).astype(np.float32) for axis in (x, y))
    return cv2.remap(image, x, y, cv2.INTER_LINEAR)


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
