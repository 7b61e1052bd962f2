"""The light that falls on a relief, and how surfaces take it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from face_occlusion.miniature import fields
from face_occlusion.miniature.fields import Box, Rng

# How far light creeps round an edge, per channel: in skin red travels furthest.
SKIN_WRAP = (0.42, 0.24, 0.18)
CLOTH_WRAP = (0.2, 0.2, 0.2)


@dataclass(frozen=True)
class Light:
    """A key light and the light from everywhere else."""

    direction: np.ndarray  # (3,) unit vector to the key light; x right, y down, z to the viewer
    key: np.ndarray  # (3,) linear RGB of the key light
    ambient: np.ndarray  # (3,) linear RGB of the light from all sides
    fill: np.ndarray  # (3,) linear RGB of the light from the side opposite to the key


def sample_light(rng: Rng) -> Light:
    """Sample a light: mostly frontal and from above, sometimes from the side, warm or cold."""
    side = rng.uniform(-70, 70) if rng.random() < 0.35 else rng.uniform(-38, 38)
    azimuth, elevation = np.deg2rad(side), np.deg2rad(rng.uniform(8, 48))
    level = np.cos(elevation)
    direction = np.array([np.sin(azimuth) * level, -np.sin(elevation), np.cos(azimuth) * level])
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
    h = np.pad(height.astype(np.float32, copy=False), 1, mode="reflect")
    across, down = h[:, :-2] - h[:, 2:], h[:-2] - h[2:]  # Sobel's differences, then his sums
    nx = (across[:-2] + 2 * across[1:-1] + across[2:]) * np.float32(0.125)
    ny = (down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]) * np.float32(0.125)
    nz = 1 / np.sqrt(nx * nx + ny * ny + 1)
    return nx * nz, ny * nz, nz


@dataclass(frozen=True)
class Surface:
    """How a surface takes light."""

    albedo: np.ndarray  # (H, W, 3) or (3,) float32 linear RGB
    # Softness of the edge of the light per channel, 0 hard
    wrap: tuple[float, float, float] = CLOTH_WRAP
    gloss: np.ndarray | float = 0.0  # strength of the highlight, a number or (H, W)
    shininess: int = 16  # exponent of the highlight (Blinn 1977), a power of two

    def crop(self, box: Box) -> Surface:
        """Return the surface of a box."""
        albedo = self.albedo[box] if self.albedo.ndim == 3 else self.albedo
        gloss = self.gloss[box] if isinstance(self.gloss, np.ndarray) else self.gloss
        return dataclasses.replace(self, albedo=albedo, gloss=gloss)


def shade(
    surface: Surface, height: np.ndarray, light: Light, shadow: np.ndarray | float = 1.0
) -> np.ndarray:
    """Light a surface of (H, W) float32 height; (H, W, 3) float32 linear RGB, not clipped.

    `shadow` is the share of the key light that arrives, a number or (H, W).
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
        direct = light.key[channel] * diffuse + light.ambient[channel] * sky
        result[..., channel] = direct + light.fill[channel] * opposite
    result *= surface.albedo
    if np.any(np.asarray(surface.gloss) > 0):
        half = light.direction + np.array([0, 0, 1], np.float32)
        hx, hy, hz = (float(v) for v in half / np.sqrt((half * half).sum()))
        spec = np.maximum(nx * hx + ny * hy + nz * hz, 0)
        for _ in range(surface.shininess.bit_length() - 1):
            spec *= spec
        shine = surface.gloss * spec * shadow
        for channel in range(3):
            result[..., channel] += light.key[channel] * shine
    return result


def cast_shadow(height: np.ndarray, light: Light, reach_px: float) -> np.ndarray:
    """March over a height field towards the light and find what lies in shade.

    This is done at half size and blurred, for soft shadows that reach `reach_px` at most. Returns
    the (H, W) float32 share of the key light that arrives, in [0, 1].
    """
    small = fields.shrink(height, (max(height.shape[0] // 2, 2), max(height.shape[1] // 2, 2)))
    lx, ly, lz = (float(v) for v in light.direction)
    flat = max(np.hypot(lx, ly), 1e-3)
    excess = np.full(small.shape, -1e3, np.float32)
    for step in range(1, 9):
        distance = reach_px * step / 8
        dx, dy = lx / flat * distance / 2, ly / flat * distance / 2
        moved = fields.shift(small, -dx, -dy)
        np.maximum(excess, moved - small - distance * lz / flat, out=excess)
    shade_share = np.clip(excess / (0.12 * reach_px), 0, 1)
    soft = fields.blur(1 - shade_share, 0.02 * reach_px)
    return fields.enlarge(soft, height.shape)
