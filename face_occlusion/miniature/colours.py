"""Colours in linear light: of skin and hair, sampled, mixed."""

import colorsys
from pathlib import Path

import numpy as np

from face_occlusion.core.params import read_yaml
from face_occlusion.miniature.fields import Rng

_COLOURS = read_yaml(Path(__file__).with_suffix(".yaml"))
_MONK = np.array(_COLOURS["skin"])  # (10, 3) CIELAB


def from_hex(code: str) -> np.ndarray:
    """Return a colour written `rrggbb` in sRGB as (3,) float32 linear RGB."""
    return to_linear(np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)]) / 255)


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """Undo the sRGB curve (IEC 61966-2-1); values in [0, 1] or above."""
    srgb = np.asarray(srgb, float)
    curve = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return curve.astype(np.float32)


_linear = np.linspace(0, 1, 4097)
_bent = np.where(_linear <= 0.0031308, 12.92 * _linear, 1.055 * _linear ** (1 / 2.4) - 0.055)
_CURVE = _bent.astype(np.float32)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Apply the sRGB curve by table; clips to [0, 1], float32."""
    last = len(_CURVE) - 1
    return _CURVE[np.clip(linear * last + 0.5, 0, last).astype(np.uint16)]


def skin(tone: float, warmth: float) -> np.ndarray:
    """Return a skin colour of a tone (0 very light to 1 very dark) and undertone (-1 rosy to 1)."""
    position = np.clip(tone, 0, 1) * (len(_MONK) - 1)
    lightness, a, b = (np.interp(position, np.arange(len(_MONK)), row) for row in _MONK.T)
    light = (lightness - 15) / 80
    lightness = 20 + 0.82 * (lightness - 14)  # leaves room for highlights and for dark hair
    rgb = _lab_to_linear(lightness, a + 5 + 3 * light - 2.5 * warmth, 0.8 * b + 6 + 3.0 * warmth)
    return np.clip(rgb, 0, 1).astype(np.float32)


def _lab_to_linear(lightness: float, a: float, b: float) -> np.ndarray:
    """Convert CIELAB (CIE 15) of white D65 to (3,) linear RGB."""
    middle = (lightness + 16) / 116
    roots = (middle + a / 500, middle, middle - b / 200)
    x, y, z = (t**3 if t > 6 / 29 else (t - 4 / 29) * 108 / 841 for t in roots)
    x, z = 0.950456 * x, 1.088754 * z
    red = 3.240479 * x - 1.53715 * y - 0.498535 * z
    green = -0.969256 * x + 1.875991 * y + 0.041556 * z
    return np.array([red, green, 0.055648 * x - 0.204043 * y + 1.057311 * z])


def hair(name: str) -> np.ndarray:
    """Return a hair colour by name, (3,) float32 linear RGB."""
    return from_hex(_COLOURS["hair"][name])


def sample_iris(rng: Rng, tone: float) -> np.ndarray:
    """Sample an iris colour, brown alone on darker skin; (3,) float32 linear RGB."""
    codes = _COLOURS["iris"] if tone < 0.45 else _COLOURS["iris"][:3]
    return from_hex(codes[rng.integers(len(codes))])


def sample(
    rng: Rng, saturation: tuple[float, float] = (0.1, 0.9), value: tuple[float, float] = (0.1, 0.95)
) -> np.ndarray:
    """Sample a colour of any hue, with ranges of HSV saturation and value; (3,) linear RGB."""
    rgb = colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(*saturation), rng.uniform(*value))
    return to_linear(np.array(rgb))


def mix(first: np.ndarray, second: np.ndarray, weight: np.ndarray | float) -> np.ndarray:
    """Interpolate between colours, each (H, W, 3) or (3,), by a weight, a number or (H, W).

    The result is float32, (3,) if all are without extent and (H, W, 3) else.
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
