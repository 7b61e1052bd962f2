"""Give a hand the colours of the face it will cover (Q19).

The colour change is computed on a coarse grid and applied at full size: it is smooth, so a grid
of an eighth loses half a level of 255. `transfer_colours` is the whole of it for straight colours,
`transfer_cutout` for premultiplied RGBA.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np

from face_occlusion.generation.colour_transfer.algorithm1 import face_thresholds, prepare_face
from face_occlusion.generation.colour_transfer.displacement import (
    apply_displacement,
    apply_to_premultiplied,
)
from face_occlusion.generation.colour_transfer.partial_transport import (
    sliced_partial_transport,
    spread,
)
from face_occlusion.generation.colour_transfer.pixel_grids import (
    face_on_black,
    sample_face,
    sample_hand,
    sample_premultiplied,
)
from face_occlusion.generation.colour_transfer.published_transfer import transfer_published
from face_occlusion.generation.colour_transfer.smoothing import smooth_displacement
from face_occlusion.generation.colour_transfer.transport import (
    quantile_transport,
    random_directions,
    random_frames,
    sliced_transport,
)

Mode = Literal["masked", "partial", "faithful", "published"]
NUM_PARTIAL = 512  # hand colours matched one to one in the partial mode


@dataclass(frozen=True, kw_only=True)
class ColourTransferParams:
    """How hands get the colours of faces.

    Modes: `masked` moves the hand's pixels to the face's by their quantiles; `partial` lets a
    share of the face's pixels stay unmatched (SPOT); `faithful` is the paper's, whole images with
    their black background; `published` repeats the published generator, defects and all.
    """

    mode: Mode
    steps: int
    directions_per_step: int
    downscale: float  # computed at 1/downscale of the hand's size; 1 = exact
    smoothing_frac: float  # sigma of the displacement's smoothing / sqrt(height * width)
    algorithm1: Literal["balanced", "literal", "off"]
    strength: float  # 0 = the hand as it is, 1 = the whole transfer
    partial_share: float  # of the face's pixels that the hand takes, mode `partial`

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.mode not in get_args(Mode):
            raise ValueError(f"mode must be one of {get_args(Mode)}; got {self.mode!r}")
        if self.algorithm1 not in ("balanced", "literal", "off"):
            raise ValueError(
                f"algorithm1 must be balanced, literal or off; got {self.algorithm1!r}"
            )
        for key in ("steps", "directions_per_step", "downscale"):
            if not getattr(self, key) >= 1:
                raise ValueError(f"{key} must be at least 1; got {getattr(self, key)}")
        if not 0 <= self.smoothing_frac <= 1:
            raise ValueError(f"smoothing_frac must be in [0, 1]; got {self.smoothing_frac}")
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength must be in [0, 1]; got {self.strength}")
        if not 0 < self.partial_share <= 1:
            raise ValueError(f"partial_share must be in (0, 1]; got {self.partial_share}")


def transfer_colours(
    face_rgb: np.ndarray,
    face_mask: np.ndarray,
    hand_rgb: np.ndarray,
    hand_alpha: np.ndarray,
    rng: np.random.Generator,
    params: ColourTransferParams,
) -> np.ndarray:
    """Recolour a hand like a face.

    Args:
        face_rgb: (H, W, 3) uint8 RGB.
        face_mask: (H, W) bool, the face's pixels.
        hand_rgb: (h, w, 3) uint8 RGB, straight colours; left unchanged.
        hand_alpha: (h, w) coverage, float in 0-1 or uint8 in 0-255.
        rng: Draws the directions, and the pixels that Algorithm 1 replaces.
        params: The mode and its settings.

    Returns:
        (h, w, 3) uint8 RGB, straight colours; what lies beyond the reach of the hand's pixels is
        left as it is.

    Raises:
        ValueError: If sizes or types differ, the face's mask or the hand's alpha is empty: a
            transfer that cannot be done is never passed over (D5).
    """
    _check_input("face", face_rgb, face_mask)
    _check_input("hand", hand_rgb, hand_alpha)
    if params.mode == "published":
        directions = random_directions(rng, params.steps, params.directions_per_step)
        return transfer_published(face_rgb, face_mask, hand_rgb, hand_alpha, directions, rng)
    displacement = colour_displacement(face_rgb, face_mask, hand_rgb, hand_alpha, rng, params)
    return apply_displacement(hand_rgb, displacement)


def transfer_cutout(
    face_rgb: np.ndarray,
    face_mask: np.ndarray,
    cutout: np.ndarray,
    rng: np.random.Generator,
    params: ColourTransferParams,
) -> np.ndarray:
    """Recolour a premultiplied cut-out like a face: `transfer_colours` for RGBA.

    Args:
        face_rgb: (H, W, 3) uint8 RGB.
        face_mask: (H, W) bool, the face's pixels.
        cutout: (h, w, 4) uint8 premultiplied RGBA; left unchanged.
        rng: As in `transfer_colours`.
        params: As in `transfer_colours`.

    Returns:
        (h, w, 4) uint8 premultiplied RGBA; alpha is the cut-out's, and no colour exceeds it.

    Raises:
        ValueError: As `transfer_colours`.
    """
    if cutout.ndim != 3 or cutout.shape[2] != 4 or cutout.dtype != np.uint8:
        raise ValueError(f"cutout must be (h, w, 4) uint8; got {cutout.shape} {cutout.dtype}")
    colour, alpha = np.ascontiguousarray(cutout[..., :3]), np.ascontiguousarray(cutout[..., 3])
    moved = transfer_premultiplied(face_rgb, face_mask, colour, alpha, rng, params)
    return np.dstack([moved, alpha])


def transfer_premultiplied(
    face_rgb: np.ndarray,
    face_mask: np.ndarray,
    colour: np.ndarray,
    alpha: np.ndarray,
    rng: np.random.Generator,
    params: ColourTransferParams,
) -> np.ndarray:
    """Recolour a premultiplied hand like a face: `transfer_colours` for colour times coverage.

    Args:
        face_rgb: (H, W, 3) uint8 RGB.
        face_mask: (H, W) bool, or uint8 where all but 0 is face.
        colour: (h, w, 3) uint8 RGB, premultiplied by alpha; left unchanged.
        alpha: (h, w) uint8 coverage.
        rng: As in `transfer_colours`.
        params: As in `transfer_colours`.

    Returns:
        (h, w, 3) uint8 RGB, premultiplied: no colour exceeds alpha.

    Raises:
        ValueError: As `transfer_colours`.
    """
    if params.mode == "published":
        cover = cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB)
        straight = cv2.divide(colour, cover, scale=255)
        moved = transfer_colours(face_rgb, face_mask > 0, straight, alpha, rng, params)
        return cv2.multiply(moved, cover, scale=1 / 255)
    _check_input("face", face_rgb, face_mask)
    _check_input("hand", colour, alpha)
    hand, share = sample_premultiplied(colour, alpha, params.downscale)
    displacement = _displacement(face_rgb, face_mask, hand, share, rng, params)
    return apply_to_premultiplied(colour, alpha, displacement)


def colour_displacement(
    face_rgb: np.ndarray,
    face_mask: np.ndarray,
    hand_rgb: np.ndarray,
    hand_alpha: np.ndarray,
    rng: np.random.Generator,
    params: ColourTransferParams,
) -> np.ndarray:
    """Compute the change of colour over a hand, on a coarse grid.

    Args: and Raises: as `transfer_colours`; mode `published` has no displacement of this form.

    Returns:
        (gh, gw, 3) float32 in levels of 255, to be resized to the hand's size and added.
    """
    _check_input("face", face_rgb, face_mask)
    _check_input("hand", hand_rgb, hand_alpha)
    hand, alpha = sample_hand(hand_rgb, hand_alpha, params.downscale)
    return _displacement(face_rgb, face_mask, hand, alpha, rng, params)


def _displacement(
    face_rgb: np.ndarray,
    face_mask: np.ndarray,
    hand: np.ndarray,
    alpha: np.ndarray,
    rng: np.random.Generator,
    params: ColourTransferParams,
) -> np.ndarray:
    """Compute the change of colour on a grid: hand (gh, gw, 3) uint8, alpha (gh, gw) in 0-1."""
    if params.mode == "faithful":
        moved = _move_whole(face_rgb, face_mask, hand, alpha, rng, params)
    else:
        moved = _move_masked(face_rgb, face_mask, hand, alpha, rng, params)
    sigma_px = params.smoothing_frac * np.sqrt(alpha.size)
    weight = np.where(alpha >= 0.5, alpha, 0)  # fainter pixels were not moved
    return smooth_displacement(moved * (255 * params.strength), weight, sigma_px)


def _check_input(name: str, image: np.ndarray, mask: np.ndarray) -> None:
    """Refuse input of the wrong type or size."""
    if image.dtype != np.uint8 or image.shape != (*mask.shape, 3):
        raise ValueError(
            f"{name} must be (H, W, 3) uint8 with a mask of its size; "
            f"got {image.shape} {image.dtype} and {mask.shape}"
        )
    if name == "face" and mask.dtype not in (np.bool_, np.uint8):
        raise ValueError(f"face_mask must be bool or uint8; got {mask.dtype}")


def _move_masked(
    face_rgb: np.ndarray,
    face_mask: np.ndarray,
    hand: np.ndarray,
    alpha: np.ndarray,
    rng: np.random.Generator,
    params: ColourTransferParams,
) -> np.ndarray:
    """Return (gh, gw, 3) float32: hand pixels moved to face pixels, less where they were, 0-1."""
    inside = alpha >= 0.5
    face_pixels = sample_face(face_rgb, face_mask, params.downscale)
    hand_pixels = hand[inside]
    directions = random_frames(rng, params.steps, params.directions_per_step)
    if params.algorithm1 != "off":
        thresholds = face_thresholds(face_pixels)
        face_pixels = prepare_face(face_pixels, hand_pixels, thresholds, rng, params.algorithm1)
    colours, member, counts = _distinct(hand_pixels)
    start, wanted = colours.astype(np.float32) / 255, face_pixels.astype(np.float32) / 255
    if params.mode == "masked":
        change = quantile_transport(wanted, start, directions, counts) - start
        change = change[member]
    else:
        change = _partial_change(wanted, hand_pixels, directions, rng, params.partial_share)
    moved = np.zeros(hand.shape, np.float32)
    moved[inside] = change
    return moved


def _distinct(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Group equal colours, so that they stay equal: colours (N, 3), member of each, counts."""
    codes = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    codes, member, counts = np.unique(codes, return_inverse=True, return_counts=True)
    colours = np.stack([codes >> 16, (codes >> 8) & 255, codes & 255], axis=1)
    return colours, member, counts


