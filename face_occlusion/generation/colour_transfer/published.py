"""The published generator's colour transfer, with its defects, repeated for comparison."""

import cv2
import numpy as np

from face_occlusion.core.arithmetic import convolve
from face_occlusion.generation.colour_transfer.algorithm1 import (
    face_on_black,
    face_thresholds,
    prepare_face,
)
from face_occlusion.generation.colour_transfer.transport import sliced_transport

SIGMA_PX = 30.0
RADIUS_PX = 30  # a window of 61x61: cut at one sigma


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
    directions are unit vectors; all else is as for `transfer.transfer_colours`.
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
    radius = RADIUS_PX
    padded = np.pad(displacement, ((radius, radius), (radius, radius), (0, 0)), mode="wrap")
    kernel = cv2.getGaussianKernel(2 * radius + 1, SIGMA_PX)
    return convolve(padded.astype(np.float32), kernel)
