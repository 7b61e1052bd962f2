"""Glasses, dark and clear: worn in the benchmarks alone."""

from __future__ import annotations

import numpy as np

from face_occlusion.miniature.colours import any_colour, from_hex, mix, to_linear
from face_occlusion.miniature.fields import (
    blur,
    fill,
    grid,
    inflate,
    smooth_curve,
    smoothstep,
    stroke,
)
from face_occlusion.miniature.lighting import Surface, drop_shadow
from face_occlusion.miniature.parts import Part
from face_occlusion.miniature.portraits import Portrait
from face_occlusion.miniature.solids import Solid, paint_solid


def wear_sunglasses(portrait: Portrait, rng: np.random.Generator) -> None:
    """Put dark or mirrored glasses on, frame and lenses opaque."""
    lenses, bars = _spectacles(portrait, rng, rng.uniform(1.0, 1.35))
    canvas, unit = portrait.canvas, portrait.frame.unit_px
    canvas.darken(drop_shadow(np.maximum(lenses, bars), portrait.light, 0.06 * unit, 0.45))
    _, y = grid(canvas.shape)
    fade = smoothstep(0.3, -0.25, (y - portrait.frame.origin_xy[1]) / unit)
    dark = any_colour(rng, (0.2, 0.9), (0.03, 0.15))
    light = any_colour(rng, (0.3, 0.9), (0.35, 0.85)) if rng.random() < 0.35 else dark * 2.2
    colour = mix(light, dark, fade).astype(np.float32)
    height = inflate(lenses, 0.3 * unit) * 0.35
    surface = Surface(colour, gloss=0.7, shininess=64)
    paint_solid(canvas, Solid(0.97 * lenses, height, surface), portrait.light, label=Part.OCCLUDER)
    _reflection(portrait, lenses, rng, 0.22)
    _paint_bars(portrait, bars, rng)


def wear_clear_glasses(portrait: Portrait, rng: np.random.Generator) -> None:
    """Put clear glasses on: the face shines through, yet frame and lenses are not face (Q4)."""
    lenses, bars = _spectacles(portrait, rng, rng.uniform(0.95, 1.2))
    canvas, unit = portrait.canvas, portrait.frame.unit_px
    canvas.darken(drop_shadow(bars, portrait.light, 0.06 * unit, 0.4))
    tint = any_colour(rng, (0.02, 0.25), (0.8, 1))
    canvas.paint(0.1 * lenses, tint, None)
    canvas.darken(1 - 0.1 * lenses)
    _reflection(portrait, lenses, rng, 0.3)
    canvas.labels[lenses >= 0.5] = Part.OCCLUDER
    _paint_bars(portrait, bars, rng)


def _spectacles(
    portrait: Portrait, rng: np.random.Generator, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the coverage of two lenses, and of rims, bridge and temples."""
    frame, head, person = portrait.frame, portrait.head, portrait.person
    shape_x, shape_y = _lens(rng, scale)
    middle = person.eye_x + 0.02
    rims = []
    bars, temples = (np.zeros(frame.shape, np.uint8) for _ in range(2))
    thick = max(round(rng.uniform(0.02, 0.055) * frame.unit_px), 2)
    for side in (-1, 1):
        x = side * (middle + shape_x)
        depth = head.front(np.array([person.eye_x * 0.6]), np.array([0.0]))[0] + 0.12
        rim = frame.project(np.column_stack([x, shape_y, depth - 0.14 * np.abs(x)]))
        rims.append(fill(frame.shape, rim))
        stroke(bars, np.concatenate([rim, rim[:1]])[None], 255, thick)
        hinge = (side * (middle + shape_x.max()), -0.03, depth - 0.14)
        temple = frame.project(np.array([hinge, (side * 1.01, 0.02, 0.0)]))
        stroke(temples, temple[None], 255, thick)
    inner = middle - shape_x.max()
    bridge = np.array([[-inner, 0.0, 1.08], [0, -0.05, 1.14], [inner, 0.0, 1.08]])
    stroke(bars, smooth_curve(frame.project(bridge), 12)[None], 255, thick)
    on_head = temples * head.alpha(frame)  # the far temple runs behind the head
    return np.maximum(*rims), np.maximum(bars, on_head).astype(np.float32) / 255


def _lens(rng: np.random.Generator, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a lens' outline (x, y) around its middle: a superellipse, round to nearly square."""
    width, height = 0.33 * scale, rng.uniform(0.2, 0.3) * scale
    power = rng.uniform(2.0, 5.0)
    droop = rng.uniform(-0.05, 0.12)
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    x = width * np.sign(c) * np.abs(c) ** (2 / power)
    y = height * np.sign(s) * np.abs(s) ** (2 / power) + 0.05
    return x, y + droop * x * (y > 0)


def _paint_bars(portrait: Portrait, bars: np.ndarray, rng: np.random.Generator) -> None:
    colours = ("17120f", "4a2a14", "b8903a", "8c8f96", "7a1f2b", "20304f", "d9c7a8")
    colour = to_linear(from_hex(colours[rng.integers(len(colours))]))
    height = blur(bars, 1.5) * 0.04 * portrait.frame.unit_px
    surface = Surface(colour, gloss=0.5, shininess=32)
    paint_solid(portrait.canvas, Solid(bars, height, surface), portrait.light, label=Part.OCCLUDER)


def _reflection(
    portrait: Portrait, lenses: np.ndarray, rng: np.random.Generator, strength: float
) -> None:
    x, y = grid(lenses.shape)
    unit = portrait.frame.unit_px
    slope = ((x - portrait.frame.origin_xy[0]) * 0.8 + (y - portrait.frame.origin_xy[1])) / unit
    start = rng.uniform(-0.5, 0.1)
    streak = smoothstep(start, start + 0.05, slope) * smoothstep(start + 0.24, start + 0.18, slope)
    streak += smoothstep(start + 0.28, start + 0.3, slope) * smoothstep(
        start + 0.38, start + 0.35, slope
    )
    white = np.array([0.9, 0.95, 1.0], np.float32)
    portrait.canvas.paint(strength * lenses * streak.astype(np.float32), white, None)
