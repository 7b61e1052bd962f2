"""Pictures without a subject: backgrounds, and textures of DTD (Cimpoi et al. 2014)."""

from collections.abc import Callable

import cv2
import numpy as np

from face_occlusion.miniature import colours, fields
from face_occlusion.miniature.fields import Rng, Shape
from face_occlusion.miniature.light import STUDIO, Surface, shade

Pattern = tuple[np.ndarray, np.ndarray]  # weight of the second colour in [0, 1]; height in pixels

_LEAVES = ("3f6b2f", "5d7f3a", "7f8f45", "2f5a45", "8a6a35", "4a5d2a")


def paint_background(shape: Shape, rng: Rng) -> np.ndarray:
    """Paint a background of a random kind, (H, W, 3) float32 linear RGB."""
    kind = rng.choice(len(_BACKGROUNDS), p=[share for share, _ in _BACKGROUNDS])
    small = (max(shape[0] // 2, 8), max(shape[1] // 2, 8))
    image = _BACKGROUNDS[kind][1](small, rng)
    image = colours.scaled(image, 1 + 0.04 * fields.fractal_noise(rng, small, small[0] / 3, 3))
    return fields.enlarge(np.clip(image, 0, 1.2), shape)


def _wall(shape: Shape, rng: Rng) -> np.ndarray:
    base = colours.sample(rng, (0.02, 0.5), (0.25, 0.95))
    rough = fields.fractal_noise(rng, shape, rng.uniform(2, 9), 3)
    return colours.scaled(base, 1 + rng.uniform(0.02, 0.1) * rough)


def _gradient(shape: Shape, rng: Rng) -> np.ndarray:
    x, y = fields.grid(shape)
    angle = rng.uniform(0, 2 * np.pi)
    along = (x / shape[1] - 0.5) * np.cos(angle) + (y / shape[0] - 0.5) * np.sin(angle)
    first = colours.sample(rng, (0.05, 0.7), (0.1, 0.9))
    second = colours.sample(rng, (0.05, 0.7), (0.1, 0.95))
    return colours.mix(first, second, fields.smoothstep(-0.6, 0.6, along))


def _room(shape: Shape, rng: Rng) -> np.ndarray:
    """Paint blurred boxes, poles and people far away."""
    height, width = shape
    image = _gradient(shape, rng)
    for _ in range(rng.integers(6, 14)):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        w, h = rng.uniform(0.05, 0.4) * width, rng.uniform(0.1, 0.6) * height
        box = np.array([(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)])
        alpha = fields.fill(shape, box if rng.random() < 0.7 else fields.ellipse((x, y), (w, h)))
        if rng.random() < 0.15:
            colour = colours.skin(rng.uniform(), 0)
        else:
            colour = colours.sample(rng, (0.05, 0.8), (0.05, 0.95))
        image = colours.mix(image, colour, 0.85 * alpha)
    return fields.blur(image.astype(np.float32), rng.uniform(0.008, 0.05) * height)


def _lights(shape: Shape, rng: Rng) -> np.ndarray:
    """Paint lights out of focus before a dark wall."""
    image = _gradient(shape, rng) * 0.25
    for _ in range(rng.integers(12, 30)):
        radius = rng.uniform(0.015, 0.08) * shape[0]
        centre = (rng.uniform(0, shape[1]), rng.uniform(0, shape[0]))
        disc = fields.fill(shape, fields.ellipse(centre, (radius, radius)))
        colour = colours.sample(rng, (0.2, 0.8), (0.6, 1))
        glow = rng.uniform(0.2, 0.7) * fields.blur(disc, 0.08 * radius)
        image = image + colours.scaled(colour, glow)
    return image


def _board(shape: Shape, rng: Rng) -> np.ndarray:
    """Paint a printed board as at a film's opening: rows of made-up words."""
    base, ink = colours.sample(rng, (0.0, 0.8), (0.1, 1)), colours.sample(rng, (0.0, 0.9), (0.1, 1))
    canvas = np.zeros(shape, np.uint8)
    letters = np.array(list("AEIOUBCDKLMNRSTV"))
    size = rng.uniform(0.5, 1.4) * shape[0] / 256
    step, thick, font = int(60 * size) + 6, max(int(2 * size), 1), cv2.FONT_HERSHEY_DUPLEX
    for row, y in enumerate(range(step, shape[0] + step, step)):
        word = "".join(rng.choice(letters, rng.integers(4, 9)))
        start = -(row % 2) * int(80 * size)
        for x in range(start, shape[1], int(190 * size) + 20):
            cv2.putText(canvas, word, (x, y), font, size, 255, thick, cv2.LINE_AA)
    weight = fields.blur(canvas.astype(np.float32) / 255, rng.uniform(0.3, 2.5))
    return colours.mix(base, ink, weight)


def _foliage(shape: Shape, rng: Rng) -> np.ndarray:
    green = colours.from_hex(_LEAVES[rng.integers(len(_LEAVES))]) * rng.uniform(0.6, 1.3)
    leaves = fields.fractal_noise(rng, shape, shape[0] / 14, 4)
    sky = np.array([0.75, 0.85, 0.95], np.float32)
    image = colours.scaled(green, np.clip(1 + 0.5 * leaves, 0.15, 2))
    holes = fields.smoothstep(1.2, 1.9, fields.value_noise(rng, shape, shape[0] / 10))
    return fields.blur(colours.mix(image, sky, holes).astype(np.float32), rng.uniform(0.5, 4))


def _skin_wall(shape: Shape, rng: Rng) -> np.ndarray:
    """Paint a wall in a colour of skin: colour alone must not find faces."""
    base = colours.skin(rng.uniform(0.0, 0.9), rng.uniform(-1, 1)) * rng.uniform(0.75, 1.1)
    second = base * rng.uniform(0.5, 1.1)
    x, y = fields.grid(shape)
    slope = fields.smoothstep(0, 1, x / shape[1] * rng.uniform(-1, 1) + y / shape[0])
    image = colours.mix(base, second.astype(np.float32), slope)
    return colours.scaled(image, 1 + 0.03 * fields.fractal_noise(rng, shape, 6, 2))


_BACKGROUNDS = (  # share and painter of each kind
    (0.15, _wall),
    (0.15, _gradient),
    (0.2, _room),
    (0.13, _lights),
    (0.14, _board),
    (0.11, _foliage),
    (0.12, _skin_wall),
)


def _turned(shape: Shape, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    x, y = fields.grid(shape)
    angle = rng.uniform(0, np.pi)
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _banded(shape: Shape, rng: Rng) -> Pattern:
    u, _ = _turned(shape, rng)
    u = u + 4 * fields.fractal_noise(rng, shape, 80, 2)
    period = rng.uniform(0.06, 0.2) * shape[0]
    wave = np.sin(2 * np.pi * u / period)
    return fields.smoothstep(-0.15, 0.15, wave), np.zeros(shape, np.float32)


def _dotted(shape: Shape, rng: Rng) -> Pattern:
    u, v = _turned(shape, rng)
    step = rng.uniform(0.06, 0.15) * shape[0]
    row = np.floor(v / step)
    du, dv = (u / step + 0.5 * (row % 2)) % 1 - 0.5, (v / step) % 1 - 0.5
    dot = fields.smoothstep(0.34, 0.28, np.hypot(du, dv))
    return dot, 0.06 * step * dot


def _chequered(shape: Shape, rng: Rng) -> Pattern:
    u, v = _turned(shape, rng)
    step = rng.uniform(0.07, 0.18) * shape[0]
    wave = np.sin(np.pi * u / step) * np.sin(np.pi * v / step)
    return fields.smoothstep(-0.04, 0.04, wave), np.zeros(shape, np.float32)


def _marbled(shape: Shape, rng: Rng) -> Pattern:
    u, _ = _turned(shape, rng)
    swirl = fields.fractal_noise(rng, shape, 0.4 * shape[0], 5)
    vein = np.abs(np.sin(u / shape[0] * rng.uniform(4, 9) + 2.2 * swirl))
    return 1 - vein**0.5, np.zeros(shape, np.float32)


def _woven(shape: Shape, rng: Rng) -> Pattern:
    u, v = _turned(shape, rng)
    step = rng.uniform(0.04, 0.09) * shape[0]
    a, b = u / step, v / step
    over = (np.floor(a) + np.floor(b)) % 2 == 0
    warp, weft = np.abs(np.sin(np.pi * a)), np.abs(np.sin(np.pi * b))
    height = np.where(over, warp**0.5 * (0.4 + 0.6 * weft), weft**0.5 * (0.4 + 0.6 * warp))
    return over.astype(np.float32), (0.3 * step * height).astype(np.float32)


def _grid(shape: Shape, rng: Rng) -> Pattern:
    u, v = _turned(shape, rng)
    step = rng.uniform(0.08, 0.2) * shape[0]
    line = np.maximum(np.abs(np.sin(np.pi * u / step)), np.abs(np.sin(np.pi * v / step)))
    weight = fields.smoothstep(0.95, 0.98, line)
    return weight, -0.05 * step * weight


def _zigzagged(shape: Shape, rng: Rng) -> Pattern:
    u, v = _turned(shape, rng)
    step = rng.uniform(0.1, 0.2) * shape[0]
    saw = np.abs((u / step) % 1 - 0.5) * step
    wave = np.sin(2 * np.pi * (v + saw * 1.4) / (0.6 * step))
    return fields.smoothstep(-0.1, 0.1, wave), np.zeros(shape, np.float32)


def _bubbly(shape: Shape, rng: Rng) -> Pattern:
    x, y = fields.grid(shape)
    height = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(50, 90))):
        radius = rng.uniform(0.015, 0.08) * shape[0]
        squared = (x - rng.uniform(0, shape[1])) ** 2 + (y - rng.uniform(0, shape[0])) ** 2
        np.maximum(height, np.sqrt(np.maximum(radius**2 - squared, 0)), out=height)
    return fields.smoothstep(0, 0.05 * shape[0], height), height


def _cracked(shape: Shape, rng: Rng) -> Pattern:
    _, gap = _cells(shape, rng, int(rng.integers(25, 60)))
    rough = gap + 1.5 * fields.value_noise(rng, shape, 6)
    line = fields.smoothstep(0.018 * shape[0], 0.004 * shape[0], rough)
    return line, -4 * line


def _crystalline(shape: Shape, rng: Rng) -> Pattern:
    index, gap = _cells(shape, rng, int(rng.integers(40, 90)))
    tones = rng.uniform(0, 1, 100).astype(np.float32)
    slopes = rng.normal(0, 0.5, (2, 100)).astype(np.float32)
    x, y = fields.grid(shape)
    return tones[index], slopes[0][index] * x + slopes[1][index] * y * (gap > -1)


def _cells(shape: Shape, rng: Rng, num: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each pixel's nearest seed, and how much nearer it is than the second (pixels)."""
    x, y = fields.grid(shape)
    nearest, second = np.full(shape, 1e6, np.float32), np.full(shape, 1e6, np.float32)
    index = np.zeros(shape, np.int32)
    for k in range(num):
        distance = np.hypot(x - rng.uniform(0, shape[1]), y - rng.uniform(0, shape[0]))
        second = np.minimum(second, np.maximum(distance, nearest))
        index = np.where(distance < nearest, k, index)
        nearest = np.minimum(nearest, distance)
    return index, second - nearest


def _blotchy(shape: Shape, rng: Rng) -> Pattern:
    noise = fields.fractal_noise(rng, shape, rng.uniform(0.08, 0.25) * shape[0], 5)
    return fields.smoothstep(-0.1, 0.5, noise), np.zeros(shape, np.float32)


def _bumpy(shape: Shape, rng: Rng) -> Pattern:
    noise = fields.fractal_noise(rng, shape, rng.uniform(0.04, 0.12) * shape[0], 3)
    return fields.smoothstep(-1.5, 1.5, noise), 3 * noise


def _fibrous(shape: Shape, rng: Rng) -> Pattern:
    noise = np.zeros(shape, np.float32)
    for cell in (2.0, 4.0, 8.0):
        noise += 0.6 * fields.value_noise(rng, shape, cell, stretch=16)
    return fields.smoothstep(-1.5, 1.5, noise), 0.8 * noise


TEXTURES: dict[str, Callable[[Shape, Rng], Pattern]] = {
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


def paint_texture(category: str, shape: Shape, rng: Rng) -> np.ndarray:
    """Paint a texture of a category of TEXTURES, (H, W, 3) uint8 RGB."""
    weight, height = TEXTURES[category](shape, rng)
    if rng.random() < 0.2:
        first = colours.skin(rng.uniform(0, 0.9), rng.uniform(-1, 1))
        second = first * rng.uniform(0.35, 0.8)
    else:
        first, second = (colours.sample(rng, (0.1, 0.95), (0.1, 1)) for _ in range(2))
    grain = 1 + 0.05 * fields.fractal_noise(rng, shape, 0.2 * shape[0], 4)
    albedo = colours.scaled(colours.mix(first, second, weight), grain)
    third = colours.sample(rng, (0.1, 0.9), (0.1, 1))
    patches = 0.5 * fields.smoothstep(0.4, 1.2, fields.fractal_noise(rng, shape, 0.5 * shape[0], 2))
    albedo = colours.mix(albedo, third, patches * float(rng.random() < 0.4))
    lit = shade(Surface(albedo, gloss=0.04), fields.blur(height.astype(np.float32), 0.8), STUDIO)
    srgb = colours.to_srgb(lit) * 255 + rng.normal(0, 2, (*shape, 1)).astype(np.float32)
    return np.clip(srgb + 0.5, 0, 255).astype(np.uint8)
