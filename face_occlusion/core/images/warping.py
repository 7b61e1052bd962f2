"""Warp images by an affine, to the same bytes on every CPU."""

import cv2
import numpy as np

_BAND_ROWS = 64  # rows whose source positions are in memory at a time: they stay in the cache


def warp_affine(
    image: np.ndarray,
    matrix: np.ndarray,
    size: tuple[int, int],
    border: int = cv2.BORDER_CONSTANT,
    grid: int = 256,
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

    Returns:
        An image of this size, with the input's type and channels.
    """
    height, width = size
    (xx, xy, x0), (yx, yy, y0) = cv2.invertAffineTransform(np.asarray(matrix, np.float64))
    column, row = np.arange(width), np.arange(height)[:, np.newaxis]
    x_of_column, y_of_column = (xx * column).astype(np.float32), (yx * column).astype(np.float32)
    x_of_row, y_of_row = (xy * row + x0).astype(np.float32), (yy * row + y0).astype(np.float32)
    rounder = np.float32(1.5 * 2**23 / grid)  # a float32 of this size is a multiple of 1 / grid
    warped = np.empty((height, width, *image.shape[2:]), image.dtype)
    positions = np.empty((2, min(_BAND_ROWS, height), width), np.float32)
    for top in range(0, height, _BAND_ROWS):
        band = slice(top, min(top + _BAND_ROWS, height))
        x, y = in_band = positions[:, : band.stop - top]
        np.add(x_of_column, x_of_row[band], out=x)
        np.add(y_of_column, y_of_row[band], out=y)
        in_band += rounder
        in_band -= rounder
        cv2.remap(image, x, y, cv2.INTER_LINEAR, dst=warped[band], borderMode=border)
    return warped


def look_up(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Look up a uint8 image at positions (x, y), rounded to 1/256 pixel; 0 outside.

    Args:
        image: As for `warp_affine`.
        x: (h, w) columns, 0 the middle of the first.
        y: (h, w) rows, likewise.

    Returns:
        (h, w) pixels, interpolated linearly.
    """
    x, y = ((np.rint(axis * 256) / 256).astype(np.float32) for axis in (x, y))
    return cv2.remap(image, x, y, cv2.INTER_LINEAR)
