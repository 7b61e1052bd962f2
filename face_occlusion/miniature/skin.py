"""The colours of a face: skin, freckles, beard, brows, lips and eyes."""

from dataclasses import dataclass

import numpy as np

from face_occlusion.miniature import colours, fields, relief
from face_occlusion.miniature.canvas import Part, bounding_box
from face_occlusion.miniature.fields import Rng, bell
from face_occlusion.miniature.person import Head, Person, View
from face_occlusion.miniature.relief import BROW_SPAN, TexturePlane


@dataclass
class FaceTexture:
    """Everything about a face's surface, on the plane (X, Y)."""

    plane: TexturePlane  # the plane
    albedo: np.ndarray  # (H, W, 3) float32 linear RGB
    relief: np.ndarray  # (H, W) float32 heights in units
    gloss: np.ndarray  # (H, W) float32 strength of highlights
    labels: np.ndarray  # (H, W) uint8 Part


def paint_face_texture(
    person: Person, view: View, head: Head, density: float, rng: Rng
) -> FaceTexture:
    """Paint the surface of a face, with `density` texture pixels per unit."""
    plane = TexturePlane(density)
    heights, albedo = relief.face_relief(plane, person, view, head, rng), _skin(plane, person, rng)
    labels = np.full(plane.shape, Part.SKIN, np.uint8)
    texture = FaceTexture(plane, albedo, heights, _gloss(plane, person), labels)
    _paint_nose(texture, person)
    if person.beard != "none":
        _paint_beard(texture, person, view, head, rng)
    _paint_mouth(texture, person, view)
    for side in (-1, 1):
        _paint_eye(texture, person, view, side)
    _paint_brows(texture, person, rng)
    pores = fields.value_noise(rng, plane.shape, max(0.012 * density, 1))
    texture.relief += 0.0005 * (1 + person.age) * pores
    return texture


def _skin(plane: TexturePlane, person: Person, rng: Rng) -> np.ndarray:
    base = colours.skin(person.tone, person.warmth)
    light = 1 - person.tone
    blush = 0.9 * plane.bumps(0.56, 0.48, 0.2, 0.17)
    blush += 0.7 * plane.bump(0, person.nose_length - 0.1, 0.13, 0.12)
    blush += 0.35 * plane.bump(0, 1.33, 0.25, 0.14)
    blotches = fields.fractal_noise(rng, plane.shape, 0.25 * plane.density, 3)
    red = base * np.array([1.06, 0.74, 0.72], np.float32)
    albedo = colours.mix(base, red, np.clip(0.6 * light * blush + 0.06 * blotches, 0, 1))
    shade = 1 + 0.025 * blotches + 0.02 * fields.value_noise(rng, plane.shape, 0.03 * plane.density)
    shade -= (0.1 + 0.12 * person.age) * plane.bumps(person.eye_x - 0.02, 0.12, 0.13, 0.06)
    shade -= 0.1 * plane.bumps(person.eye_x - 0.12, -0.04, 0.1, 0.09)
    albedo = colours.scaled(albedo, shade)
    spots = np.zeros(plane.shape, np.float32)
    if person.freckles > 0.2:
        speck = fields.value_noise(rng, plane.shape, 0.028 * plane.density)
        area = plane.bumps(0.4, 0.38, 0.3, 0.2) + plane.bump(0, 0.3, 0.25, 0.2)
        spots += 0.6 * person.freckles * fields.smoothstep(1.0, 2.0, speck) * np.clip(area, 0, 1)
    for _ in range(rng.integers(0, 3)):
        x, y = rng.uniform(-0.75, 0.75), rng.uniform(-0.6, 1.3)
        radius = rng.uniform(0.01, 0.02)
        spots += 0.8 * plane.bump(x, y, radius, radius)
    brown = base * np.array([0.5, 0.36, 0.3], np.float32)
    return colours.mix(albedo, brown, np.clip(spots, 0, 0.85)).astype(np.float32)


