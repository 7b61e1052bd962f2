"""Smooth the displacement of colours over an image, so that texture stays and noise goes."""

from __future__ import annotations

import cv2
import numpy as np

PUBLISHED_SIGMA_PX = 30.0
PUBLISHED_RADIUS_PX = 30  # a window of 61x61: cut at one sigma


def smooth_displacement(
    displacement: np.ndarray, weight: np.ndarray, sigma_px: float
) -> np.ndarray:
    """Average a displacement over a Gaussian neighbourhood, within a mask.

    Normalised convolution (Knutsson & Westin 1993) with a separable window cut at three sigma:
    pixels outside the mask and outside the image take no part (D1, D2).

    Args:
        displacement: (H, W, 3) float32; left unchanged.
        weight: (H, W) float in 0-1, the share of the hand in each pixel.
        sigma_px: Standard deviation in pixels; 0 only cuts at the mask.

    Returns:
        (H, W, 3) float32; inside and near the mask the smoothed displacement, 0 where no masked
        pixel is within reach.
    """
    weight = weight.astype(np.float32)
    if sigma_px == 0:
        return np.where(weight[..., np.newaxis] > 0, displacement, np.float32(0))
    stacked = np.dstack([displacement * weight[..., np.newaxis], weight])  # (H, W, 4)
    kernel = gaussian_kernel(sigma_px, int(np.ceil(3 * sigma_px)))
    blurred = cv2.sepFilter2D(stacked, -1, kernel, kernel, borderType=cv2.BORDER_CONSTANT)
    share = blurred[..., 3:]
    return np.divide(
        blurred[..., :3], share, out=np.zeros_like(blurred[..., :3]), where=share > 1e-6
    )


def smooth_displacement_published(displacement: np.ndarray) -> np.ndarray:
    """Average a displacement as the published generator does: for comparison only.

    A Gaussian of sigma 30 px in a window of 61x61, wrapped round the border, blind to the mask:
    background leaks into the hand and one border into the other (D1). Computed in two passes;
    the result is that of 3,721 shifted images (D2).

    Args:
        displacement: (H, W, 3) float32; left unchanged.

    Returns:
        (H, W, 3) float32.
    """
    radius = PUBLISHED_RADIUS_PX
    kernel = gaussian_kernel(PUBLISHED_SIGMA_PX, radius)
    padded = np.pad(displacement, ((radius, radius), (radius, radius), (0, 0)), mode="wrap")
    blurred = cv2.sepFilter2D(padded.astype(np.float32), cv2.CV_32F, kernel, kernel)
    return blurred[radius:-radius, radius:-radius]


def gaussian_kernel(sigma_px: float, radius_px: int) -> np.ndarray:
    """Sample a Gaussian at whole pixels, normalised to sum 1.

    Args:
        sigma_px: Standard deviation in pixels, positive.
        radius_px: Pixels on each side of the middle.

    Returns:
        (2 * radius_px + 1,) float32.
    """
    offsets = np.arange(-radius_px, radius_px + 1)
    kernel = np.exp(-0.5 * (offsets / sigma_px) ** 2)
    return (kernel / kernel.sum()).astype(np.float32)
