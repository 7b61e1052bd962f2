"""Ears, neck, shoulders and clothes."""

from __future__ import annotations

import numpy as np

from face_occlusion.miniature.canvas import Canvas, bounding_box
from face_occlusion.miniature.colours import any_colour, mix, scaled, skin_colour
from face_occlusion.miniature.fields import (
    blur,
    ellipse,
    fill,
    fractal_noise,
    grid,
    inflate,
    smooth_curve,
    value_noise,
)
from face_occlusion.miniature.head import Frame, Head
from face_occlusion.miniature.lighting import SKIN_WRAP, Light, Surface, shade
from face_occlusion.miniature.parts import Part
from face_occlusion.miniature.person import Person
from face_occlusion.miniature.solids import Solid, paint_solid

NECKLINES = ("crew", "v_neck", "shirt", "roll_neck", "boat")


def paint_neck(canvas: Canvas, frame: Frame, person: Person, light: Light) -> None:
    """Paint neck and bare shoulders, which clothes then cover."""
    wide = 0.56 if person.feminine else 0.72
    right = [(wide + 0.04, 0.6), (wide - 0.03, 1.25), (wide + 0.05, 1.62), (wide + 0.45, 1.88)]
    right += [(1.9, 2.2), (2.3, 3.0), (2.3, 5.0)]
    points = np.array(right + [(-x, y) for x, y in reversed(right)])
    points[:, 0] += 0.1 * np.sin(frame.view.yaw_rad)
    alpha = fill(frame.shape, frame.flat(smooth_curve(points, 80)))
    x, _ = grid(frame.shape)
    across = (x - frame.origin_xy[0]) / frame.unit_px
    column = np.sqrt(np.clip(1 - (across / (wide + 0.08)) ** 2, 0, 1)).astype(np.float32)
    height = 0.8 * frame.unit_px * wide * blur(column, 0.06 * frame.unit_px)
    height += 0.6 * inflate(alpha, 0.35 * frame.unit_px)
    albedo = skin_colour(person.tone, person.warmth) * np.array([0.93, 0.88, 0.87], np.float32)
    surface = Surface(albedo, SKIN_WRAP, gloss=0.03, shininess=8)
    paint_solid(canvas, Solid(alpha, height, surface), light, label=Part.NECK)


def paint_clothes(
    canvas: Canvas, frame: Frame, person: Person, light: Light, rng: np.random.Generator
) -> None:
    """Paint a garment over neck and shoulders; one in five is near the colour of skin."""
    style = NECKLINES[rng.integers(len(NECKLINES))]
    if rng.random() < 0.2:
        base = skin_colour(rng.uniform(0.1, 0.75), rng.uniform(-1, 1)) * rng.uniform(0.8, 1.1)
    else:
        base = any_colour(rng, (0.05, 0.85), (0.08, 0.95))
    depth = {"crew": 1.8, "v_neck": 2.35, "shirt": 2.05, "roll_neck": 1.42, "boat": 2.0}[style]
    side = {"crew": 0.62, "v_neck": 0.6, "shirt": 0.6, "roll_neck": 0.66, "boat": 1.05}[style]
    side += 0 if person.feminine else 0.1
    top = 1.42 if style == "roll_neck" else 1.62
    right = [(0.0, depth), (side * 0.6, depth - (0.2 if style == "v_neck" else 0.06))]
    right += [(side, top + (0.2 if style == "boat" else 0)), (side + 0.35, top + 0.22)]
    right += [(1.75, 2.05), (2.25, 2.6), (2.45, 5.0)]
    points = np.array([(-x, y) for x, y in reversed(right)] + right[1:])
    alpha = fill(frame.shape, frame.flat(smooth_curve(points, 90)))
    unit = frame.unit_px
    box = bounding_box(alpha)
    if box is None:
        return
    size = (box[0].stop - box[0].start, box[1].stop - box[1].start)
    height = inflate(alpha, 0.5 * unit)
    height[box] += 0.03 * unit * fractal_noise(rng, size, 0.7 * unit, 2)
    albedo = np.zeros((*frame.shape, 3), np.float32)
    albedo[box] = _cloth_pattern(rng, size, unit, base)
    surface = Surface(albedo, gloss=float(rng.choice([0.0, 0.04])))
    paint_solid(canvas, Solid(alpha, height, surface), light, label=Part.CLOTH, lift_px=0.05 * unit)
    if style == "shirt":
        _paint_collar(canvas, frame, light, base, side)