def _gloss(plane: TexturePlane, person: Person) -> np.ndarray:
    """Return how much skin shines: most on forehead, nose and cheekbones."""
    shine = 0.05 + 0.09 * plane.bump(0, -0.55, 0.4, 0.22) + 0.1 * plane.bump(0, 0.35, 0.1, 0.35)
    shine += 0.08 * plane.bumps(0.55, 0.32, 0.2, 0.13) + 0.05 * plane.bump(0, 1.3, 0.15, 0.1)
    return (shine * (0.75 + 0.5 * person.tone)).astype(np.float32)


def _paint_nose(texture: FaceTexture, person: Person) -> None:
    """Label the nose, and paint the nostrils."""
    plane, tip, wide = texture.plane, person.nose_length - 0.07, person.nose_width
    right = [(0.06, 0.0), (0.09, 0.25), (0.14 * wide, tip - 0.1), (0.2 * wide, tip + 0.04)]
    right += [(0.16 * wide, tip + 0.12), (0.06, tip + 0.15)]
    points = np.array(right + [(-x, y) for x, y in reversed(right)])
    outline = fields.smooth_curve(plane.pixels(points), 60, closed=True)
    texture.labels[fields.fill(plane.shape, outline) >= 0.5] = Part.NOSE
    y = person.nose_length + 0.045
    dark = 0.9 * plane.bumps(0.09 * wide, y, 0.034 * wide, 0.017)
    dark += 0.3 * plane.bumps(0.19 * wide, y - 0.04, 0.016, 0.05)
    dark += 0.15 * plane.bump(0, y + 0.035, 0.1, 0.02)
    hole = colours.skin(min(person.tone + 0.25, 1), 0) * np.array([0.28, 0.14, 0.12], np.float32)
    texture.albedo = colours.mix(texture.albedo, hole, np.clip(dark, 0, 0.9))


def _paint_beard(texture: FaceTexture, person: Person, view: View, head: Head, rng: Rng) -> None:
    """Darken jaw, chin or lip with hairs; they stay skin, as the paper counts beards as face."""
    plane = texture.plane
    density = _beard_area(plane, person, view, head)
    long_hairs = fields.value_noise(rng, plane.shape, max(0.014 * plane.density, 1), stretch=3.5)
    short_hairs = fields.value_noise(rng, plane.shape, max(0.012 * plane.density, 1))
    if person.beard == "stubble":
        weight = density * np.clip(0.34 + 0.16 * short_hairs, 0, 0.7)
    else:
        edge = density + 0.16 * short_hairs * (density > 0.02)
        weight = fields.smoothstep(0.3, 0.75, edge) * np.clip(0.86 + 0.12 * long_hairs, 0, 1)
        texture.relief += 0.02 * density + 0.006 * density * long_hairs
        texture.gloss *= 1 - 0.7 * density
    colour = colours.hair(person.hair) * 0.9
    streaks = np.clip(1 + 0.35 * long_hairs + 0.15 * short_hairs, 0.35, 1.9)
    texture.albedo = colours.mix(texture.albedo, colours.scaled(colour, streaks), weight)


def _beard_area(plane: TexturePlane, person: Person, view: View, head: Head) -> np.ndarray:
    x, y = np.abs(plane.x)[None], plane.y[:, None]
    mouth, wide = person.mouth_y, relief.mouth_half(person, view)
    off = np.abs(y - (mouth - 0.15) - 0.16 * (x / wide) ** 2 * 0.8)
    sides = fields.smoothstep(wide + 0.1, wide - 0.02, x)
    moustache = fields.smoothstep(0.055, -0.02, off) * sides
    goatee = fields.smoothstep(0.34, 0.22, np.hypot(x * 0.9, y - (mouth + 0.36))) * (y > mouth)
    corners = fields.smoothstep(0.09, 0.03, np.abs(x - wide - 0.05))
    high, low = mouth - 0.1, mouth + 0.4
    corners = corners * fields.smoothstep(high - 0.05, high + 0.05, y)
    goatee = np.maximum(goatee, corners * fields.smoothstep(low + 0.05, low - 0.05, y))
    if person.beard in ("moustache", "goatee"):
        return moustache if person.beard == "moustache" else np.maximum(moustache, goatee)
    cheek_line = 0.2 + 1.0 * np.clip((0.93 - x) / 0.62, 0, 1) ** 0.75
    full = fields.smoothstep(-0.04, 0.14, y - cheek_line * (mouth - 0.02))
    clear = np.hypot(x / (wide * 0.85), (y - mouth - 0.03) / 0.13)
    full = full * fields.smoothstep(0.9, 1.35, clear)
    return fields.blur(np.maximum(full, moustache), 0.01 * plane.density)


