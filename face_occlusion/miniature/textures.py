"""Textures of a dozen categories of DTD (Cimpoi et al. 2014), one in five in tones of skin."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from face_occlusion.miniature.colours import any_colour, mix, scaled, skin_colour, to_srgb
from face_occlusion.miniature.fields import blur, fractal_noise, grid, smoothstep, value_noise
from face_occlusion.miniature.lighting import STUDIO, Surface, shade

Pattern = tuple[np.ndarray, np.ndarray]  # weight of the second colour in [0, 1]; height in pixels
Shape = tuple[int, int]


def _turned(shape: Shape, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x, y = grid(shape)
    angle = rng.uniform(0, np.pi)
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _banded(shape: Shape, rng: np.random.Generator) -> Pattern:
    u, _ = _turned(shape, rng)
    u = u + 4 * fractal_noise(rng, shape, 80, 2)
    period = rng.uniform(0.06, 0.2) * shape[0]
    wave = np.sin(2 * np.pi * u / period)
    return smoothstep(-0.15, 0.15, wave), np.zeros(shape, np.float32)


def _dotted(shape: Shape, rng: np.random.Generator) -> Pattern:
    u, v = _turned(shape, rng)
    step = rng.uniform(0.06, 0.15) * shape[0]
    row = np.floor(v / step)
    du, dv = (u / step + 0.5 * (row % 2)) % 1 - 0.5, (v / step) % 1 - 0.5
    dot = smoothstep(0.34, 0.28, np.hypot(du, dv))
    return dot, 0.06 * step * dot


def _chequered(shape: Shape, rng: np.random.Generator) -> Pattern:
    u, v = _turned(shape, rng)
    step = rng.uniform(0.07, 0.18) * shape[0]
    wave = np.sin(np.pi * u / step) * np.sin(np.pi * v / step)
    return smoothstep(-0.04, 0.04, wave), np.zeros(shape, np.float32)


def _marbled(shape: Shape, rng: np.random.Generator) -> Pattern:
    u, _ = _turned(shape, rng)
    swirl = fractal_noise(rng, shape, 0.4 * shape[0], 5)
    vein = np.abs(np.sin(u / shape[0] * rng.uniform(4, 9) + 2.2 * swirl))
    return 1 - vein**0.5, np.zeros(shape, np.float32)


def _woven(shape: Shape, rng: np.random.Generator) -> Pattern:
    u, v = _turned(shape, rng)
    step = rng.uniform(0.04, 0.09) * shape[0]
    a, b = u / step, v / step
    over = (np.floor(a) + np.floor(b)) % 2 == 0
    warp, weft = np.abs(np.sin(np.pi * a)), np.abs(np.sin(np.pi * b))
    height = np.where(over, warp**0.5 * (0.4 + 0.6 * weft), weft**0.5 * (0.4 + 0.6 * warp))
    return over.astype(np.float32), (0.3 * step * height).astype(np.float32)


def _grid(shape: Shape, rng: np.random.Generator) -> Pattern:
    u, v = _turned(shape, rng)
    step = rng.uniform(0.08, 0.2) * shape[0]
    line = np.maximum(np.abs(np.sin(np.pi * u / step)), np.abs(np.sin(np.pi * v / step)))
    weight = smoothstep(0.95, 0.98, line)
    return weight, -0.05 * step * weight


def _zigzagged(shape: Shape, rng: np.random.Generator) -> Pattern:
    u, v = _turned(shape, rng)
    step = rng.uniform(0.1, 0.2) * shape[0]
    saw = np.abs((u / step) % 1 - 0.5) * step
    return smoothstep(-0.1, 0.1, np.sin(2 * np.pi * (v + saw * 1.4) / (0.6 * step))), np.zeros(
        shape, np.float32
    )


def _bubbly(shape: Shape, rng: np.random.Generator) -> Pattern:
    x, y = grid(shape)
    height = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(50, 90))):
        radius = rng.uniform(0.015, 0.08) * shape[0]
        squared = (x - rng.uniform(0, shape[1])) ** 2 + (y - rng.uniform(0, shape[0])) ** 2
        np.maximum(height, np.sqrt(np.maximum(radius**2 - squared, 0)), out=height)
    return smoothstep(0, 0.05 * shape[0], height), height


def _cracked(shape: Shape, rng: np.random.Generator) -> Pattern:
    _, gap = _cells(shape, rng, int(rng.integers(25, 60)))
    line = smoothstep(0.018 * shape[0], 0.004 * shape[0], gap + 1.5 * value_noise(rng, shape, 6))
    return line, -4 * line


def _crystalline(shape: Shape, rng: np.random.Generator) -> Pattern:
    index, gap = _cells(shape, rng, int(rng.integers(40, 90)))
    tones = rng.uniform(0, 1, 100).astype(np.float32)
    slopes = rng.normal(0, 0.5, (2, 100)).astype(np.float32)
    x, y = grid(shape)
    return tones[index], slopes[0][index] * x + slopes[1][index] * y * (gap > -1)


def _cells(shape: Shape, rng: np.random.Generator, num: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each pixel's nearest seed, and how much nearer it is than the second (pixels)."""
    x, y = grid(shape)
    nearest, second = np.full(shape, 1e6, np.float32), np.full(shape, 1e6, np.float32)
    index = np.zeros(shape, np.int32)
    for k in range(num):
        distance = np.hypot(x - rng.uniform(0, shape[1]), y - rng.uniform(0, shape[0]))
        second = np.minimum(second, np.maximum(distance, nearest))
        index = np.where(distance < nearest, k, index)
        nearest = np.minimum(nearest, distance)
    return index, second - nearest


