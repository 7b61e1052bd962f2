"""Eyes, brows and mouth, painted on the texture of a face."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from face_occlusion.miniature.canvas import bounding_box
from face_occlusion.miniature.colours import hair_colour, mix, scaled, skin_colour, to_linear
from face_occlusion.miniature.fields import blur, fill, smoothstep, stroke
from face_occlusion.miniature.parts import Part
from face_occlusion.miniature.person import Person, View

if TYPE_CHECKING:
    from face_occlusion.miniature.skin import FaceTexture


def eye_lids(person: Person, view: View, across: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lids' heights (upper, lower) over the eye's axis.

    Args:
        person: Whose eyes.
        view: How far they are open.
        across: Position from the inner (-1) to the outer corner (1).

    Returns:
        Two arrays like `across`, Y in units relative to the eye's centre, up negative.
    """
    opening = 0.095 * person.eye_open * view.lids * (person.eye_size / 0.19)
    arch = np.maximum(1 - across**2, 0)
    slant = -person.eye_slant * across
    upper = -opening * arch**0.7 * (1 - 0.12 * across) + slant
    lower = 0.55 * opening * arch**0.9 * (1 + 0.25 * across) + slant
    return upper, lower


def paint_eyes(texture: FaceTexture, person: Person, view: View) -> None:
    """Paint both eyes: white, iris, pupil, glint, lashes, crease, shadow of the lid."""
    for side in (-1, 1):
        _paint_eye(texture, person, view, side)


def _paint_eye(texture: FaceTexture, person: Person, view: View, side: int) -> None:
    plane, size = texture.plane, person.eye_size
    patch = plane.patch(side * person.eye_x, -0.02, 0.36, 0.3)
    x, y = plane.local(patch)
    across = side * (x - side * person.eye_x) / size  # -1 inner corner, 1 outer corner
    upper, lower = eye_lids(person, view, across)
    soft = 0.9 / plane.density
    inside = smoothstep(-soft, soft, np.minimum(y - upper, lower - y)) * (np.abs(across) < 1)
    skin = texture.albedo[patch]
    lid = skin_colour(min(person.tone + 0.12, 1), -0.5) * np.array([0.62, 0.46, 0.42], np.float32)

    band = np.exp(-0.5 * ((y - upper + 0.05 * (1 - 0.3 * across)) / 0.012) ** 2)
    skin = mix(skin, lid, 0.6 * band * smoothstep(1.25, 0.7, np.abs(across)))  # the crease
    make_up = 0.55 * view.make_up * np.exp(-0.5 * ((y - upper + 0.045) / 0.04) ** 2)
    tint = skin * np.array([0.45, 0.36, 0.42], np.float32)
    skin = mix(skin, tint, make_up * smoothstep(1.4, 0.8, np.abs(across)) * (y < 0.02))

    eye = _eyeball(person, view, across * size, y, upper, side)
    skin = mix(skin, eye, inside)
    lashes = hair_colour("black") * 0.8
    thick = (0.011 + 0.011 * view.make_up + (0.006 if person.feminine else 0)) * (1 + 0.35 * across)
    reach = smoothstep(1.16 if person.feminine else 1.03, 0.92, np.abs(across))
    liner = smoothstep(thick + soft, thick - soft, np.abs(y - upper)) * reach
    under = 0.45 * np.exp(-0.5 * ((y - lower) / 0.009) ** 2) * smoothstep(1.0, 0.8, np.abs(across))
    skin = mix(skin, lid, under)
    texture.albedo[patch] = mix(skin, lashes, 0.93 * liner)
    texture.gloss[patch] *= 1 - 0.8 * inside
    labels = texture.labels[patch]
    labels[inside >= 0.5] = Part.L_EYE if side > 0 else Part.R_EYE


