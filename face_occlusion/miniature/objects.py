"""Objects to hold before a face: bottles, cups, fruit, telephones, books, balls."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from face_occlusion.miniature import colours, fields
from face_occlusion.miniature.canvas import Solid
from face_occlusion.miniature.fields import Capsule, Rng, Shape, Spot
from face_occlusion.miniature.light import Surface

Sampler = Callable[[Shape, Spot, Rng], Solid]  # of the form and the colours of an object


def _rods(
    shape: Shape, spot: Spot, points: list[tuple[float, float]], radii: list[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Join rods along a line of points of the object's plane; radii in the object's length."""
    ends, sizes = pairwise(spot.pixels(np.array(points))), pairwise(np.array(radii) * spot.size_px)
    rods = [Capsule(*end, *size) for end, size in zip(ends, sizes, strict=True)]
    return fields.join_capsules(shape, rods, 0.01 * spot.size_px)


def _banana(shape: Shape, spot: Spot, rng: Rng) -> Solid:
    t = np.linspace(-1, 1, 12)
    points = np.stack([0.26 * (t**2 - 0.5) * rng.uniform(0.7, 1.2), 0.48 * t], axis=1)
    alpha, height = _rods(shape, spot, list(points), list(0.105 * (1 - np.abs(t) ** 4) + 0.022))
    _, y = spot.plane(shape)
    yellow, brown = colours.from_hex("f0c93a"), colours.from_hex("4a3418")
    spots = 0.6 * fields.smoothstep(1.3, 1.9, fields.value_noise(rng, shape, 0.05 * spot.size_px))
    weight = np.maximum(spots, fields.smoothstep(0.42, 0.5, np.abs(y)))
    return Solid(alpha, height, Surface(colours.mix(yellow, brown, weight), gloss=0.12))


def _carrot(shape: Shape, spot: Spot, rng: Rng) -> Solid:
    alpha, height = _rods(shape, spot, [(0, -0.3), (0.01, 0), (0.0, 0.5)], [0.1, 0.08, 0.015])
    tuft, rise = _rods(shape, spot, [(0.06, -0.5), (0, -0.34), (-0.07, -0.48)], [0.035] * 3)
    _, y = spot.plane(shape)
    noise = fields.value_noise(rng, shape, 0.06 * spot.size_px, stretch=0.3)
    grooves = 0.25 * fields.smoothstep(1.0, 1.6, noise)
    orange = colours.scaled(colours.from_hex("e8752a"), 1 - grooves)
    albedo = colours.mix(orange, colours.from_hex("4c8a2f"), (y < -0.36) & (tuft > 0))
    return Solid(np.maximum(alpha, tuft), np.maximum(height, rise), Surface(albedo, gloss=0.08))


def _fruit(skin: str, blush: str, dimple: float, rough: float) -> Sampler:
    """Return the sampler of a round fruit of two colours, `rrggbb`, the second of its patches.

    The depth of the hollow around the stalk and the height of the pores are shares of the size.
    """

    def sample(shape: Shape, spot: Spot, rng: Rng) -> Solid:
        alpha, height = fields.ball(shape, spot.centre_xy, 0.5 * spot.size_px)
        x, y = spot.plane(shape)
        pit = np.exp(-((x**2 + (y + 0.4) ** 2) / 0.012))
        noise = fields.fractal_noise(rng, shape, 0.3 * spot.size_px, 3)
        pores = fields.value_noise(rng, shape, max(0.02 * spot.size_px, 1))
        height = height - dimple * spot.size_px * pit + rough * spot.size_px * pores
        patches = fields.smoothstep(-0.6, 1.4, noise + 2 * y)
        albedo = colours.mix(colours.from_hex(skin), colours.from_hex(blush), patches)
        stalk = (dimple >= 0.02) * np.exp(-((x / 0.02) ** 2)) * (np.abs(y + 0.42) < 0.06)
        albedo = colours.scaled(albedo, 1 - 0.7 * stalk)
        return Solid(alpha, height, Surface(albedo, gloss=0.35, shininess=16))

    return sample


def _donut(shape: Shape, spot: Spot, rng: Rng) -> Solid:
    x, y = spot.plane(shape)
    off = np.hypot(x, y) - 0.32  # distance from the ring's middle line
    alpha = fields.smoothstep(0.18, 0.175, np.abs(off)).astype(np.float32)
    height = np.sqrt(np.maximum(0.178**2 - off**2, 0)) * spot.size_px
    wave = 0.02 * np.sin(9 * np.arctan2(y, x))
    icing = fields.smoothstep(0.02, -0.02, np.abs(off) - 0.125 - wave)
    dough = colours.from_hex("b9783c")
    albedo = colours.mix(dough, colours.sample(rng, (0.2, 0.7), (0.4, 1)), icing)
    sprinkles = (fields.value_noise(rng, shape, 0.03 * spot.size_px) > 2.0) & (icing > 0.9)
    albedo = colours.mix(albedo, colours.sample(rng, (0.6, 1), (0.7, 1)), sprinkles)
    return Solid(alpha, height.astype(np.float32), Surface(albedo, gloss=0.15))


