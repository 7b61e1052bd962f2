"""Give a hand the colours of the face that it will cover.

The colour change is computed on a coarse grid and applied at full size: it is smooth, so a grid
of an eighth loses half a level of 255. The published generator's transfer, with its defects, is
repeated for comparison.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import cv2
import numpy as np

from face_occlusion.core.arithmetic import convolve
from face_occlusion.core.images import warp_affine
from face_occlusion.core.params import Checked, Count, Meta, Share
from face_occlusion.generation.colour_transfer.algorithm1 import (
    at_grid,
    face_on_black,
    face_thresholds,
    grid_over,
    prepare_face,
    sample_face,
)
from face_occlusion.generation.colour_transfer.transport import (
    distinct_colours,
    partial_change,
    quantile_transport,
    random_directions,
    random_frames,
    sliced_transport,
)


@dataclass(frozen=True, kw_only=True)
class ColourTransferParams(Checked):
    """How hands get the colours of faces.

    Modes: `masked` moves the hand's pixels to the face's by their quantiles; `partial` lets a
    share of the face's pixels stay unmatched (SPOT); `faithful` is the paper's, whole images with
    their black background; `published` repeats the published generator, defects and all.
    """

    mode: Literal["masked", "partial", "faithful", "published"]
    steps: Count
    directions_per_step: Count
    downscale: Annotated[float, Meta(ge=1)]  # computed at 1/downscale of the hand's size; 1 = exact
    smoothing_frac: Share  # sigma of the displacement's smoothing / sqrt(height * width)
    algorithm1: Literal["balanced", "literal", "off"]
    strength: Share  # 0 = the hand as it is, 1 = the whole transfer
    # Of the face's pixels that the hand takes, mode `partial`.
    partial_share: Annotated[float, Meta(gt=0, le=1)]


def transfer_colours(
    face_rgb: np.ndarray,
    face_mask: np.ndarray,
    colour: np.ndarray,
    alpha: np.ndarray,
    rng: np.random.Generator,
    params: ColourTransferParams,
) -> np.ndarray:
    """Recolour a premultiplied hand like a face.

    Args:
        face_rgb: (H, W, 3) uint8 RGB.
        face_mask: (H, W) bool, or uint8 where all but 0 is face.
        colour: (h, w, 3) uint8 RGB, premultiplied by alpha.
        alpha: (h, w) uint8 coverage.
        rng: Draws the directions, and the pixels that Algorithm 1 replaces.
        params: The mode and its settings.

    Returns:
        (h, w, 3) uint8 RGB, premultiplied: no colour exceeds alpha. What lies beyond the reach of
        the hand's pixels is left as it is.

    Raises:
        ValueError: If sizes or types differ, the face's mask or the hand's alpha is empty. Mode
            `published` alone returns the hand as it is where there is no face.
    """
    _check_input("face", face_rgb, face_mask)
    _check_input("hand", colour, alpha)
    if params.mode == "published":
        directions = random_directions(rng, params.steps, params.directions_per_step)
        return transfer_published(face_rgb, face_mask > 0, colour, alpha, directions, rng)
    displacement = colour_displacement(face_rgb, face_mask, colour, alpha, rng, params)
    return _add_displacement(colour, alpha, displacement)


def _check_input(name: str, image: np.ndarray, mask: np.ndarray) -> None:
    """Refuse input of the wrong type or size."""
    if image.dtype != np.uint8 or image.shape != (*mask.shape, 3):
        raise ValueError(
            f"{name} must be (H, W, 3) uint8 with a mask of its size; "
            f"got {image.shape} {image.dtype} and {mask.shape}"
        )
    if name == "face" and mask.dtype not in (np.bool_, np.uint8):
        raise ValueError(f"face_mask must be bool or uint8; got {mask.dtype}")
    if name == "hand" and mask.dtype != np.uint8:
        raise ValueError(f"alpha must be uint8; got {mask.dtype}")


def colour_displacement(
    face_rgb: np.ndarray,
    face_mask: np.ndarray,
    colour: np.ndarray,
    alpha: np.ndarray,
    rng: np.random.Generator,
    params: ColourTransferParams,
) -> np.ndarray:
    """Compute the change of colour over a hand, on a coarse grid, in any mode but `published`.

    Returns (gh, gw, 3) float32 in levels of 255, of straight colours. Args and Raises: as
    `transfer_colours`.
    """
    hand, share = sample_hand(colour, alpha, params.downscale)
    move = _move_whole if params.mode == "faithful" else _move_masked
    moved = move(face_rgb, face_mask, hand, share, rng, params)
    sigma_px = params.smoothing_frac * np.sqrt(share.size)
    weight = np.where(share >= 0.5, share, 0)  # fainter pixels were not moved
    return smooth_displacement(moved * (255 * params.strength), weight, sigma_px)


def sample_hand(
    colour: np.ndarray, alpha: np.ndarray, downscale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Take a premultiplied hand's pixels on a grid; all of them where the grid misses the hand.

    Points are `downscale` pixels apart. Returns (gh, gw, 3) uint8 straight colours, 0 where alpha
    is 0, and (gh, gw) float32 alpha in 0-1; an alpha that reaches one half nowhere is a ValueError.
    """
    for factor in (downscale, 1.0):
        grid = grid_over(alpha, factor)
        share = at_grid(alpha, grid).astype(np.float32) * np.float32(1 / 255)
        if (share >= 0.5).any():
            straight = at_grid(colour, grid) / np.where(share > 0, share, 1)[..., np.newaxis]
            return np.minimum(np.rint(straight), 255).astype(np.uint8), share
    raise ValueError("alpha must reach 0.5 somewhere: the cut-out is empty")


