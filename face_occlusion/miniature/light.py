"""Colours in linear light, and the light that falls on a relief."""

from __future__ import annotations

import colorsys
import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from face_occlusion.core.params import read_yaml
from face_occlusion.miniature.fields import Box, Rng, blur, enlarge, shift, shrink

_COLOURS = read_yaml(Path(__file__).with_name("colours.yaml"))
_MONK = np.array(_COLOURS["skin"])  # (10, 3) CIELAB


def hex_colour(code: str) -> np.ndarray:
    """Return a colour written `rrggbb` in sRGB as (3,) float32 linear RGB."""
    return to_linear(np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)]) / 255)


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """Undo the sRGB curve (IEC 61966-2-1); values in [0, 1] or above."""
    srgb = np.asarray(srgb, float)
    curve = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return curve.astype(np.float32)


_linear = np.linspace(0, 1, 4097)
_bent = np.where(_linear <= 0.0031308, 12.92 * _linear, 1.055 * _linear ** (1 / 2.4) - 0.055)
_CURVE = _bent.astype(np.float32)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Apply the sRGB curve by table; clips to [0, 1], float32."""
    last = len(_CURVE) - 1
    return _CURVE[np.clip(linear * last + 0.5, 0, last).astype(np.uint16)]


def skin_colour(tone: float, warmth: float) -> np.ndarray:
    """Return a skin colour of a tone (0 very light to 1 very dark) and undertone (-1 rosy to 1)."""
    position = np.clip(tone, 0, 1) * (len(_MONK) - 1)
    lightness, a, b = (np.interp(position, np.arange(len(_MONK)), row) for row in _MONK.T)
    light = (lightness - 15) / 80
    lightness = 20 + 0.82 * (lightness - 14)  # leaves room for highlights and for dark hair
    rgb = _lab_to_linear(lightness, a + 5 + 3 * light - 2.5 * warmth, 0.8 * b + 6 + 3.0 * warmth)
    return np.clip(rgb, 0, 1).astype(np.float32)


def _lab_to_linear(lightness: float, a: float, b: float) -> np.ndarray:
    """Convert CIELAB (CIE 15) of white D65 to (3,) linear RGB."""
    middle = (lightness + 16) / 116
    roots = (middle + a / 500, middle, middle - b / 200)
    x, y, z = (t**3 if t > 6 / 29 else (t - 4 / 29) * 108 / 841 for t in roots)
    x, z = 0.950456 * x, 1.088754 * z
    red = 3.240479 * x - 1.53715 * y - 0.498535 * z
    green = -0.969256 * x + 1.875991 * y + 0.041556 * z
    return np.array([red, green, 0.055648 * x - 0.204043 * y + 1.057311 * z])


def hair_colour(name: str) -> np.ndarray:
    """Return a hair colour by name, (3,) float32 linear RGB."""
    return hex_colour(_COLOURS["hair"][name])


def sample_iris(rng: Rng, tone: float) -> np.ndarray:
    """Sample an iris colour, brown alone on darker skin; (3,) float32 linear RGB."""
    codes = _COLOURS["iris"] if tone < 0.45 else _COLOURS["iris"][:3]
    return hex_colour(codes[rng.integers(len(codes))])


def sample_colour(
    rng: Rng,
    saturation: tuple[float, float] = (0.1, 0.9),
    value: tuple[float, float] = (0.1, 0.95),
) -> np.ndarray:
    """Sample a colour of any hue, with ranges of HSV saturation and value; (3,) linear RGB."""
    rgb = colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(*saturation), rng.uniform(*value))
    return to_linear(np.array(rgb))


def mix(first: np.ndarray, second: np.ndarray, weight: np.ndarray | float) -> np.ndarray:
    """Interpolate between colours, each (H, W, 3) or (3,), by a weight, a number or (H, W).

    The result is float32, (3,) if all are without extent and (H, W, 3) else.
    """
    w = np.asarray(weight, np.float32)
    if w.ndim < 2:
        return (first + (second - first) * w).astype(np.float32)
    result = np.empty((*w.shape, 3), np.float32)
    for channel in range(3):  # several times faster than a broadcast channel axis
        start = first[..., channel]
        result[..., channel] = start + (second[..., channel] - start) * w
    return result


def scaled(colour: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Multiply colours, (H, W, 3) or (3,), by a (H, W) factor: (H, W, 3) float32."""
    result = np.empty((*factor.shape, 3), np.float32)
    for channel in range(3):
        result[..., channel] = colour[..., channel] * factor
    return result


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


def cast_shadow(height: np.ndarray, light: Light, reach_px: float, steps: int = 8) -> np.ndarray:
    """March over a height field towards the light and find what lies in shade.

    This is done at half size and blurred, for soft shadows that reach `reach_px` at most. Returns
    the (H, W) float32 share of the key light that arrives, in [0, 1].
    """
    small = shrink(height, (max(height.shape[0] // 2, 2), max(height.shape[1] // 2, 2)))
    lx, ly, lz = (float(v) for v in light.direction)
    flat = max(np.hypot(lx, ly), 1e-3)
    excess = np.full(small.shape, -1e3, np.float32)
    for step in range(1, steps + 1):
        distance = reach_px * step / steps
        dx, dy = lx / flat * distance / 2, ly / flat * distance / 2
        moved = shift(small, -dx, -dy)
        np.maximum(excess, moved - small - distance * lz / flat, out=excess)
    shade_share = np.clip(excess / (0.12 * reach_px), 0, 1)
    soft = blur(1 - shade_share, 0.02 * reach_px)
    return enlarge(soft, height.shape)
