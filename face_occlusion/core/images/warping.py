"""Warp images by an affine, to the same bytes on every CPU."""

from collections.abc import Iterator

import cv2
import numpy as np

_BAND_ROWS = 32  # rows whose source positions are in memory at a time: they stay in the cache


def warp_affine(
    image: np.ndarray,
    matrix: np.ndarray,
    size: tuple[int, int],
    border: int = cv2.BORDER_CONSTANT,
    grid: int = 256,
    needed: np.ndarray | None = None,
) -> np.ndarray:
    """Warp an image by an affine, with linear interpolation.

    `cv2.warpAffine` fuses products and sums where a CPU can, and rounds them apart where it
    cannot. Here source positions lie on a grid so coarse that float32 holds every product and sum
    of the interpolation exactly, however it is computed.

    Args:
        image: (H, W), (H, W, 3) or (H, W, 4) uint8, sides below 32,768 pixels; or float32 whose
            values have so few bits that twice those of the grid more make at most 24.
        matrix: (2, 3) affine, input to output pixels (x, y).
        size: (height, width) of the result.
        border: What lies beyond the image: OpenCV's BORDER_CONSTANT (0), BORDER_REPLICATE, ...
        grid: Positions to a pixel, a power of two; 256 is the finest for uint8.
        needed: (height, width) uint8, 0 where the result may be left 0; None needs all.

    Returns:
        An image of this size, with the input's type and channels.
    """
    warped = np.zeros((*size, *image.shape[2:]), image.dtype)
    three = image.shape[2:] == (3,)  # OpenCV warps four channels in half the time
    source = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA) if three else image
    for window, pixels in _bands(source, matrix, size, border, grid, needed):
        warped[window] = cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB) if three else pixels
    return warped


def warp_cutout(
    rgba: np.ndarray, matrix: np.ndarray, size: tuple[int, int], border: int = cv2.BORDER_CONSTANT
) -> tuple[np.ndarray, np.ndarray]:
    """Warp (H, W, 4) uint8 like `warp_affine`; return the first three channels and the last."""
    colour, alpha = np.empty((*size, 3), np.uint8), np.empty(size, np.uint8)
    for window, pixels in _bands(rgba, matrix, size, border, 256):
        cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB, dst=colour[window])
        cv2.extractChannel(pixels, 3, dst=alpha[window])
    return colour, alpha


def _bands(
    image: np.ndarray,
    matrix: np.ndarray,
    size: tuple[int, int],
    border: int,
    grid: int,
    needed: np.ndarray | None = None,
) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
    """Yield windows (rows, columns) of the result, and pixels, which the next window replaces."""
    height, width = size
    inverse = cv2.invertAffineTransform(np.asarray(matrix, np.float64))
    of_column, of_row = np.ones((2, 2, width), np.float32), np.ones((2, height, 2), np.float32)
    of_column[:, 1] = inverse[:, :1] * np.arange(width)
    of_row[..., 0] = inverse[:, 1:2] * np.arange(height) + inverse[:, 2:]
    rounder = np.float32(1.5 * 2**23 / grid)  # a float32 of this size is a multiple of 1 / grid
    positions = np.empty((2, min(_BAND_ROWS, height), width), np.float32)
    pixels = np.empty((positions.shape[1], width, *image.shape[2:]), image.dtype)
    for top in range(0, height, _BAND_ROWS):
        rows, columns = slice(top, min(top + _BAND_ROWS, height)), slice(0, width)
        if needed is not None:
            used = np.flatnonzero(needed[rows].any(axis=0))
            columns = slice(used[0], used[-1] + 1) if len(used) else slice(0, 0)
        x, y = in_band = positions[:, : rows.stop - top, columns]
        if not in_band.size:
            continue
        # Of row and of column, times one: rounded once however BLAS sums, at half the time of `+`.
        np.matmul(of_row[:, rows], of_column[..., columns], out=in_band)
        in_band += rounder
        in_band -= rounder
        target = pixels[: rows.stop - top, columns]
        cv2.remap(image, x, y, cv2.INTER_LINEAR, dst=target, borderMode=border)
        yield (rows, columns), target


def look_up(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Look up an image, as for `warp_affine`, at (h, w) positions, to 1/256 pixel; 0 outside.

    The middle of the first pixel is (0, 0). Returns (h, w) pixels, interpolated linearly.
    """
    x, y = ((np.rint(axis * 256) / 256).astype(np.float32) for axis in (x, y))
    return cv2.remap(image, x, y, cv2.INTER_LINEAR)