def sample_transport(
    face_rgb: np.ndarray,
    face_mask: np.ndarray,
    hand_pixels: np.ndarray,
    rng: np.random.Generator,
    params: ColourTransferParams,
) -> tuple[np.ndarray, np.ndarray]:
    """Sample the directions of a transport and the face's colours that it aims at.

    The hand's pixels are (K, 3) uint8 straight colours, the mode `masked` or `partial`. Returns
    (steps, batch, 3) float64 unit vectors, and (N, 3) uint8 colours after Algorithm 1.
    """
    face_pixels = sample_face(face_rgb, face_mask, params.downscale)
    directions = random_frames(rng, params.steps, params.directions_per_step)
    if params.algorithm1 != "off":
        thresholds = face_thresholds(face_pixels)
        face_pixels = prepare_face(face_pixels, hand_pixels, thresholds, rng, params.algorithm1)
    return directions, face_pixels


def _move_masked(
    face_rgb: np.ndarray,
    face_mask: np.ndarray,
    hand: np.ndarray,
    alpha: np.ndarray,
    rng: np.random.Generator,
    params: ColourTransferParams,
) -> np.ndarray:
    """Return (gh, gw, 3) float32 in 0-1: how far hand pixels move to reach the face's colours."""
    inside = alpha >= 0.5
    hand_pixels = hand[inside]
    directions, face_pixels = sample_transport(face_rgb, face_mask, hand_pixels, rng, params)
    wanted = face_pixels.astype(np.float32) / 255
    if params.mode == "masked":
        colours, member, counts = distinct_colours(hand_pixels)
        start = colours.astype(np.float32) / 255
        change = (quantile_transport(wanted, start, directions, counts) - start)[member]
    else:
        change = partial_change(wanted, hand_pixels, directions, rng, params.partial_share)
    moved = np.zeros(hand.shape, np.float32)
    moved[inside] = change
    return moved


def _move_whole(
    face_rgb: np.ndarray,
    face_mask: np.ndarray,
    hand: np.ndarray,
    alpha: np.ndarray,
    rng: np.random.Generator,
    params: ColourTransferParams,
) -> np.ndarray:
    """Return (gh, gw, 3) float32 in 0-1: how far whole images on black move."""
    target = np.where(alpha[..., np.newaxis] >= 0.5, hand, np.uint8(0))
    source = face_on_black(face_rgb, face_mask, alpha.shape)
    directions = random_directions(rng, params.steps, params.directions_per_step)
    if params.algorithm1 != "off":
        thresholds = face_thresholds(sample_face(face_rgb, face_mask, params.downscale))
        source = prepare_face(source, target, thresholds, rng, params.algorithm1)
    moved = sliced_transport(source, target, directions)
    return moved - target.astype(np.float32) / 255