def _eyeball(
    person: Person, view: View, x: np.ndarray, y: np.ndarray, upper: np.ndarray, side: int
) -> np.ndarray:
    """Return the colours of an eyeball; x runs outward from the eye's centre, in units."""
    size = person.eye_size
    gaze_x = side * view.gaze_xy[0] * size
    radius = np.hypot(x - gaze_x, y + 0.012 - view.gaze_xy[1] * size)
    iris_radius = 0.5 * size
    white = to_linear(np.array([0.86, 0.83, 0.8], np.float32))
    corner = np.clip(np.abs(x) / size, 0, 1) ** 3
    ball = mix(white, np.array([0.6, 0.33, 0.3], np.float32), 0.5 * corner)
    spokes = 0.85 + 0.3 * np.sin(np.arctan2(y, x - gaze_x) * 14) ** 2
    ring = smoothstep(0.6, 1.0, radius / iris_radius)
    centre = smoothstep(0.75, 0.3, radius / iris_radius)
    iris = scaled(person.iris, 1.25 * spokes * (1 - 0.72 * ring) + 0.5 * centre)
    edge = 0.06 * iris_radius + 0.006
    ball = mix(ball, iris, smoothstep(iris_radius + edge, iris_radius - edge, radius))
    ball = scaled(ball, 1 - 0.97 * smoothstep(0.46, 0.36, radius / iris_radius))
    shade = 1 - 0.62 * smoothstep(0.075, 0.0, y - upper)  # the upper lid's shadow
    ball = scaled(ball, shade)
    for dx, dy, r, strength in ((-0.3, -0.38, 0.2, 1.0), (0.3, 0.32, 0.12, 0.25)):
        glint = np.hypot(x * side - side * gaze_x - dx * iris_radius, y + 0.012 - dy * iris_radius)
        glow = strength * smoothstep(r * iris_radius + 0.008, r * iris_radius - 0.006, glint)
        ball = mix(ball, np.array([1.4, 1.4, 1.4], np.float32), glow)
    return ball.astype(np.float32)


def brow_line(person: Person, across: np.ndarray) -> np.ndarray:
    """Return a brow's middle height Y over its length (0 inner to 1 outer end), in units."""
    arch = person.brow_arch * np.sin(np.pi * np.clip(across, 0, 1) ** 1.25)
    return person.brow_y + 0.04 - arch - 0.045 * across + 0.03 * across**4


def brow_half(person: Person, across: np.ndarray) -> np.ndarray:
    """Return a brow's half thickness over its length, in units."""
    return person.brow_thick * (1 - 0.75 * across**1.6) * smoothstep(-0.08, 0.12, across)


BROW_SPAN = (0.15, 0.7)  # |X| of a brow's inner and outer end


def paint_brows(texture: FaceTexture, person: Person, rng: np.random.Generator) -> None:
    """Paint both brows as many short hairs over a soft shadow."""
    plane = texture.plane
    name = "dark_brown" if person.hair in ("platinum", "white", "grey", "blond") else person.hair
    colour = mix(hair_colour(name), hair_colour(person.hair), 0.35) * 0.85
    for side in (-1, 1):
        t = rng.uniform(0, 1, 170)
        offset = rng.uniform(-1, 1, t.size)
        x = BROW_SPAN[0] + (BROW_SPAN[1] - BROW_SPAN[0]) * t
        y = brow_line(person, t) + offset * brow_half(person, t)
        angle = np.deg2rad(-62 + 62 * t**0.7 + 16 * offset + rng.normal(0, 7, t.size))
        length = 0.075 * (1 - 0.35 * t) * rng.uniform(0.7, 1.1, t.size)
        ends = np.stack([x + length * np.cos(angle), y + length * np.sin(angle)], axis=1)
        lines = np.stack([np.stack([x, y], axis=1), ends], axis=1) * (side, 1)
        hairs = np.zeros(plane.shape, np.uint8)
        stroke(hairs, plane.pixels(lines.reshape(-1, 2)).reshape(-1, 2, 2), 255)
        along = np.linspace(0, 1, 24)
        middle = BROW_SPAN[0] + (BROW_SPAN[1] - BROW_SPAN[0]) * along
        line, half = brow_line(person, along), brow_half(person, along) * 1.05
        band = np.concatenate(
            [np.stack([middle, line - half], 1), np.stack([middle, line + half], 1)[::-1]]
        )
        area = fill(plane.shape, plane.pixels(band * (side, 1)))
        weight = np.clip(
            0.8 * hairs.astype(np.float32) / 255 + 0.42 * blur(area, 0.016 * plane.density), 0, 0.94
        )
        box = bounding_box(weight)
        if box is not None:
            texture.albedo[box] = mix(texture.albedo[box], colour, weight[box])
        texture.labels[area >= 0.5] = Part.L_BROW if side > 0 else Part.R_BROW