def _partial_change(
    wanted: np.ndarray,
    hand_pixels: np.ndarray,
    directions: np.ndarray,
    rng: np.random.Generator,
    share: float,
) -> np.ndarray:
    """Match a sample of the hand one to one; others follow the sample's nearest colour."""
    num_hand = min(NUM_PARTIAL, len(hand_pixels))
    num_face = int(np.ceil(num_hand / share))
    start = hand_pixels.astype(np.float32) / 255
    sample = start[rng.permutation(len(start))[:num_hand]]
    face_sample = wanted[np.resize(rng.permutation(len(wanted)), num_face)]
    moved = sliced_partial_transport(face_sample, sample, directions)
    return spread(sample, moved - sample, start)


def _move_whole(
    face_rgb: np.ndarray,
    face_mask: np.ndarray,
    hand: np.ndarray,
    alpha: np.ndarray,
    rng: np.random.Generator,
    params: ColourTransferParams,
) -> np.ndarray:
    """Return (gh, gw, 3) float32: whole images on black, moved, less where they were, 0-1."""
    target = np.where(alpha[..., np.newaxis] >= 0.5, hand, np.uint8(0))
    source = face_on_black(face_rgb, face_mask, alpha.shape)
    directions = random_directions(rng, params.steps, params.directions_per_step)
    if params.algorithm1 != "off":
        thresholds = face_thresholds(sample_face(face_rgb, face_mask, params.downscale))
        source = prepare_face(source, target, thresholds, rng, params.algorithm1)
    moved = sliced_transport(source, target, directions)
    return moved - target.astype(np.float32) / 255
