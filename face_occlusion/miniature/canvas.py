"""The painting: linear light and one label per pixel, at twice the final size."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import cv2
import numpy as np

from face_occlusion.miniature.fields import blur
from face_occlusion.miniature.light import Light, Surface, drop_shadow, scaled, shade, to_srgb


class Part(enum.IntEnum):
    """What a pixel shows; names in lower case are the release's file names.

    Sides are the person's: `l_eye` lies on the right of the picture, as in the release.
    """

    BACKGROUND = 0
    SKIN = 1
    L_BROW = 2
    R_BROW = 3
    L_EYE = 4
    R_EYE = 5
    NOSE = 6
    MOUTH = 7
    U_LIP = 8
    L_LIP = 9
    EYE_G = 10
    L_EAR = 11
    R_EAR = 12
    EAR_R = 13
    NECK = 14
    NECK_L = 15
    CLOTH = 16
    HAIR = 17
    HAT = 18
    OCCLUDER = 19  # has no layer: background, or called skin by mistake


# Table 1 of the paper: skin of the head with eyes, nose and mouth, without ears.
FACE_PARTS = (
    Part.SKIN,
    Part.L_BROW,
    Part.R_BROW,
    Part.L_EYE,
    Part.R_EYE,
    Part.NOSE,
    Part.MOUTH,
    Part.U_LIP,
    Part.L_LIP,
)
LAYERS = tuple(part for part in Part if part not in (Part.BACKGROUND, Part.OCCLUDER))


SUPERSAMPLE = 2


class Canvas:
    """A picture painted from back to front.

    Attributes:
        light: (S H, S W, 3) float32 linear RGB, S = SUPERSAMPLE.
        labels: (S H, S W) uint8 label of the topmost layer.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        """Make an empty picture of `shape` = final (height, width) in pixels."""
        self.shape = (shape[0] * SUPERSAMPLE, shape[1] * SUPERSAMPLE)
        self.light = np.zeros((*self.shape, 3), np.float32)
        self.labels = np.zeros(self.shape, np.uint8)

    def paint(self, alpha: np.ndarray, colour: np.ndarray, labels: np.ndarray | int | None) -> None:
        """Lay a layer over the picture.

        Args:
            alpha: (S H, S W) float32 coverage; a pixel belongs to the layer from 0.5 on.
            colour: (S H, S W, 3) or (3,) float32 linear RGB.
            labels: Label of the layer, a number or (S H, S W); None keeps what lies below.
        """
        box = bounding_box(alpha)
        if box is None:
            return
        a = alpha[box]
        layer = colour[box] if colour.ndim == 3 else colour
        area = self.light[box]
        for channel in range(3):
            below = area[..., channel]
            below += (layer[..., channel] - below) * a
        if labels is not None:
            new = labels[box] if isinstance(labels, np.ndarray) else np.uint8(labels)
            self.labels[box] = np.where(a >= 0.5, new, self.labels[box])

    def darken(self, factor: np.ndarray) -> None:
        """Multiply the picture by a (S H, S W) factor in [0, 1], shadows a little less in red."""
        box = bounding_box(1 - factor)
        if box is None:
            return
        f = factor[box]
        area = self.light[box]
        for channel, weight in enumerate((0.9, 0.97, 1.0)):
            area[..., channel] *= 1 - weight * (1 - f)


def bounding_box(alpha: np.ndarray, least: float = 1 / 512) -> tuple[slice, slice] | None:
    """Return the slices around a (H, W) field's pixels above `least`; None without any."""
    x, y, width, height = cv2.boundingRect((alpha > least).astype(np.uint8))
    if width == 0:
        return None
    return slice(y, y + height), slice(x, x + width)


def coverage(mask: np.ndarray, factor: int) -> np.ndarray:
    """Reduce a mask to the pixels that it covers by half or more.

    Args:
        mask: (F H, F W) bool or uint8 0/1.
        factor: F.

    Returns:
        (H, W) bool.
    """
    height, width = mask.shape
    share = cv2.resize(
        mask.astype(np.float32), (width // factor, height // factor), interpolation=cv2.INTER_AREA
    )
    return share >= 0.5


@dataclass(frozen=True)
class Camera:
    """What a camera adds.

    Attributes:
        exposure: Factor on the light.
        noise: Standard deviation of the grain on the sRGB scale.
        blur_px: Standard deviation of the lens blur in final pixels.
        balance: (3,) factors of red, green and blue.
        contrast: Exponent of the contrast around middle grey, 1 none.
        vignette: Share of the light lost in the corners.
    """

    exposure: float
    noise: float
    blur_px: float
    balance: np.ndarray
    contrast: float
    vignette: float


def sample_camera(rng: np.random.Generator) -> Camera:
    """Draw a camera between a studio's and a telephone's."""
    warm = rng.normal(0, 0.03)
    return Camera(
        exposure=rng.uniform(0.9, 1.12),
        noise=rng.uniform(0.003, 0.012),
        blur_px=rng.uniform(0, 0.7),
        balance=np.array([1 + warm, 1, 1 - warm], np.float32),
        contrast=rng.uniform(0.92, 1.12),
        vignette=rng.uniform(0, 0.22),
    )


def photograph(canvas: Canvas, camera: Camera, rng: np.random.Generator) -> np.ndarray:
    """Take the picture.

    Args:
        canvas: The finished painting.
        camera: The camera.
        rng: Source of the grain.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    height, width = (side // SUPERSAMPLE for side in canvas.shape)
    light = cv2.resize(canvas.light, (width, height), interpolation=cv2.INTER_AREA)
    light *= camera.exposure * camera.balance
    if camera.vignette > 0:
        y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        light = scaled(light, 1 - camera.vignette * 0.5 * (x * x + y * y))
    light = blur(light, camera.blur_px)
    bright = light > 0.7  # roll highlights off instead of clipping them
    light[bright] = 0.7 + 0.3 * np.tanh((light[bright] - 0.7) / 0.3)
    srgb = to_srgb(light)
    srgb = 0.5 + (srgb - 0.5) * camera.contrast
    grain = rng.standard_normal((height, width), dtype=np.float32)
    for channel in range(3):
        own = rng.standard_normal((height, width), dtype=np.float32)
        srgb[..., channel] += camera.noise * (0.8 * grain + 0.5 * own)
    return np.clip(srgb * 255 + 0.5, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Solid:
    """A body ready to be painted.

    Attributes:
        alpha: (H, W) float32 coverage.
        height: (H, W) float32 height in pixels.
        surface: Its look.
    """

    alpha: np.ndarray
    height: np.ndarray
    surface: Surface


def paint_solid(
    canvas: Canvas, solid: Solid, light: Light, *, label: int | None, lift_px: float = 0.0
) -> None:
    """Light a solid and lay it on the canvas; it throws a shadow if lifted.

    Args:
        canvas: The painting.
        solid: What to paint, in the canvas's size.
        light: The light.
        label: Its label, None to keep the labels.
        lift_px: Distance from what lies below, 0 for no shadow.
    """
    if lift_px > 0:
        canvas.darken(drop_shadow(solid.alpha, light, lift_px, 0.5))
    box = bounding_box(solid.alpha)
    if box is None:
        return
    colour = np.zeros((*canvas.shape, 3), np.float32)
    colour[box] = shade(solid.surface.crop(box), solid.height[box], light)
    canvas.paint(solid.alpha, colour, label)