def smooth_displacement(
    displacement: np.ndarray, weight: np.ndarray, sigma_px: float
) -> np.ndarray:
    """Average a displacement over a Gaussian neighbourhood, within a mask.

    Normalised convolution (Knutsson & Westin 1993) with a separable window cut at three sigma:
    pixels outside the mask and outside the image take no part, so texture stays and noise goes
    without a halo.

    Args:
        displacement: (H, W, 3) float32.
        weight: (H, W) float in 0-1, the share of the hand in each pixel.
        sigma_px: Standard deviation in pixels; 0 only cuts at the mask.

    Returns:
        (H, W, 3) float32; 0 where no masked pixel is within reach.
    """
    weight = weight.astype(np.float32)
    if sigma_px == 0:
        return np.where(weight[..., np.newaxis] > 0, displacement, np.float32(0))
    stacked = np.empty((*weight.shape, 4), np.float32)
    np.multiply(displacement, weight[..., np.newaxis], out=stacked[..., :3])
    stacked[..., 3] = weight
    radius = int(np.ceil(3 * sigma_px))
    blurred = convolve(stacked, cv2.getGaussianKernel(2 * radius + 1, sigma_px))
    moved, share = blurred[..., :3], blurred[..., 3:]
    return np.divide(moved, share, out=np.zeros_like(moved), where=share > 1e-6)


def _add_displacement(
    colour: np.ndarray, alpha: np.ndarray, displacement: np.ndarray
) -> np.ndarray:
    """Add alpha times a coarse change to premultiplied (h, w, 3) uint8 colours, at full size."""
    cover = cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB)
    full = _enlarged(displacement, alpha)
    weighted = cv2.multiply(full, cover, scale=1 / 255, dtype=cv2.CV_32F)
    return cv2.min(cv2.add(colour, weighted, dtype=cv2.CV_8U), cover)


def _enlarged(displacement: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Enlarge (gh, gw, 3) float32 levels to (h, w, 3), as `cv2.resize` places pixels.

    (h, w) is the size of the uint8 coverage, without which the result may be 0. Steps of 1/32
    level at 1/32 of a cell: so few bits that `warp_affine` is exact.
    """
    steps = np.rint(np.clip(displacement, -255, 255) * 32) / 32
    (height, width), (grid_height, grid_width) = alpha.shape, displacement.shape[:2]
    scale_y, scale_x = height / grid_height, width / grid_width
    matrix = np.array([[scale_x, 0, scale_x / 2 - 0.5], [0, scale_y, scale_y / 2 - 0.5]])
    return warp_affine(steps, matrix, (height, width), cv2.BORDER_REPLICATE, needed=alpha)


PUBLISHED_SIGMA_PX = 30.0
PUBLISHED_RADIUS_PX = 30  # a window of 61x61: cut at one sigma


def transfer_published(
    face_rgb: np.ndarray,
    face_mask: np.ndarray,
    colour: np.ndarray,
    alpha: np.ndarray,
    directions: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Transfer colours as the published generator does, at full size.

    Whole images on black; a displacement smoothed across the hand's edge and round the border;
    Algorithm 1 on channel values, all channels clipped with one; values floored; and where there is
    no face, the hand comes back as it was. The mask is (H, W) bool, the (steps, batch, 3)
    directions are unit vectors; all else is as for `transfer_colours`.
    """
    if not face_mask.any():
        return colour.copy()
    cover = cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB)
    straight = cv2.divide(colour, cover, scale=255)
    target = np.where(cover >= 128, straight, np.uint8(0))
    source = face_on_black(face_rgb, face_mask, alpha.shape)
    thresholds = face_thresholds(face_rgb[face_mask])
    source = prepare_face(source, target, thresholds, rng, "published")
    start = target.astype(np.float32) / 255
    change = smooth_published(sliced_transport(source, target, directions) - start)
    moved = np.clip((start + change) * 255, 0, 255).astype(np.uint8)
    return cv2.multiply(np.where(cover >= 128, moved, straight), cover, scale=1 / 255)


def smooth_published(displacement: np.ndarray) -> np.ndarray:
    """Average a displacement, (H, W, 3) float32, as the published generator does.

    A Gaussian of sigma 30 px in a window of 61x61, wrapped round the border, blind to the mask:
    background leaks into the hand and one border into the other. Computed in two passes; the
    result is that of the published code's 3,721 shifted images.
    """
    kernel = cv2.getGaussianKernel(2 * PUBLISHED_RADIUS_PX + 1, PUBLISHED_SIGMA_PX)
    return convolve(displacement.astype(np.float32), kernel, cv2.BORDER_WRAP)
