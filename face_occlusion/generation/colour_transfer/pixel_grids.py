"""Coarse grids of pixels on which the change of colour is computed."""

from __future__ import annotations

import numpy as np

MIN_GRID_PX = 64  # an image is not reduced below about this many pixels a side


def grid_size(height: int, width: int, downscale: float) -> tuple[int, int]:
    """Return the rows and columns of an image's grid; small images are reduced less.

    Args:
        height: Of the image, in pixels.
        width: Of the image, in pixels.
        downscale: Wanted spacing of the grid in pixels, at least 1.
    """
    factor = max(1.0, min(downscale, np.sqrt(height * width) / MIN_GRID_PX))
    return max(1, round(height / factor)), max(1, round(width / factor))


def grid_indices(length: int, num: int) -> np.ndarray:
    """Return (num,) int64 indices, evenly spaced, in the middle of the cells `cv2.resize` uses."""
    return ((np.arange(num) + 0.5) * (length / num)).astype(np.int64)


def sample_hand(
    hand_rgb: np.ndarray, hand_alpha: np.ndarray, downscale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Take a hand's pixels on a grid; all of them where the grid misses the hand.

    Args:
        hand_rgb: (h, w, 3) uint8.
        hand_alpha: (h, w) float in 0-1 or uint8 in 0-255.
        downscale: Spacing of the grid in pixels.

    Returns:
        (gh, gw, 3) uint8 colours and (gh, gw) float32 alpha in 0-1.

    Raises:
        ValueError: If alpha reaches one half nowhere.
    """
    scale = np.float32(1 / 255 if hand_alpha.dtype == np.uint8 else 1)
    for factor in (downscale, 1.0):
        grid = _grid(hand_alpha, factor)
        alpha = hand_alpha[grid].astype(np.float32) * scale
        if (alpha >= 0.5).any():
            return hand_rgb[grid], alpha
    raise ValueError("hand_alpha must reach 0.5 somewhere: the cut-out is empty")


def sample_premultiplied(
    colour: np.ndarray, hand_alpha: np.ndarray, downscale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Take a premultiplied hand's pixels on a grid, as straight colours.

    Args:
        colour: (h, w, 3) uint8 RGB, premultiplied.
        hand_alpha: (h, w) uint8.
        downscale: Spacing of the grid in pixels.

    Returns:
        (gh, gw, 3) uint8 colours, 0 where alpha is 0, and (gh, gw) float32 alpha in 0-1.

    Raises:
        ValueError: If alpha reaches one half nowhere.
    """
    colours, alpha = sample_hand(colour, hand_alpha, downscale)
    share = np.where(alpha > 0, alpha, 1)[..., np.newaxis]
    return np.minimum(np.rint(colours / share), 255).astype(np.uint8), alpha


def sample_face(face_rgb: np.ndarray, face_mask: np.ndarray, downscale: float) -> np.ndarray:
    """Take a face's pixels on a grid; all of them where the grid misses the face.

    Args:
        face_rgb: (H, W, 3) uint8.
        face_mask: (H, W) bool, or uint8 where all but 0 is face.
        downscale: Spacing of the grid in pixels.

    Returns:
        (N, 3) uint8, at least one.

    Raises:
        ValueError: If the mask is empty.
    """
    for factor in (downscale, 1.0):
        grid = _grid(face_mask, factor)
        mask = face_mask[grid] > 0
        if mask.any():
            return face_rgb[grid][mask]
    raise ValueError("face_mask must hold at least one pixel; got none")


def face_on_black(face_rgb: np.ndarray, face_mask: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Sample the bounding box of a face to a size, black around the face.

    Args:
        face_rgb: (H, W, 3) uint8.
        face_mask: (H, W) bool, or uint8 where all but 0 is face.
        size: Height and width wanted.

    Returns:
        (*size, 3) uint8.

    Raises:
        ValueError: If the mask is empty.
    """
    rows, columns = np.flatnonzero(face_mask.any(axis=1)), np.flatnonzero(face_mask.any(axis=0))
    if not len(rows):
        raise ValueError("face_mask must hold at least one pixel; got none")
    grid = np.ix_(
        *(
            used[0] + grid_indices(used[-1] + 1 - used[0], num)
            for used, num in zip((rows, columns), size, strict=True)
        )
    )
    return np.where(face_mask[grid][..., np.newaxis] > 0, face_rgb[grid], np.uint8(0))


def grid_covers(mask: np.ndarray, downscale: float) -> bool:
    """Say whether a grid meets a mask, (H, W), anywhere."""
    return bool(mask[_grid(mask, downscale)].any())


def _grid(mask: np.ndarray, downscale: float) -> tuple[np.ndarray, ...]:
    """Return the index of a grid over an image of the mask's size."""
    height, width = mask.shape
    rows, columns = grid_size(height, width, downscale)
    return np.ix_(grid_indices(height, rows), grid_indices(width, columns))
