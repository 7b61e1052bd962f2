"""The face's colours for a transfer: sampled, and prepared by Algorithm 1 of the paper.

Dark pixels of the face (eyes, brows, beard, and the black around it) that the hand has no black
for would pull skin into black; bright ones would bleach it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np

MIN_GRID_PX = 64  # an image is not reduced below about this many pixels a side
Reading = Literal["balanced", "literal", "published"]


def grid_over(mask: np.ndarray, downscale: float) -> list[np.ndarray]:
    """Return rows and columns of an even grid over a mask (H, W); small masks are reduced less.

    `downscale` is the wanted spacing of the grid in pixels, at least 1.
    """
    factor = max(1.0, min(downscale, np.sqrt(mask.size) / MIN_GRID_PX))
    return [_cell_centres(side, max(1, round(side / factor))) for side in mask.shape]


def at_grid(image: np.ndarray, grid: Sequence[np.ndarray]) -> np.ndarray:
    """Return the pixels in these rows and columns, much faster than indexing with `np.ix_`."""
    rows, columns = grid
    return image.take(rows, axis=0).take(columns, axis=1)


def _cell_centres(length: int, num: int) -> np.ndarray:
    """Return (num,) int64 indices, evenly spaced, in the middle of the cells `cv2.resize` uses."""
    return ((np.arange(num) + 0.5) * (length / num)).astype(np.int64)


def sample_face(face_rgb: np.ndarray, face_mask: np.ndarray, downscale: float) -> np.ndarray:
    """Take a face's pixels on a grid `downscale` pixels apart; all where the grid misses the face.

    The mask is (H, W), all but 0 is face. Returns (N, 3) uint8; an empty mask is a ValueError.
    """
    for factor in (downscale, 1.0):
        grid = grid_over(face_mask, factor)
        mask = at_grid(face_mask, grid) > 0
        if mask.any():
            return at_grid(face_rgb, grid)[mask]
    raise ValueError("face_mask must hold at least one pixel; got none")


def face_on_black(face_rgb: np.ndarray, face_mask: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Sample the bounding box of a face to a size (height, width), black around the face.

    The mask is (H, W), all but 0 is face. Returns (*size, 3) uint8; an empty mask is a ValueError.
    """
    if not face_mask.any():
        raise ValueError("face_mask must hold at least one pixel; got none")
    grid = []
    for axis, num in zip((1, 0), size, strict=True):
        used = np.flatnonzero(face_mask.any(axis=axis))
        grid.append(used[0] + _cell_centres(used[-1] + 1 - used[0], num))
    is_face = at_grid(face_mask, grid)[..., np.newaxis] > 0
    return np.where(is_face, at_grid(face_rgb, grid), np.uint8(0))


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Limits between dark, ordinary and bright, per channel, on the scale 0-255."""

    lower: np.ndarray  # (3,) dark is below this in every channel
    upper: np.ndarray  # (3,) brighter values are clipped to this


def face_thresholds(pixels: np.ndarray) -> Thresholds:
    """Choose the thresholds where the paper gives none, over the face's pixels, (N, 3) uint8.

    The lower is half the mean, the upper the mean + 1 standard deviation; ValueError without
    pixels.
    """
    if not len(pixels):
        raise ValueError("pixels must hold at least one pixel of the face; got none")
    mean, deviation = cv2.meanStdDev(np.ascontiguousarray(pixels)[:, np.newaxis])
    return Thresholds(lower=mean[:, 0] / 2, upper=(mean + deviation)[:, 0])


def prepare_face(
    source: np.ndarray,
    target: np.ndarray,
    thresholds: Thresholds,
    rng: np.random.Generator,
    reading: Reading = "balanced",
) -> np.ndarray:
    """Apply Algorithm 1: balance the dark pixels, then clip the bright ones.

    `dark`: source pixels below the lower threshold in every channel. `black`: target pixels that
    are 0 in every channel. With ratio = dark / black above 1, a share of the dark pixels, drawn
    at random, takes the mean colour of the source's other pixels. The counts are compared as
    shares of their images, which are the counts where the sizes are equal, as in the paper.

    Readings of line 6: `balanced` replaces the share 1 - 1/ratio, so that as many dark pixels
    remain as the target has black; `literal` replaces ratio - 1, at most all; `published` is
    `literal` with channel values counted instead of pixels, and all channels of a pixel set to
    the upper threshold when one exceeds it: for comparison only.

    Args:
        source: (..., 3) uint8, the face.
        target: (..., 3) uint8, the hand.
        thresholds: Limits of dark and bright.
        rng: Draws which dark pixels are replaced.
        reading: See above.

    Returns:
        uint8 of the source's shape.

    Raises:
        ValueError: If an image is empty or the reading is unknown.
    """
    if reading not in get_args(Reading):
        raise ValueError(f"reading must be one of {get_args(Reading)}; got {reading!r}")
    if not source.size or not target.size:
        raise ValueError(f"images must hold pixels; got {source.shape} and {target.shape}")
    pixels = source.reshape(-1, 3)
    is_dark, is_black = pixels < thresholds.lower, target.reshape(-1, 3) == 0
    dark = _all_channels(is_dark)
    if reading == "published":  # values are counted, whichever pixel they belong to
        share = replaced_share(float(is_dark.mean()), float(is_black.mean()), reading)
    else:
        black = _all_channels(is_black)
        share = replaced_share(float(dark.mean()), float(black.mean()), reading)
    balanced = pixels.copy()
    if share > 0 and dark.any() and not dark.all():
        candidates = np.flatnonzero(dark)
        chosen = candidates[rng.permutation(len(candidates))[: round(share * len(candidates))]]
        balanced[chosen] = np.rint(pixels[~dark].mean(axis=0))
    upper = np.rint(np.minimum(thresholds.upper, 255)).astype(np.uint8)
    if reading == "published":
        balanced[(balanced > thresholds.upper).any(axis=1)] = upper
    else:
        balanced = np.minimum(balanced, upper)
    return balanced.reshape(source.shape)


def _all_channels(holds: np.ndarray) -> np.ndarray:
    """Say of (N, 3) bool which rows hold in every channel, faster than `all(axis=1)`."""
    return holds[:, 0] & holds[:, 1] & holds[:, 2]


def replaced_share(dark_frac: float, black_frac: float, reading: Reading) -> float:
    """Return the share of dark source pixels to replace (lines 4 to 6), in 0-1.

    It is 0 where the source, of whose pixels `dark_frac` are dark, is no darker than the target, of
    whose pixels `black_frac` are black; 1 where only the source has dark pixels.
    """
    if dark_frac <= black_frac:
        return 0.0
    if black_frac == 0:
        return 1.0
    if reading == "balanced":
        return 1 - black_frac / dark_frac
    return min(dark_frac / black_frac - 1, 1.0)