def _paint_eye(texture: FaceTexture, person: Person, view: View, side: int) -> None:
    """Paint one eye: white, iris, pupil, glint, lashes, crease, shadow of the lid."""
    plane, size = texture.plane, person.eye_size
    patch, x, y = plane.patch(side * person.eye_x, -0.02, 0.36, 0.3)
    across = side * (x - side * person.eye_x) / size  # -1 inner corner, 1 outer corner
    upper, lower = relief.eye_lids(person, view, across)
    soft = 0.9 / plane.density
    inside = fields.smoothstep(-soft, soft, np.minimum(y - upper, lower - y)) * (np.abs(across) < 1)
    skin = texture.albedo[patch]
    lid = colours.skin(min(person.tone + 0.12, 1), -0.5) * np.array([0.62, 0.46, 0.42], np.float32)
    off = np.abs(across)  # 0 in the middle, 1 at the corners
    crease = 0.6 * bell(y - upper, -0.05 * (1 - 0.3 * across), 0.012)
    skin = colours.mix(skin, lid, crease * fields.smoothstep(1.25, 0.7, off))
    make_up = 0.55 * view.make_up * bell(y - upper, -0.045, 0.04)
    tint = skin * np.array([0.45, 0.36, 0.42], np.float32)
    skin = colours.mix(skin, tint, make_up * fields.smoothstep(1.4, 0.8, off) * (y < 0.02))
    eye = _eyeball(person, view, across * size, y, upper, side)
    skin = colours.mix(skin, eye, inside)
    lashes = colours.hair("black") * 0.8
    thick = (0.011 + 0.011 * view.make_up + (0.006 if person.feminine else 0)) * (1 + 0.35 * across)
    reach = fields.smoothstep(1.16 if person.feminine else 1.03, 0.92, off)
    liner = fields.smoothstep(thick + soft, thick - soft, np.abs(y - upper)) * reach
    under = 0.45 * bell(y, lower, 0.009) * fields.smoothstep(1.0, 0.8, off)
    skin = colours.mix(skin, lid, under)
    texture.albedo[patch] = colours.mix(skin, lashes, 0.93 * liner)
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
    white = colours.to_linear(np.array([0.86, 0.83, 0.8], np.float32))
    corner = np.clip(np.abs(x) / size, 0, 1) ** 3
    ball = colours.mix(white, np.array([0.6, 0.33, 0.3], np.float32), 0.5 * corner)
    spokes = 0.85 + 0.3 * np.sin(np.arctan2(y, x - gaze_x) * 14) ** 2
    ring = fields.smoothstep(0.6, 1.0, radius / iris_radius)
    centre = fields.smoothstep(0.75, 0.3, radius / iris_radius)
    iris = colours.scaled(person.iris, 1.25 * spokes * (1 - 0.72 * ring) + 0.5 * centre)
    edge = 0.06 * iris_radius + 0.006
    inside = fields.smoothstep(iris_radius + edge, iris_radius - edge, radius)
    ball = colours.mix(ball, iris, inside)
    ball = colours.scaled(ball, 1 - 0.97 * fields.smoothstep(0.46, 0.36, radius / iris_radius))
    shade = 1 - 0.62 * fields.smoothstep(0.075, 0.0, y - upper)  # the upper lid's shadow
    ball = colours.scaled(ball, shade)
    for dx, dy, r, strength in ((-0.3, -0.38, 0.2, 1.0), (0.3, 0.32, 0.12, 0.25)):
        glint = np.hypot(x * side - side * gaze_x - dx * iris_radius, y + 0.012 - dy * iris_radius)
        glow = strength * fields.smoothstep(r * iris_radius + 0.008, r * iris_radius - 0.006, glint)
        ball = colours.mix(ball, np.array([1.4, 1.4, 1.4], np.float32), glow)
    return ball.astype(np.float32)


