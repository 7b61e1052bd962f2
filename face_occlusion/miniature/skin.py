"""The colours of a face's texture: skin, blush, freckles, beard, brows, lips, eyes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from face_occlusion.miniature.colours import hair_colour, mix, scaled, skin_colour
from face_occlusion.miniature.features import paint_brows, paint_eyes, paint_mouth
from face_occlusion.miniature.fields import (
    blur,
    fill,
    fractal_noise,
    smooth_curve,
    smoothstep,
    value_noise,
)
from face_occlusion.miniature.head import Head
from face_occlusion.miniature.parts import Part
from face_occlusion.miniature.person import Person, View
from face_occlusion.miniature.relief import TexturePlane, draw_relief


@dataclass
class FaceTexture:
    """Everything about a face's surface, on the plane (X, Y).

    Attributes:
        plane: The plane.
        albedo: (H, W, 3) float32 linear RGB.
        relief: (H, W) float32 heights in units.
        gloss: (H, W) float32 strength of highlights.
        labels: (H, W) uint8 Part.
    """

    plane: TexturePlane
    albedo: np.ndarray
    relief: np.ndarray
    gloss: np.ndarray
    labels: np.ndarray


def draw_face_texture(
    person: Person, view: View, head: Head, density: float, rng: np.random.Generator
) -> FaceTexture:
    """Draw the surface of a face.

    Args:
        person: Whose face.
        view: Its expression.
        head: Its outline.
        density: Texture pixels per unit.
        rng: Source of pores, hairs and spots.
    """
    plane = TexturePlane(density)
    relief = draw_relief(plane, person, view, head, rng)
    texture = FaceTexture(
        plane=plane,
        albedo=_skin(plane, person, rng),
        relief=relief,
        gloss=_gloss(plane, person),
        labels=np.full(plane.shape, Part.SKIN, np.uint8),
    )
    _label_nose(texture, person)
    _paint_nostrils(texture, person)
    if person.beard != "none":
        _paint_beard(texture, person, view, head, rng)
    paint_mouth(texture, person, view)
    paint_eyes(texture, person, view)
    paint_brows(texture, person, rng)
    pores = value_noise(rng, plane.shape, max(0.012 * density, 1))
    texture.relief += 0.0005 * (1 + person.age) * pores
    return texture


def _skin(plane: TexturePlane, person: Person, rng: np.random.Generator) -> np.ndarray:
    base = skin_colour(person.tone, person.warmth)
    light = 1 - person.tone
    blush = 0.9 * plane.bumps(0.56, 0.48, 0.2, 0.17) + 0.7 * plane.bump(
        0, person.nose_length - 0.1, 0.13, 0.12
    )
    blush += 0.35 * plane.bump(0, 1.33, 0.25, 0.14)
    blotches = fractal_noise(rng, plane.shape, 0.25 * plane.density, 3)
    red = base * np.array([1.06, 0.74, 0.72], np.float32)
    albedo = mix(base, red, np.clip(0.6 * light * blush + 0.06 * blotches, 0, 1))
    shade = 1 + 0.025 * blotches + 0.02 * value_noise(rng, plane.shape, 0.03 * plane.density)
    shade -= (0.1 + 0.12 * person.age) * plane.bumps(person.eye_x - 0.02, 0.12, 0.13, 0.06)
    shade -= 0.1 * plane.bumps(person.eye_x - 0.12, -0.04, 0.1, 0.09)
    albedo = scaled(albedo, shade)
    spots = np.zeros(plane.shape, np.float32)
    if person.freckles > 0.2:
        speck = value_noise(rng, plane.shape, 0.028 * plane.density)
        area = plane.bumps(0.4, 0.38, 0.3, 0.2) + plane.bump(0, 0.3, 0.25, 0.2)
        spots += 0.6 * person.freckles * smoothstep(1.0, 2.0, speck) * np.clip(area, 0, 1)
    for _ in range(rng.integers(0, 3)):
        x, y = rng.uniform(-0.75, 0.75), rng.uniform(-0.6, 1.3)
        radius = rng.uniform(0.01, 0.02)
        spots += 0.8 * plane.bump(x, y, radius, radius)
    brown = base * np.array([0.5, 0.36, 0.3], np.float32)
    return mix(albedo, brown, np.clip(spots, 0, 0.85)).astype(np.float32)


def _gloss(plane: TexturePlane, person: Person) -> np.ndarray:
    """Return how much skin shines: most on forehead, nose and cheekbones."""
    shine = 0.05 + 0.09 * plane.bump(0, -0.55, 0.4, 0.22) + 0.1 * plane.bump(0, 0.35, 0.1, 0.35)
    shine += 0.08 * plane.bumps(0.55, 0.32, 0.2, 0.13) + 0.05 * plane.bump(0, 1.3, 0.15, 0.1)
    return (shine * (0.75 + 0.5 * person.tone)).astype(np.float32)


def _label_nose(texture: FaceTexture, person: Person) -> None:
    tip, wide = person.nose_length - 0.07, person.nose_width
    right = [(0.06, 0.0), (0.09, 0.25), (0.14 * wide, tip - 0.1), (0.2 * wide, tip + 0.04)]
    right += [(0.16 * wide, tip + 0.12), (0.06, tip + 0.15)]
    points = np.array(right + [(-x, y) for x, y in reversed(right)])
    outline = smooth_curve(texture.plane.pixels(points), 60, closed=True)
    texture.labels[fill(texture.plane.shape, outline) >= 0.5] = Part.NOSE


def _paint_nostrils(texture: FaceTexture, person: Person) -> None:
    plane = texture.plane
    y = person.nose_length + 0.045
    dark = 0.9 * plane.bumps(0.09 * person.nose_width, y, 0.034 * person.nose_width, 0.017)
    dark += 0.3 * plane.bumps(0.19 * person.nose_width, y - 0.04, 0.016, 0.05)
    dark += 0.15 * plane.bump(0, y + 0.035, 0.1, 0.02)
    hole = skin_colour(min(person.tone + 0.25, 1), 0) * np.array([0.28, 0.14, 0.12], np.float32)
    texture.albedo = mix(texture.albedo, hole, np.clip(dark, 0, 0.9))


def _paint_beard(
    texture: FaceTexture, person: Person, view: View, head: Head, rng: np.random.Generator
) -> None:
    """Darken jaw, chin or lip with hairs; they stay skin, as the paper counts beards as face."""
    plane = texture.plane
    density = _beard_area(plane, person, view, head)
    long_hairs = value_noise(rng, plane.shape, max(0.014 * plane.density, 1), stretch=3.5)
    short_hairs = value_noise(rng, plane.shape, max(0.012 * plane.density, 1))
    if person.beard == "stubble":
        weight = density * np.clip(0.34 + 0.16 * short_hairs, 0, 0.7)
    else:
        edge = density + 0.16 * short_hairs * (density > 0.02)
        weight = smoothstep(0.3, 0.75, edge) * np.clip(0.86 + 0.12 * long_hairs, 0, 1)
        texture.relief += 0.02 * density + 0.006 * density * long_hairs
        texture.gloss *= 1 - 0.7 * density
    colour = hair_colour(person.hair) * 0.9
    streaks = np.clip(1 + 0.35 * long_hairs + 0.15 * short_hairs, 0.35, 1.9)
    texture.albedo = mix(texture.albedo, scaled(colour, streaks), weight)


def _beard_area(plane: TexturePlane, person: Person, view: View, head: Head) -> np.ndarray:
    x, y = np.abs(plane.x)[None], plane.y[:, None]
    mouth, wide = person.mouth_y, person.mouth_width * (1 + 0.18 * max(view.smile, 0))
    moustache = smoothstep(0.055, -0.02, np.abs(y - (mouth - 0.15) - 0.16 * (x / wide) ** 2 * 0.8))
    moustache = moustache * smoothstep(wide + 0.1, wide - 0.02, x)
    goatee = smoothstep(0.34, 0.22, np.hypot(x * 0.9, y - (mouth + 0.36))) * (y > mouth)
    goatee = np.maximum(
        goatee,
        smoothstep(0.09, 0.03, np.abs(x - wide - 0.05)) * _between(y, mouth - 0.1, mouth + 0.4),
    )
    if person.beard == "moustache":
        return moustache
    if person.beard == "goatee":
        return np.maximum(moustache, goatee)
    cheek_line = 0.2 + 1.0 * np.clip((0.93 - x) / 0.62, 0, 1) ** 0.75
    full = smoothstep(-0.04, 0.14, y - cheek_line * (mouth - 0.02))
    clear = np.hypot(x / (wide * 0.85), (y - mouth - 0.03) / 0.13)
    full = full * smoothstep(0.9, 1.35, clear)
    return blur(np.maximum(full, moustache), 0.01 * plane.density)


def _between(y: np.ndarray, low: float, high: float) -> np.ndarray:
    return smoothstep(low - 0.05, low + 0.05, y) * smoothstep(high + 0.05, high - 0.05, y)
