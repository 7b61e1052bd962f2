"""Colours: linear light, skin, hair, eyes, cloth."""

from __future__ import annotations

import cv2
import numpy as np

# Skin from very light to very dark: the ten swatches of the Monk Skin Tone scale (Monk 2019,
# skintone.google), warmed below because the published swatches are low in saturation.
_MONK = (
    "f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96",
    "a07e56", "825c43", "604134", "3a312a", "292420",
)  # fmt: skip
_HAIR = {
    "black": "14110f",
    "dark_brown": "2e2018",
    "brown": "4e3524",
    "light_brown": "7b5a3c",
    "auburn": "6b2f1a",
    "ginger": "a4552a",
    "blond": "c09a62",
    "platinum": "cdb88e",
    "grey": "8c8a87",
    "white": "b4b1ab",
}
_IRIS = ("3b2314", "4a2f1a", "6b4a2a", "7a6a3a", "4f6b4a", "5b7d8c", "3f6a8f", "7c8a90")


def from_hex(code: str) -> np.ndarray:
    """Return a colour written `rrggbb` as (3,) float32 sRGB in [0, 1]."""
    return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], np.float32) / 255


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """Undo the sRGB curve (IEC 61966-2-1); values in [0, 1] or above."""
    srgb = np.asarray(srgb, np.float32)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


_CURVE_STEPS = 4096
_linear = np.linspace(0, 1, _CURVE_STEPS + 1)
_CURVE = np.where(
    _linear <= 0.0031308, 12.92 * _linear, 1.055 * _linear ** (1 / 2.4) - 0.055
).astype(np.float32)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Apply the sRGB curve by table; clips to [0, 1], float32."""
    steps = np.clip(linear * _CURVE_STEPS + 0.5, 0, _CURVE_STEPS).astype(np.uint16)
    return _CURVE[steps]


def skin_colour(tone: float, warmth: float) -> np.ndarray:
    """Return a skin colour.

    Args:
        tone: 0 very light to 1 very dark.
        warmth: -1 rosy to 1 golden undertone.

    Returns:
        (3,) float32 linear RGB.
    """
    swatches = np.stack([from_hex(code) for code in _MONK])
    lab = cv2.cvtColor(swatches[None], cv2.COLOR_RGB2LAB)[0]
    position = np.clip(tone, 0, 1) * (len(_MONK) - 1)
    colour = np.array([np.interp(position, np.arange(len(_MONK)), lab[:, k]) for k in range(3)])
    light = (colour[0] - 15) / 80
    colour[0] = 20 + 0.82 * (colour[0] - 14)  # leaves room for highlights and for dark hair
    colour[1] += 5 + 3 * light - 2.5 * warmth
    colour[2] = 0.8 * colour[2] + 6 + 3.0 * warmth
    rgb = cv2.cvtColor(colour.astype(np.float32).reshape(1, 1, 3), cv2.COLOR_LAB2RGB)[0, 0]
    return to_linear(np.clip(rgb, 0, 1))


def hair_colour(name: str) -> np.ndarray:
    """Return a hair colour by name, (3,) float32 linear RGB."""
    return to_linear(from_hex(_HAIR[name]))


def iris_colour(rng: np.random.Generator, tone: float) -> np.ndarray:
    """Draw an iris colour, brown alone on darker skin; (3,) float32 linear RGB."""
    last = len(_IRIS) if tone < 0.45 else 3
    return to_linear(from_hex(_IRIS[rng.integers(last)]))


def any_colour(
    rng: np.random.Generator,
    saturation: tuple[float, float] = (0.1, 0.9),
    value: tuple[float, float] = (0.1, 0.95),
) -> np.ndarray:
    """Draw a colour of any hue, (3,) float32 linear RGB.

    Args:
        rng: Source of hue, saturation and value.
        saturation: Range of the HSV saturation.
        value: Range of the HSV value, on the sRGB scale.
    """
    hsv = np.array([rng.uniform(0, 360), rng.uniform(*saturation), rng.uniform(*value)])
    rgb = cv2.cvtColor(hsv.astype(np.float32).reshape(1, 1, 3), cv2.COLOR_HSV2RGB)[0, 0]
    return to_linear(rgb)


def mix(first: np.ndarray, second: np.ndarray, weight: np.ndarray | float) -> np.ndarray:
    """Go from `first` to `second` as `weight` goes from 0 to 1.

    Args:
        first: (H, W, 3) or (3,) colours.
        second: Likewise.
        weight: A number or (H, W).

    Returns:
        (H, W, 3), or (3,) if all are without extent; float32.
    """
    w = np.asarray(weight, np.float32)
    if w.ndim < 2:
        return (first + (second - first) * w).astype(np.float32)
    result = np.empty((*w.shape, 3), np.float32)
    for channel in range(3):  # several times faster than a broadcast channel axis
        start = first[..., channel]
        result[..., channel] = start + (second[..., channel] - start) * w
    return result


def scaled(colour: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Multiply colours, (H, W, 3) or (3,), by a (H, W) factor: (H, W, 3) float32."""
    result = np.empty((*factor.shape, 3), np.float32)
    for channel in range(3):
        result[..., channel] = colour[..., channel] * factor
    return result