def _cloth_pattern(
    rng: np.random.Generator, shape: tuple[int, int], unit_px: float, base: np.ndarray
) -> np.ndarray:
    """Draw woven cloth: plain, striped or checked; (H, W, 3) linear RGB."""
    x, y = (axis / unit_px * rng.uniform(2, 5) % 1 for axis in grid(shape))
    kind = rng.choice(["stripes", "rings", "checks", "plain"], p=[0.2, 0.2, 0.2, 0.4])
    other = any_colour(rng, (0.0, 0.8), (0.1, 0.95))
    weave = 1 + 0.06 * value_noise(rng, shape, 2)
    if kind == "plain":
        return scaled(base, weave)
    weight = {"stripes": 0.7 * (x < 0.35), "rings": 0.7 * (y < 0.4)}.get(
        str(kind), 0.4 * (x < 0.5) + 0.4 * (y < 0.5)
    )
    return scaled(mix(base, other, blur(weight.astype(np.float32), 1)), weave)


def _paint_collar(
    canvas: Canvas, frame: Frame, light: Light, base: np.ndarray, side: float
) -> None:
    for sign in (-1, 1):
        wing = [
            (sign * side, 1.48),
            (sign * 0.08, 2.08),
            (sign * 0.42, 2.46),
            (sign * (side + 0.25), 1.84),
        ]
        alpha = fill(frame.shape, frame.flat(np.array(wing)))
        surface = Surface(np.clip(base * 1.12, 0, 0.95))
        height = inflate(alpha, 0.12 * frame.unit_px)
        lift = 0.04 * frame.unit_px
        paint_solid(canvas, Solid(alpha, height, surface), light, label=Part.CLOTH, lift_px=lift)


def paint_ears(
    canvas: Canvas, frame: Frame, head: Head, person: Person, light: Light, rings: bool
) -> None:
    """Paint both ears, and rings in them on request."""
    unit, yaw = frame.unit_px, frame.view.yaw_rad
    base = skin_colour(person.tone, person.warmth) * np.array([1.0, 0.84, 0.82], np.float32)
    for side in (-1, 1):
        centre = frame.project(np.array([[side * 1.0, 0.2, 0.02]]))[0]
        wide = 0.13 * (1 - side * np.sin(yaw) * 0.9)
        if wide < 0.03:
            continue
        turn = frame.view.roll_rad + side * 0.16
        outline = ellipse((centre[0], centre[1]), (wide * unit, 0.3 * unit), turn)
        alpha = fill(frame.shape, outline)
        inner = fill(
            frame.shape,
            ellipse(
                (centre[0] - side * 0.02 * unit, centre[1]), (wide * 0.6 * unit, 0.19 * unit), turn
            ),
        )
        box = bounding_box(alpha)
        if box is None:
            continue
        bowl = blur(inner[box], 0.03 * unit)
        height = inflate(alpha[box], 0.09 * unit) - 0.09 * unit * bowl
        lit = np.zeros((*canvas.shape, 3), np.float32)
        albedo = scaled(base, 1 - 0.35 * bowl)
        lit[box] = shade(Surface(albedo, SKIN_WRAP, gloss=0.04), height, light)
        canvas.paint(alpha, lit, Part.L_EAR if side > 0 else Part.R_EAR)
        if rings:
            _paint_ring(canvas, frame, light, side)


def _paint_ring(canvas: Canvas, frame: Frame, light: Light, side: int) -> None:
    unit = frame.unit_px
    lobe = frame.project(np.array([[side * 1.0, 0.56, 0.02]]))[0]
    radius = 0.055 * unit
    alpha = fill(frame.shape, ellipse((lobe[0], lobe[1]), (radius, radius)))
    gold = np.array([0.75, 0.5, 0.18], np.float32)
    surface = Surface(gold, gloss=0.9, shininess=32)
    paint_solid(canvas, Solid(alpha, inflate(alpha, radius), surface), light, label=Part.EAR_R)
