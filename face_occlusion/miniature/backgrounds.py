"""What stands behind people: walls, blurred rooms, lights, printed boards."""

from __future__ import annotations

import cv2
import numpy as np

from face_occlusion.miniature.colours import (
    any_colour,
    from_hex,
    mix,
    scaled,
    skin_colour,
    to_linear,
)
from face_occlusion.miniature.fields import (
    blur,
    ellipse,
    fill,
    fractal_noise,
    grid,
    smoothstep,
    value_noise,
)

_LEAVES = ("3f6b2f", "5d7f3a", "7f8f45", "2f5a45", "8a6a35", "4a5d2a")
KINDS = ("wall", "gradient", "room", "lights", "board", "foliage", "skin_wall")


def paint_background(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw a background of a random kind.

    Args:
        shape: (height, width) in pixels.
        rng: Source of kind and content.

    Returns:
        (H, W, 3) float32 linear RGB.
    """
    kind = rng.choice(KINDS, p=(0.15, 0.15, 0.2, 0.13, 0.14, 0.11, 0.12))
    small = (max(shape[0] // 2, 8), max(shape[1] // 2, 8))
    image = _PAINTERS[str(kind)](small, rng)
    image = scaled(image, 1 + 0.04 * fractal_noise(rng, small, small[0] / 3, 3))
    image = cv2.resize(np.clip(image, 0, 1.2), shape[::-1], interpolation=cv2.INTER_LINEAR)
    return image.astype(np.float32)


def _wall(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    base = any_colour(rng, (0.02, 0.5), (0.25, 0.95))
    rough = fractal_noise(rng, shape, rng.uniform(2, 9), 3)
    return scaled(base, 1 + rng.uniform(0.02, 0.1) * rough)


def _gradient(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    x, y = grid(shape)
    angle = rng.uniform(0, 2 * np.pi)
    along = (x / shape[1] - 0.5) * np.cos(angle) + (y / shape[0] - 0.5) * np.sin(angle)
    first = any_colour(rng, (0.05, 0.7), (0.1, 0.9))
    second = any_colour(rng, (0.05, 0.7), (0.1, 0.95))
    return mix(first, second, smoothstep(-0.6, 0.6, along))


def _room(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw blurred boxes, poles and people far away."""
    height, width = shape
    image = _gradient(shape, rng)
    for _ in range(rng.integers(6, 14)):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        w, h = rng.uniform(0.05, 0.4) * width, rng.uniform(0.1, 0.6) * height
        box = np.array([(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)]) / 1.0
        alpha = fill(shape, box) if rng.random() < 0.7 else fill(shape, ellipse((x, y), (w, h)))
        skin = rng.random() < 0.15
        colour = (
            skin_colour(rng.uniform(), 0) if skin else any_colour(rng, (0.05, 0.8), (0.05, 0.95))
        )
        image = mix(image, colour, 0.85 * alpha)
    return blur(image.astype(np.float32), rng.uniform(0.008, 0.05) * height)


def _lights(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw discs of lights out of focus before darkness."""
    image = _gradient(shape, rng) * 0.25
    for _ in range(rng.integers(12, 30)):
        radius = rng.uniform(0.015, 0.08) * shape[0]
        centre = (rng.uniform(0, shape[1]), rng.uniform(0, shape[0]))
        disc = blur(fill(shape, ellipse(centre, (radius, radius))), 0.08 * radius)
        image = image + scaled(any_colour(rng, (0.2, 0.8), (0.6, 1)), rng.uniform(0.2, 0.7) * disc)
    return image


def _board(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw a printed board as at a film's opening: rows of made-up words."""
    base, ink = any_colour(rng, (0.0, 0.8), (0.1, 1)), any_colour(rng, (0.0, 0.9), (0.1, 1))
    canvas = np.zeros(shape, np.uint8)
    letters = np.array(list("AEIOUBCDKLMNRSTV"))
    size = rng.uniform(0.5, 1.4) * shape[0] / 256
    step = int(60 * size) + 6
    for row, y in enumerate(range(step, shape[0] + step, step)):
        word = "".join(rng.choice(letters, rng.integers(4, 9)))
        start = -(row % 2) * int(80 * size)
        for x in range(start, shape[1], int(190 * size) + 20):
            cv2.putText(
                canvas,
                word,
                (x, y),
                cv2.FONT_HERSHEY_DUPLEX,
                size,
                255,
                max(int(2 * size), 1),
                cv2.LINE_AA,
            )
    weight = blur(canvas.astype(np.float32) / 255, rng.uniform(0.3, 2.5))
    return mix(base, ink, weight)


def _foliage(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    green = to_linear(from_hex(_LEAVES[rng.integers(len(_LEAVES))])) * rng.uniform(0.6, 1.3)
    leaves = fractal_noise(rng, shape, shape[0] / 14, 4)
    sky = np.array([0.75, 0.85, 0.95], np.float32)
    image = scaled(green, np.clip(1 + 0.5 * leaves, 0.15, 2))
    holes = smoothstep(1.2, 1.9, value_noise(rng, shape, shape[0] / 10))
    return blur(mix(image, sky, holes).astype(np.float32), rng.uniform(0.5, 4))


def _skin_wall(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw a wall in a colour of skin: colour alone must not find faces."""
    base = skin_colour(rng.uniform(0.0, 0.9), rng.uniform(-1, 1)) * rng.uniform(0.75, 1.1)
    second = base * rng.uniform(0.5, 1.1)
    x, y = grid(shape)
    slope = smoothstep(0, 1, x / shape[1] * rng.uniform(-1, 1) + y / shape[0])
    image = mix(base, second.astype(np.float32), slope)
    return scaled(image, 1 + 0.03 * fractal_noise(rng, shape, 6, 2))


_PAINTERS = {
    "wall": _wall,
    "gradient": _gradient,
    "room": _room,
    "lights": _lights,
    "board": _board,
    "foliage": _foliage,
    "skin_wall": _skin_wall,
}