def _lathe(
    shape: Shape, spot: Spot, profile: list[tuple[float, float]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn a body of the object's length: profile holds (position from base to top, radius)."""
    base, top = spot.pixels(np.array([[0, 0.5], [0, -0.5]]))
    points = np.array(profile)
    t = np.linspace(0, 1, 80)
    radius = np.interp(t, points[:, 0], points[:, 1]) * spot.size_px
    smooth = np.convolve(np.pad(radius, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    return fields.turned(shape, base, top, np.stack([t, smooth], axis=1))


def _bottle(shape: Shape, spot: Spot, rng: Rng) -> Solid:
    neck, wide = rng.uniform(0.045, 0.06), rng.uniform(0.13, 0.17)
    profile = [(0, wide), (0.58, wide), (0.76, neck), (0.9, neck)]
    profile += [(0.905, neck * 1.25), (1, neck * 1.25)]
    alpha, height, along = _lathe(shape, spot, profile)
    glass = colours.sample(rng, (0.3, 0.9), (0.15, 0.8))
    paper = colours.sample(rng, (0, 0.7), (0.5, 1))
    cap, ink = colours.sample(rng), colours.sample(rng, (0.3, 1), (0.05, 0.6))
    x, y = spot.plane(shape)
    letters = (np.sin(x * 90) * np.sin(y * 60) > 0.55) & (along > 0.2) & (along < 0.42)
    albedo = colours.mix(glass, paper, (along > 0.15) & (along < 0.48))
    albedo = colours.mix(colours.mix(albedo, ink, 0.9 * letters), cap, along > 0.9)
    return Solid(alpha, height, Surface(albedo, gloss=0.6, shininess=32))


def _vase(shape: Shape, spot: Spot, rng: Rng) -> Solid:
    profile = [(0, 0.14), (0.3, rng.uniform(0.22, 0.3)), (0.72, 0.1), (0.85, 0.09), (1, 0.17)]
    alpha, height, along = _lathe(shape, spot, profile)
    first, second = colours.sample(rng), colours.sample(rng)
    stripes = fields.smoothstep(0.2, 0.4, np.sin(along * rng.uniform(15, 40)))
    albedo = colours.mix(first, second, stripes)
    return Solid(alpha, height, Surface(albedo, gloss=0.5, shininess=32))


def _cup(shape: Shape, spot: Spot, rng: Rng) -> Solid:
    low, high = rng.uniform(0.24, 0.32), rng.uniform(0.33, 0.4)
    alpha, height, along = _lathe(shape, spot, [(0, low), (0.05, low), (1, high)])
    x, y = spot.plane(shape)
    ring = np.hypot((x - high * 0.95) / 0.2, y / 0.27)
    handle = (fields.smoothstep(0.29, 0.25, np.abs(ring - 0.85)) * (x > 0)).astype(np.float32)
    height = np.maximum(height, fields.blur(handle, 2) * 0.05 * spot.size_px)
    body, stripe = colours.sample(rng, (0.0, 0.8), (0.3, 1)), colours.sample(rng)
    albedo = colours.mix(body, stripe, (along > 0.4) & (along < 0.62) & (rng.random() < 0.6))
    return Solid(np.maximum(alpha, handle), height, Surface(albedo, gloss=0.4, shininess=32))


def _sports_ball(shape: Shape, spot: Spot, rng: Rng) -> Solid:
    alpha, height = fields.ball(shape, spot.centre_xy, 0.5 * spot.size_px)
    x, y = spot.plane(shape)
    z = np.sqrt(np.maximum(0.25 - x * x - y * y, 0))
    first = colours.sample(rng, (0.2, 1), (0.3, 1))
    second = colours.sample(rng, (0.0, 0.6), (0.6, 1))
    bands = np.sin(9 * (x * 0.8 + z * 0.6)) * np.sin(9 * (y * 0.9 - z * 0.5))
    albedo = colours.mix(first, second, fields.smoothstep(-0.05, 0.05, bands))
    return Solid(alpha, height, Surface(albedo, gloss=0.2))


def _slab(
    shape: Shape, spot: Spot, wide: float, corner: float, lean: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return a flat box seen a little from the side."""
    h, w = 0.5, wide / 2
    points = np.array([(-w, -h + lean), (w, -h - lean), (w, h - lean * 0.4), (-w, h + lean * 0.4)])
    alpha = fields.fill(shape, spot.pixels(points))
    if corner > 0:
        alpha = fields.smoothstep(0.4, 0.6, fields.blur(alpha, corner * spot.size_px))
    return alpha, fields.inflate(alpha, max(0.03 * spot.size_px, 2))


def _phone(shape: Shape, spot: Spot, rng: Rng) -> Solid:
    alpha, height = _slab(shape, spot, rng.uniform(0.46, 0.52), 0.02, rng.uniform(-0.03, 0.03))
    x, y = spot.plane(shape)
    case = colours.sample(rng, (0, 0.9), (0.03, 0.9))
    if rng.random() < 0.5:
        apart = np.minimum(np.hypot(x + 0.13, y + 0.38), np.hypot(x + 0.13, y + 0.25))
        lens = np.array([0.01, 0.01, 0.015], np.float32)
        albedo = colours.mix(case, lens, fields.smoothstep(0.05, 0.045, apart))
    else:
        screen = fields.smoothstep(0.01, 0.0, np.maximum(np.abs(x) - 0.2, np.abs(y) - 0.43))
        icons = (np.sin(x * 50) > 0.2) & (np.sin(y * 50) > 0.2)
        glow = colours.sample(rng, (0.3, 0.8), (0.1, 0.6))
        glow = colours.mix(glow, colours.sample(rng), 0.8 * icons)
        albedo = colours.mix(np.array([0.02, 0.02, 0.02], np.float32), glow, screen)
    return Solid(alpha, height, Surface(albedo, gloss=0.5, shininess=32))


def _book(shape: Shape, spot: Spot, rng: Rng) -> Solid:
    alpha, height = _slab(shape, spot, rng.uniform(0.65, 0.78), 0.0, rng.uniform(-0.06, 0.06))
    x, y = spot.plane(shape)
    cover = colours.sample(rng, (0.2, 0.9), (0.15, 0.9))
    ink = colours.sample(rng, (0, 0.6), (0.5, 1))
    lines = (np.abs(x) < 0.22) & (((y > -0.35) & (y < -0.27)) | ((y > -0.22) & (y < -0.18)))
    picture = np.hypot(x, (y - 0.12)) < 0.17
    albedo = colours.mix(colours.mix(cover, ink, lines), colours.sample(rng), picture)
    albedo = colours.scaled(albedo, 1 - 0.5 * fields.smoothstep(-0.27, -0.31, x))
    return Solid(alpha, height, Surface(albedo, gloss=0.12))


def _remote(shape: Shape, spot: Spot, rng: Rng) -> Solid:
    alpha, height = _slab(shape, spot, 0.26, 0.03, 0)
    x, y = spot.plane(shape)
    body = colours.sample(rng, (0, 0.2), (0.05, 0.5))
    keys = (np.sin(x * 75) > 0.1) & (np.sin(y * 60) > 0.1) & (np.abs(x) < 0.09) & (np.abs(y) < 0.4)
    albedo = colours.mix(body, colours.sample(rng, (0, 0.9), (0.4, 1)), 0.9 * keys)
    return Solid(alpha, height, Surface(albedo, gloss=0.2))


def _bear(shape: Shape, spot: Spot, rng: Rng) -> Solid:
    limbs = [(0, 0.18, 0, 0.24, 0.24), (0, -0.22, 0, -0.2, 0.2)]  # x, y of both ends, radius
    for s in (-1, 1):
        limbs += [(s * 0.16, -0.36, s * 0.16, -0.35, 0.08), (s * 0.2, 0.06, s * 0.32, 0.12, 0.075)]
        limbs += [(s * 0.14, 0.36, s * 0.2, 0.41, 0.095)]
    rods = [
        Capsule(*spot.pixels(np.array([(x0, y0), (x1, y1)])), *[radius * spot.size_px] * 2)
        for x0, y0, x1, y1, radius in limbs
    ]
    alpha, height = fields.join_capsules(shape, rods, 0.02 * spot.size_px)
    fur = fields.value_noise(rng, shape, max(0.02 * spot.size_px, 1))
    x, y = spot.plane(shape)
    dots = np.minimum(np.hypot(np.abs(x) - 0.07, y + 0.26) / 0.025, np.hypot(x, y + 0.18) / 0.035)
    albedo = colours.scaled(colours.skin(rng.uniform(0.3, 0.7), 1), 1 + 0.15 * fur)
    albedo = colours.scaled(albedo, 1 - 0.95 * fields.smoothstep(1.1, 0.9, dots))
    return Solid(alpha, height + 0.008 * spot.size_px * fur, Surface(albedo))


OBJECTS: dict[str, Sampler] = {  # by COCO's names
    "sports ball": _sports_ball,
    "bottle": _bottle,
    "cup": _cup,
    "banana": _banana,
    "apple": _fruit("c0392b", "d9a441", 0.05, 0.0),
    "orange": _fruit("e88a1a", "d9761a", 0.01, 0.0012),
    "carrot": _carrot,
    "donut": _donut,
    "remote": _remote,
    "cell phone": _phone,
    "book": _book,
    "vase": _vase,
    "teddy bear": _bear,
}