def _blotchy(shape: Shape, rng: np.random.Generator) -> Pattern:
    noise = fractal_noise(rng, shape, rng.uniform(0.08, 0.25) * shape[0], 5)
    return smoothstep(-0.1, 0.5, noise), np.zeros(shape, np.float32)


def _bumpy(shape: Shape, rng: np.random.Generator) -> Pattern:
    noise = fractal_noise(rng, shape, rng.uniform(0.04, 0.12) * shape[0], 3)
    return smoothstep(-1.5, 1.5, noise), 3 * noise


def _fibrous(shape: Shape, rng: np.random.Generator) -> Pattern:
    noise = np.zeros(shape, np.float32)
    for cell in (2.0, 4.0, 8.0):
        noise += 0.6 * value_noise(rng, shape, cell, stretch=16)
    return smoothstep(-1.5, 1.5, noise), 0.8 * noise


CATEGORIES: dict[str, Callable[[Shape, np.random.Generator], Pattern]] = {
    "banded": _banded,
    "blotchy": _blotchy,
    "bubbly": _bubbly,
    "bumpy": _bumpy,
    "chequered": _chequered,
    "cracked": _cracked,
    "crystalline": _crystalline,
    "dotted": _dotted,
    "fibrous": _fibrous,
    "grid": _grid,
    "marbled": _marbled,
    "woven": _woven,
    "zigzagged": _zigzagged,
}


def draw_texture(category: str, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw a texture.

    Args:
        category: A key of CATEGORIES.
        shape: (height, width) in pixels.
        rng: Source of form and colours.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    weight, height = CATEGORIES[category](shape, rng)
    if rng.random() < 0.2:
        first = skin_colour(rng.uniform(0, 0.9), rng.uniform(-1, 1))
        second = first * rng.uniform(0.35, 0.8)
    else:
        first, second = (
            any_colour(rng, (0.1, 0.95), (0.1, 1)),
            any_colour(rng, (0.1, 0.95), (0.1, 1)),
        )
    grain = 1 + 0.05 * fractal_noise(rng, shape, 0.2 * shape[0], 4)
    albedo = scaled(mix(first, second, weight), grain)
    third = any_colour(rng, (0.1, 0.9), (0.1, 1))
    patches = 0.5 * smoothstep(0.4, 1.2, fractal_noise(rng, shape, 0.5 * shape[0], 2))
    albedo = mix(albedo, third, patches * float(rng.random() < 0.4))
    lit = shade(Surface(albedo, gloss=0.04), blur(height.astype(np.float32), 0.8), STUDIO)
    srgb = to_srgb(lit) * 255 + rng.normal(0, 2, (*shape, 1)).astype(np.float32)
    return np.clip(srgb + 0.5, 0, 255).astype(np.uint8)
