"""The published generator's colour transfer, repeated to be compared with: defects D1 to D5."""

from __future__ import annotations

import numpy as np

from face_occlusion.generation.colour_transfer.algorithm1 import face_thresholds, prepare_face
from face_occlusion.generation.colour_transfer.pixel_grids import face_on_black
from face_occlusion.generation.colour_transfer.smoothing import smooth_displacement_published
from face_occlusion.generation.colour_transfer.transport import sliced_transport


def transfer_published(
    face_rgb: np.ndarray,
    face_mask: np.ndarray,
    hand_rgb: np.ndarray,
    hand_alpha: np.ndarray,
    directions: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Transfer colours as the published generator does, at full size.

    Whole images on black; a displacement smoothed across the hand's edge and round the border
    (D1); Algorithm 1 on channel values (D3), all channels clipped with one (D4); values floored;
    and where there is no face, the hand comes back as it was (D5).

    Args:
        face_rgb: (H, W, 3) uint8.
        face_mask: (H, W) bool.
        hand_rgb: (h, w, 3) uint8, straight colours; left unchanged.
        hand_alpha: (h, w) float in 0-1 or uint8 in 0-255.
        directions: (steps, batch, 3) unit vectors.
        rng: Draws the pixels that Algorithm 1 replaces.

    Returns:
        (h, w, 3) uint8.
    """
    if not face_mask.any():
        return hand_rgb.copy()
    covered = (hand_alpha >= (128 if hand_alpha.dtype == np.uint8 else 0.5))[..., np.newaxis]
    target = np.where(covered, hand_rgb, np.uint8(0))
    source = face_on_black(face_rgb, face_mask, hand_alpha.shape)
    thresholds = face_thresholds(face_rgb[face_mask])
    source = prepare_face(source, target, thresholds, rng, "published")
    start = target.astype(np.float32) / 255
    change = smooth_displacement_published(sliced_transport(source, target, directions) - start)
    moved = np.clip((start + change) * 255, 0, 255).astype(np.uint8)
    return np.where(covered, moved, hand_rgb)
