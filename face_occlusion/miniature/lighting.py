"""Light a relief: normals from a height field, soft diffuse light, gloss, shadows."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import cv2
import numpy as np

from face_occlusion.miniature.fields import blur

# How far light creeps round an edge, per channel: in skin red travels furthest.
SKIN_WRAP = (0.42, 0.24, 0.18)
CLOTH_WRAP = (0.2, 0.2, 0.2)


@dataclass(frozen=True)
class Light:
    """A key light and the light from everywhere else.

    Attributes:
        direction: (3,) unit vector towards the key light; x right, y down, z to the viewer.
        key: (3,) linear RGB of the key light.
        ambient: (3,) linear RGB of the light from all sides.
        fill: (3,) linear RGB of the light from the side opposite to the key.
    """

    direction: np.ndarray
    key: np.ndarray
    ambient: np.ndarray
    fill: np.ndarray


def draw_light(rng: np.random.Generator) -> Light:
    """Draw a light: mostly frontal and from above, sometimes from the side, warm or cold."""
    side = rng.uniform(-70, 70) if rng.random() < 0.35 else rng.uniform(-38, 38)
    azimuth, elevation = np.deg2rad(side), np.deg2rad(rng.uniform(8, 48))
    direction = np.array(
        [
            np.sin(azimuth) * np.cos(elevation),
            -np.sin(elevation),
            np.cos(azimuth) * np.cos(elevation),
        ]
    )
    warm = rng.normal(0, 0.07)
    tint = np.array([1 + warm, 1, 1 - 1.3 * warm])
    strength = rng.uniform(0.75, 1.15)
    share = rng.uniform(0.55, 0.8)  # of the key light
    fill_tint = np.array([1 - 0.5 * warm, 1, 1 + 0.8 * warm])
    return Light(
        direction=direction.astype(np.float32),
        key=(strength * share * 1.25 * tint).astype(np.float32),
        ambient=(strength * (1 - share) * 0.75 * fill_tint).astype(np.float32),
        fill=(strength * rng.uniform(0.03, 0.3) * fill_tint).astype(np.float32),
    )


STUDIO = Light(  # even light from above, as on a copy stand
    direction=np.array([-0.25, -0.45, 0.857], np.float32),
    key=np.array([0.85, 0.84, 0.82], np.float32),
    ambient=np.array([0.3, 0.3, 0.31], np.float32),
    fill=np.array([0.08, 0.08, 0.085], np.float32),
)


def normals(height: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the unit normals (nx, ny, nz) of a (H, W) float32 height field in pixels."""
    nx = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3, scale=-0.125)
    ny = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3, scale=-0.125)
    nz = 1 / np.sqrt(nx * nx + ny * ny + 1)
    return nx * nz, ny * nz, nz


@dataclass(frozen=True)
class Surface:
    """How a surface takes light.

    Attributes:
        albedo: (H, W, 3) or (3,) float32 linear RGB.
        wrap: Softness of the edge of the light per channel, 0 hard.
        gloss: Strength of the highlight, a number or (H, W).
        shininess: Exponent of the highlight (Blinn 1977), a power of two.
    """

    albedo: np.ndarray
    wrap: tuple[float, float, float] = CLOTH_WRAP
    gloss: np.ndarray | float = 0.0
    shininess: int = 16

    def crop(self, box: tuple[slice, slice]) -> Surface:
        """Return the surface of a box."""
        albedo = self.albedo[box] if self.albedo.ndim == 3 else self.albedo
        gloss = self.gloss[box] if isinstance(self.gloss, np.ndarray) else self.gloss
        return dataclasses.replace(self, albedo=albedo, gloss=gloss)


def shade(
    surface: Surface, height: np.ndarray, light: Light, shadow: np.ndarray | float = 1.0
) -> np.ndarray:
    """Light a surface.

    Args:
        surface: Its look.
        height: (H, W) float32 height towards the viewer in pixels.
        light: The light.
        shadow: Share of the key light that arrives, a number or (H, W).

    Returns:
        (H, W, 3) float32 linear RGB, not clipped.
    """
    nx, ny, nz = normals(height)
    lx, ly, lz = (float(v) for v in light.direction)
    facing = nx * lx + ny * ly + nz * lz
    opposite = np.maximum(-0.7 * np.sign(lx) * nx + 0.6 * nz, 0)
    sky = 0.78 - 0.22 * ny
    result = np.empty((*height.shape, 3), np.float32)
    for channel in range(3):
        w = surface.wrap[channel]
        diffuse = np.maximum((facing + w) * (1 / (1 + w)), 0) * shadow
        result[..., channel] = (
            light.key[channel] * diffuse
            + light.ambient[channel] * sky
            + light.fill[channel] * opposite
        )
    result *= surface.albedo
    if np.any(np.asarray(surface.gloss) > 0):
        half = light.direction + np.array([0, 0, 1], np.float32)
        hx, hy, hz = (float(v) for v in half / np.linalg.norm(half))
        spec = np.maximum(nx * hx + ny * hy + nz * hz, 0)
        for _ in range(surface.shininess.bit_length() - 1):
            spec *= spec
        shine = surface.gloss * spec * shadow
        for channel in range(3):
            result[..., channel] += light.key[channel] * shine
    return result


def cast_shadow(height: np.ndarray, light: Light, reach_px: float, steps: int = 8) -> np.ndarray:
    """March over a height field towards the light and find what lies in shade.

    Done at half size and blurred: shadows are soft.

    Args:
        height: (H, W) float32 height in pixels.
        light: The light.
        reach_px: How far a shadow reaches at most.
        steps: Steps of the march.

    Returns:
        (H, W) float32 share of the key light that arrives, in [0, 1].
    """
    rows, columns = height.shape
    half = (max(columns // 2, 1), max(rows // 2, 1))
    small = cv2.resize(height, half, interpolation=cv2.INTER_AREA)
    lx, ly, lz = (float(v) for v in light.direction)
    flat = max(np.hypot(lx, ly), 1e-3)
    excess = np.full(small.shape, -1e3, np.float32)
    for step in range(1, steps + 1):
        distance = reach_px * step / steps
        shift = np.array(
            [[1, 0, lx / flat * distance / 2], [0, 1, ly / flat * distance / 2]], np.float32
        )
        moved = cv2.warpAffine(
            small,
            shift,
            half,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        np.maximum(excess, moved - small - distance * lz / flat, out=excess)
    shade_share = np.clip(excess / (0.12 * reach_px), 0, 1)
    soft = blur(1 - shade_share, 0.02 * reach_px)
    return cv2.resize(soft, (columns, rows), interpolation=cv2.INTER_LINEAR)


def drop_shadow(
    alpha: np.ndarray, light: Light, lift_px: float, strength: float = 0.6
) -> np.ndarray:
    """Return what a shape floating `lift_px` over a surface leaves of the light.

    Args:
        alpha: (H, W) float32 coverage of the shape.
        light: The light.
        lift_px: Distance from the surface in pixels; also sets the softness.
        strength: Share of the light taken away under the shape's middle.

    Returns:
        (H, W) float32 in [1 - strength, 1].
    """
    lx, ly, lz = (float(v) for v in light.direction)
    dx, dy = -lx / max(lz, 0.3) * lift_px, -ly / max(lz, 0.3) * lift_px
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    rows, columns = alpha.shape
    moved = cv2.warpAffine(alpha, matrix, (columns, rows), borderMode=cv2.BORDER_REPLICATE)
    return 1 - strength * blur(moved, max(lift_px * 0.45, 1))