def mouth_edges(person: Person, view: View, across: np.ndarray) -> np.ndarray:
    """Return the lips' edges over the mouth's width.

    Args:
        person: Whose mouth.
        view: Its expression.
        across: Position from the right (-1) to the left corner (1).

    Returns:
        (4, N) Y in units: upper lip from and to, lower lip from and to.
    """
    arch = np.maximum(1 - across**2, 0)
    lift = -0.2 * (view.smile + 0.12) * (across**2 - 0.3)
    line = person.mouth_y + lift
    gap = 0.15 * view.mouth_open * arch**0.8
    bow = (
        1
        - 0.2 * np.exp(-((across / 0.13) ** 2))
        + 0.1 * np.exp(-(((np.abs(across) - 0.3) / 0.2) ** 2))
    )
    upper = line - 0.22 * gap
    lower = line + 0.78 * gap + 0.008 * np.sin(np.pi * np.abs(across)) ** 2
    return np.stack(
        [
            upper - 0.092 * person.lips * arch**0.75 * bow,
            upper,
            lower,
            lower + 0.118 * person.lips * arch**0.6,
        ]
    )


def mouth_half(person: Person, view: View) -> float:
    """Return half the width of the mouth, in units."""
    return person.mouth_width * (1 + 0.18 * max(view.smile, 0))


def paint_mouth(texture: FaceTexture, person: Person, view: View) -> None:
    """Paint lips, and teeth and the inside if the mouth is open."""
    plane, half = texture.plane, mouth_half(person, view)
    patch = plane.patch(0, person.mouth_y + 0.06, half + 0.12, 0.4)
    x, y = plane.local(patch)
    across = x / half
    edges = mouth_edges(person, view, np.clip(across, -1, 1))
    top, under, over, bottom = edges
    soft = 1.2 / plane.density
    width = smoothstep(1.0, 0.97, np.abs(across))
    upper = smoothstep(-soft, soft, np.minimum(y - top, under - y)) * width
    lower = smoothstep(-soft, soft, np.minimum(y - over, bottom - y)) * width
    inside = smoothstep(-soft, soft, np.minimum(y - under, over - y)) * width
    base = skin_colour(person.tone, person.warmth)
    natural = base * np.array([0.86, 0.5, 0.5], np.float32)
    painted = np.array([0.42, 0.035, 0.05], np.float32) * (0.7 + 0.5 * (1 - person.tone))
    lips = mix(natural, painted, 0.65 * view.make_up**2)
    skin = texture.albedo[patch]
    skin = mix(skin, lips * 0.78, 0.92 * upper)
    skin = mix(skin, lips, 0.88 * lower)
    if view.mouth_open > 0:
        skin = mix(skin, _inside_mouth(x, y, under, over, half), inside)
    line = np.exp(-0.5 * ((y - under) / 0.011) ** 2) * smoothstep(1.06, 0.95, np.abs(across))
    skin = mix(skin, lips * np.array([0.25, 0.16, 0.16], np.float32), 0.8 * line)
    texture.albedo[patch] = skin
    texture.gloss[patch] += 0.2 * (0.4 + view.make_up) * lower
    labels = texture.labels[patch]
    labels[upper >= 0.5] = Part.U_LIP
    labels[lower >= 0.5] = Part.L_LIP
    labels[inside >= 0.5] = Part.MOUTH


def _inside_mouth(
    x: np.ndarray, y: np.ndarray, top: np.ndarray, bottom: np.ndarray, half: float
) -> np.ndarray:
    """Return teeth above darkness, (h, w, 3)."""
    dark = np.array([0.06, 0.012, 0.012], np.float32)
    ivory = np.array([0.78, 0.72, 0.62], np.float32)
    gap = np.abs((x / 0.062 + 0.5) % 1 - 0.5)
    tooth = (
        ivory
        * (1 - 0.35 * smoothstep(0.1, 0.0, gap) - 0.75 * smoothstep(0.4, 1.0, np.abs(x / half)))[
            ..., None
        ]
    )
    depth = (y - top) / np.maximum(bottom - top, 1e-3)
    return mix(tooth, dark, smoothstep(0.55, 0.75, depth)).astype(np.float32)
