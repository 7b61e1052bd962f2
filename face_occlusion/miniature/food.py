"""Things to eat: fruit, a carrot, a doughnut."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from face_occlusion.miniature.colours import any_colour, from_hex, mix, scaled, to_linear
from face_occlusion.miniature.fields import fractal_noise, smoothstep, value_noise
from face_occlusion.miniature.lighting import Surface
from face_occlusion.miniature.solids import Capsule, Solid, ball, join_capsules
from face_occlusion.miniature.spots import Spot

Shape = tuple[int, int]


def _curve(
    shape: Shape, spot: Spot, points: np.ndarray, radii: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    pixels = spot.pixels(points)
    rods = [
        Capsule(pixels[k], pixels[k + 1], radii[k] * spot.size_px, radii[k + 1] * spot.size_px)
        for k in range(len(points) - 1)
    ]
    return join_capsules(shape, rods, 0.01 * spot.size_px)


def draw_banana(shape: Shape, spot: Spot, rng: np.random.Generator) -> Solid:
    """Draw a banana."""
    t = np.linspace(-1, 1, 12)
    points = np.stack([0.26 * (t**2 - 0.5) * rng.uniform(0.7, 1.2), 0.48 * t], axis=1)
    radii = 0.105 * (1 - np.abs(t) ** 4) + 0.022
    alpha, height = _curve(shape, spot, points, radii)
    _, y = spot.plane(shape)
    yellow, brown = to_linear(from_hex("f0c93a")), to_linear(from_hex("4a3418"))
    spots = 0.6 * smoothstep(1.3, 1.9, value_noise(rng, shape, 0.05 * spot.size_px))
    weight = np.maximum(spots, smoothstep(0.42, 0.5, np.abs(y)))
    return Solid(alpha, height, Surface(mix(yellow, brown, weight), gloss=0.12))


def draw_carrot(shape: Shape, spot: Spot, rng: np.random.Generator) -> Solid:
    """Draw a carrot with its tuft."""
    points = np.array([(0, -0.3), (0.01, 0), (0.0, 0.5)])
    alpha, height = _curve(shape, spot, points, np.array([0.1, 0.08, 0.015]))
    tuft, rise = _curve(
        shape, spot, np.array([(0.06, -0.5), (0, -0.34), (-0.07, -0.48)]), np.full(3, 0.035)
    )
    _, y = spot.plane(shape)
    rings = 1 - 0.25 * smoothstep(
        1.0, 1.6, value_noise(rng, shape, 0.06 * spot.size_px, stretch=0.3)
    )
    orange = scaled(to_linear(from_hex("e8752a")), rings)
    albedo = mix(
        orange, to_linear(from_hex("4c8a2f")), ((y < -0.36) & (tuft > 0)).astype(np.float32)
    )
    return Solid(np.maximum(alpha, tuft), np.maximum(height, rise), Surface(albedo, gloss=0.08))


def fruit(
    skin: str, blush: str, dimple: float, rough: float
) -> Callable[[Shape, Spot, np.random.Generator], Solid]:
    """Return the drawer of a round fruit.

    Args:
        skin: Colour, `rrggbb`.
        blush: Colour of its patches.
        dimple: Depth of the hollow around the stalk, share of the size; a stalk from 0.02 on.
        rough: Height of the pores, share of the size.
    """

    def draw(shape: Shape, spot: Spot, rng: np.random.Generator) -> Solid:
        alpha, height = ball(shape, spot.centre_xy, 0.5 * spot.size_px)
        x, y = spot.plane(shape)
        pit = np.exp(-((x**2 + (y + 0.4) ** 2) / 0.012))
        noise = fractal_noise(rng, shape, 0.3 * spot.size_px, 3)
        pores = value_noise(rng, shape, max(0.02 * spot.size_px, 1))
        height = height - dimple * spot.size_px * pit + rough * spot.size_px * pores
        patches = smoothstep(-0.6, 1.4, noise + 2 * y)
        albedo = mix(to_linear(from_hex(skin)), to_linear(from_hex(blush)), patches)
        stalk = (dimple >= 0.02) * np.exp(-((x / 0.02) ** 2)) * (np.abs(y + 0.42) < 0.06)
        albedo = scaled(albedo, 1 - 0.7 * stalk)
        return Solid(alpha, height, Surface(albedo, gloss=0.35, shininess=16))

    return draw


def draw_donut(shape: Shape, spot: Spot, rng: np.random.Generator) -> Solid:
    """Draw a doughnut, iced."""
    x, y = spot.plane(shape)
    radius = np.hypot(x, y)
    alpha = smoothstep(0.18, 0.175, np.abs(radius - 0.32)).astype(np.float32)
    height = np.sqrt(np.maximum(0.178**2 - (radius - 0.32) ** 2, 0)) * spot.size_px
    icing = smoothstep(
        0.02, -0.02, np.abs(radius - 0.32) - 0.125 - 0.02 * np.sin(9 * np.arctan2(y, x))
    )
    dough = to_linear(from_hex("b9783c"))
    albedo = mix(dough, any_colour(rng, (0.2, 0.7), (0.4, 1)), icing)
    sprinkles = value_noise(rng, shape, 0.03 * spot.size_px) > 2.0
    albedo = mix(
        albedo, any_colour(rng, (0.6, 1), (0.7, 1)), (sprinkles & (icing > 0.9)).astype(np.float32)
    )
    return Solid(alpha, height.astype(np.float32), Surface(albedo, gloss=0.15))