def _paint_brows(texture: FaceTexture, person: Person, rng: Rng) -> None:
    """Paint both brows as many short hairs over a soft shadow."""
    plane = texture.plane
    name = "dark_brown" if person.hair in ("platinum", "white", "grey", "blond") else person.hair
    colour = colours.mix(colours.hair(name), colours.hair(person.hair), 0.35) * 0.85
    for side in (-1, 1):
        t = rng.uniform(0, 1, 170)
        offset = rng.uniform(-1, 1, t.size)
        x = BROW_SPAN[0] + (BROW_SPAN[1] - BROW_SPAN[0]) * t
        y = relief.brow_line(person, t) + offset * relief.brow_half(person, t)
        angle = np.deg2rad(-62 + 62 * t**0.7 + 16 * offset + rng.normal(0, 7, t.size))
        length = 0.075 * (1 - 0.35 * t) * rng.uniform(0.7, 1.1, t.size)
        ends = np.stack([x + length * np.cos(angle), y + length * np.sin(angle)], axis=1)
        lines = np.stack([np.stack([x, y], axis=1), ends], axis=1) * (side, 1)
        hairs = fields.stroke(plane.shape, plane.pixels(lines))
        along = np.linspace(0, 1, 24)
        middle = BROW_SPAN[0] + (BROW_SPAN[1] - BROW_SPAN[0]) * along
        line, half = relief.brow_line(person, along), relief.brow_half(person, along) * 1.05
        above, below = (np.stack([middle, edge], 1) for edge in (line - half, line + half))
        band = np.concatenate([above, below[::-1]])
        area = fields.fill(plane.shape, plane.pixels(band * (side, 1)))
        weight = np.clip(0.8 * hairs + 0.42 * fields.blur(area, 0.016 * plane.density), 0, 0.94)
        box = bounding_box(weight)
        texture.albedo[box] = colours.mix(texture.albedo[box], colour, weight[box])
        texture.labels[area >= 0.5] = Part.L_BROW if side > 0 else Part.R_BROW


def _paint_mouth(texture: FaceTexture, person: Person, view: View) -> None:
    """Paint lips, and teeth and the inside if the mouth is open."""
    plane, half = texture.plane, relief.mouth_half(person, view)
    patch, x, y = plane.patch(0, person.mouth_y + 0.06, half + 0.12, 0.4)
    across = x / half
    edges = relief.mouth_edges(person, view, np.clip(across, -1, 1))
    top, under, over, bottom = edges
    soft = 1.2 / plane.density
    width = fields.smoothstep(1.0, 0.97, np.abs(across))
    upper = fields.smoothstep(-soft, soft, np.minimum(y - top, under - y)) * width
    lower = fields.smoothstep(-soft, soft, np.minimum(y - over, bottom - y)) * width
    inside = fields.smoothstep(-soft, soft, np.minimum(y - under, over - y)) * width
    base = colours.skin(person.tone, person.warmth)
    natural = base * np.array([0.86, 0.5, 0.5], np.float32)
    painted = np.array([0.42, 0.035, 0.05], np.float32) * (0.7 + 0.5 * (1 - person.tone))
    lips = colours.mix(natural, painted, 0.65 * view.make_up**2)
    skin = texture.albedo[patch]
    skin = colours.mix(skin, lips * 0.78, 0.92 * upper)
    skin = colours.mix(skin, lips, 0.88 * lower)
    if view.mouth_open > 0:
        skin = colours.mix(skin, _inside_mouth(x, y, under, over, half), inside)
    line = bell(y, under, 0.011) * fields.smoothstep(1.06, 0.95, np.abs(across))
    skin = colours.mix(skin, lips * np.array([0.25, 0.16, 0.16], np.float32), 0.8 * line)
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
    between, side = fields.smoothstep(0.1, 0.0, gap), fields.smoothstep(0.4, 1.0, np.abs(x / half))
    tooth = ivory * (1 - 0.35 * between - 0.75 * side)[..., None]
    depth = (y - top) / np.maximum(bottom - top, 1e-3)
    return colours.mix(tooth, dark, fields.smoothstep(0.55, 0.75, depth)).astype(np.float32)
