"""The painting: linear light and one label per pixel, at twice the final size."""

import enum
from typing import NamedTuple

import cv2
import numpy as np

from face_occlusion.miniature import colours, fields
from face_occlusion.miniature.fields import Box, Rng, Shape
from face_occlusion.miniature.light import Light, Surface, shade

SUPERSAMPLE = 2


# Label of a pixel: the part layers of CelebAMask-HQ (Lee et al. 2020, section 3.1), which in lower
# case are the release's file names. Sides are the person's: `l_eye` lies on the right of the
# picture, as in the release. OCCLUDER has no layer: it is background, or called skin by mistake.
Part = enum.IntEnum(
    "Part",
    "BACKGROUND SKIN L_BROW R_BROW L_EYE R_EYE NOSE MOUTH U_LIP L_LIP EYE_G L_EAR R_EAR EAR_R "
    "NECK NECK_L CLOTH HAIR HAT OCCLUDER",
    start=0,
)
# Table 1 of the paper: skin of the head with eyes, nose and mouth, without ears.
FACE_PARTS = tuple(part for part in Part if Part.SKIN <= part <= Part.L_LIP)
LAYERS = tuple(part for part in Part if part not in (Part.BACKGROUND, Part.OCCLUDER))


class Solid(NamedTuple):
    """A body ready to be painted."""

    alpha: np.ndarray  # (H, W) float32 coverage
    height: np.ndarray  # (H, W) float32 height in pixels
    surface: Surface  # its look


class Canvas:
    """A picture painted from back to front, of `shape` in the end."""

    def __init__(self, shape: Shape, light: Light) -> None:
        self.shape = (shape[0] * SUPERSAMPLE, shape[1] * SUPERSAMPLE)  # (S H, S W)
        self.light = light
        self.rgb = np.zeros((*self.shape, 3), np.float32)  # linear RGB
        self.labels = np.zeros(self.shape, np.uint8)  # of the topmost layer

    def paint(self, alpha: np.ndarray, colour: np.ndarray, labels: np.ndarray | int | None) -> None:
        """Composite a layer over the picture; a pixel belongs to it from a coverage of 0.5 on.

        `colour` is (3,) or (S H, S W, 3), or of `bounding_box(alpha)` alone; `labels` a number or
        (S H, S W), or None to keep the labels below.
        """
        box = bounding_box(alpha)
        a = alpha[box]
        layer = colour[box] if colour.shape == self.rgb.shape else colour
        for channel in range(3):
            below = self.rgb[box][..., channel]
            below += (layer[..., channel] - below) * a
        if labels is not None:
            new = labels[box] if isinstance(labels, np.ndarray) else np.uint8(labels)
            self.labels[box] = np.where(a >= 0.5, new, self.labels[box])

    def darken(self, factor: np.ndarray) -> None:
        """Multiply the picture by a (S H, S W) factor in [0, 1], shadows a little less in red."""
        box = bounding_box(1 - factor)
        for channel, weight in enumerate((0.9, 0.97, 1.0)):
            self.rgb[box][..., channel] *= 1 - weight * (1 - factor[box])

    def drop_shadow(self, alpha: np.ndarray, lift_px: float, strength: float = 0.5) -> None:
        """Darken the picture by the shadow of a shape that floats `lift_px` over it.

        The distance also sets the softness; `strength` is the share of the light taken away.
        """
        lx, ly, lz = (float(v) for v in self.light.direction)
        dx, dy = -lx / max(lz, 0.3) * lift_px, -ly / max(lz, 0.3) * lift_px
        self.darken(1 - strength * fields.blur(fields.shift(alpha, dx, dy), max(lift_px * 0.45, 1)))

    def paint_solid(self, solid: Solid, label: int | None, lift_px: float = 0.0) -> None:
        """Light a solid and composite it over the picture; with a shadow if lifted.

        A `label` of None keeps the labels below.
        """
        if lift_px > 0:
            self.drop_shadow(solid.alpha, lift_px)
        box = bounding_box(solid.alpha)
        colour = shade(solid.surface.crop(box), solid.height[box], self.light)
        self.paint(solid.alpha, colour, label)


def bounding_box(alpha: np.ndarray) -> Box:
    """Return the slices around a (H, W) field's pixels above 1/512, of one pixel if there is none.

    A box is never empty, so that what is computed in it needs no second way.
    """
    x, y, width, height = cv2.boundingRect((alpha > 1 / 512).astype(np.uint8))
    return slice(y, y + max(height, 1)), slice(x, x + max(width, 1))


def coverage(mask: np.ndarray, factor: int) -> np.ndarray:
    """Reduce a (F H, F W) mask to the (H, W) bool pixels that it covers by half or more."""
    size = (mask.shape[1] // factor, mask.shape[0] // factor)
    return cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) >= 0.5


def photograph(canvas: Canvas, rng: Rng) -> np.ndarray:
    """Photograph a painting with a camera between a studio's and a telephone's.

    The camera adds a white balance, an exposure, dark corners, the lens' blur, a contrast around
    middle grey and grain. Returns (H, W, 3) uint8 RGB of the final size.
    """
    height, width = (side // SUPERSAMPLE for side in canvas.shape)
    warm, exposure = rng.normal(0, 0.03), rng.uniform(0.9, 1.12)
    noise = rng.uniform(0.003, 0.012)  # standard deviation on the sRGB scale
    blur_px, contrast = rng.uniform(0, 0.7), rng.uniform(0.92, 1.12)
    vignette = rng.uniform(0, 0.22)  # share of the light lost in the corners
    light = fields.shrink(canvas.rgb, (height, width))
    light *= exposure * np.array([1 + warm, 1, 1 - warm], np.float32)
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    light = fields.blur(colours.scaled(light, 1 - vignette * 0.5 * (x * x + y * y)), blur_px)
    bright = light > 0.7  # roll highlights off instead of clipping them
    light[bright] = 0.7 + 0.3 * np.tanh((light[bright].astype(float) - 0.7) / 0.3)
    srgb = 0.5 + (colours.to_srgb(light) - 0.5) * contrast
    grain = rng.standard_normal((height, width), dtype=np.float32)
    for channel in range(3):
        own = rng.standard_normal((height, width), dtype=np.float32)
        srgb[..., channel] += noise * (0.8 * grain + 0.5 * own)
    return np.clip(srgb * 255 + 0.5, 0, 255).astype(np.uint8)
