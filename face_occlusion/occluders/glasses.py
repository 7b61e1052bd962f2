"""Drawn glasses: frames and lenses, dark, tinted or half transparent.

No release has cut-outs of glasses, of all occluders the one that is most like a face's own parts.
Their frames and reflections show photographed textures.
"""

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np

from face_occlusion.core.images import decode_image, encode_rgba
from face_occlusion.core.imageset import encode_record
from face_occlusion.core.params import Checked, Count, Meta
from face_occlusion.core.release import Release
from face_occlusion.cutouts import crop_to_alpha, size_and_alpha

LEAST_OPACITY = 0.52  # of a lens: what covers less than half is not labelled as an occluder
_SMOOTH = 2  # drawn larger by this factor, then reduced
_FIXED_BITS = 4  # of OpenCV's fixed-point coordinates


@dataclass(frozen=True, kw_only=True)
class GlassesParams(Checked):
    """Section `occluders.glasses` of params.yaml."""

    count: Count  # pairs that are drawn
    width_px: Annotated[int, Meta(ge=32, le=2048)]  # of a pair, without its temples


def load_glasses(
    item: tuple[int, str], *, release: Release, params: GlassesParams
) -> tuple[str, dict[str, bytes]]:
    """Draw the pair of a number with a texture of DTD, as a sample of an image set.

    Returns its key, and the parts `rgba.png` and `json`. An unreadable texture is a ValueError.
    """
    number, name = item
    texture = decode_image(release.read(name), name)
    glasses = draw_glasses(np.random.default_rng([number, 1]), texture, params.width_px)
    record = {"category": "glasses", "source": release.source, "name": name.rpartition("/")[2]}
    return f"glasses_{number:04d}", {
        "rgba.png": encode_rgba(glasses),
        "json": encode_record(record | size_and_alpha(glasses)),
    }


def draw_glasses(rng: np.random.Generator, texture: np.ndarray, width_px: int) -> np.ndarray:
    """Draw a pair of glasses seen from the front or a little from the side.

    Args:
        rng: Source of every sample.
        texture: (H, W, 3) uint8 RGB, which frames and reflections show.
        width_px: Width of both lenses together.

    Returns:
        (h, w, 4) uint8 premultiplied RGBA, cropped to its alpha.
    """
    unit = width_px * _SMOOTH / 2
    width, height = _SMOOTH * round(2 * width_px), _SMOOTH * round(0.8 * width_px)
    turn, bow = rng.uniform(-0.3, 0.3), rng.uniform(-0.06, 0.1)

    def place(points: np.ndarray) -> np.ndarray:
        """Turn and bend points of the unit pair, and take them to the canvas in fixed point."""
        x, y = points.T
        nearer = 1 + turn * x / (1 + abs(x))
        seen = np.stack([x * nearer, y * nearer + bow * x * x], axis=1)
        pixels = seen * unit + (width / 2, height / 2)
        return np.rint(pixels * 2**_FIXED_BITS).astype(np.int32)

    lens = _sample_lens(rng)
    rimless = rng.random() < 0.15
    thick = rng.uniform(0.01, 0.04) if rimless or rng.random() < 0.5 else rng.uniform(0.04, 0.12)
    thick_px = max(round(thick * unit), 2)
    lenses, bars = np.zeros((2, height, width), np.uint8)
    rims = [place(lens * (side, 1)) for side in (-1, 1)]
    cv2.fillPoly(lenses, rims, (255,), cv2.LINE_AA, _FIXED_BITS)
    inner, outer = lens[:, 0].min(), lens[:, 0].max()
    y = rng.uniform(-0.15, 0.05)
    bridges = [np.array([[-inner, y], [0, y - rng.uniform(0, 0.12)], [inner, y]])]
    if rng.random() < 0.25:
        bridges.append(bridges[0] * (1.6, 1) - (0, 0.14))
    strokes = [place(bridge) for bridge in bridges]
    for side in (-1, 1):
        if rng.random() < 0.6:
            end = outer + rng.uniform(0.05, 0.7), rng.uniform(-0.3, 0.1)
            away = np.array([(outer - 0.02, rng.uniform(-0.2, 0)), end])
            strokes.append(place(away * (side, 1)))
    if not rimless:
        cv2.polylines(bars, rims, True, (255,), thick_px, cv2.LINE_AA, _FIXED_BITS)
    cv2.polylines(bars, strokes, False, (255,), thick_px, cv2.LINE_AA, _FIXED_BITS)
    glass = _paint_glass(rng, lenses, texture)
    frame = _paint_frame(rng, bars, texture)
    left = 1 - frame[..., 3:] / 255
    both = np.rint(frame + left * glass).astype(np.uint8)
    small = cv2.resize(both, (width // _SMOOTH, height // _SMOOTH), interpolation=cv2.INTER_AREA)
    return crop_to_alpha(small)


def _sample_lens(rng: np.random.Generator) -> np.ndarray:
    """Sample the right lens' outline, (60, 2): a superellipse, round to square, that may droop."""
    half_x, half_y = rng.uniform(0.34, 0.44), rng.uniform(0.2, 0.38)
    power, droop = 2 / rng.uniform(2.0, 5.0), rng.uniform(-0.15, 0.3)
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    x = half_x * np.sign(cos) * np.abs(cos) ** power
    y = half_y * np.sign(sin) * np.abs(sin) ** power
    return np.stack([x + 1 - half_x, y + droop * x * (y > 0)], axis=1)


def _paint_glass(rng: np.random.Generator, lenses: np.ndarray, texture: np.ndarray) -> np.ndarray:
    """Paint lenses with a tint that fades downwards, and what they reflect.

    `lenses` is their (H, W) uint8 coverage; returns (H, W, 4) float64 premultiplied RGBA levels.
    """
    down = np.linspace(0, 1, lenses.shape[0])[:, np.newaxis, np.newaxis]
    kind = rng.random()
    dark, clear = kind < 0.5, kind > 0.75
    top, bottom = rng.uniform(5, 70, (2, 3)) if dark else rng.uniform(30, 230, (2, 3))
    if clear:  # as clear as a labelled lens can be, in a skin's colour, as skin lies behind
        bottom = top = rng.uniform(90, 240) * np.cumprod([1, *rng.uniform(0.6, 1, 2)])
    elif rng.random() < 0.6:  # the same tint, lighter below
        bottom = top * rng.uniform(1, 2)
    tint = top + (bottom - top) * down
    most = LEAST_OPACITY + 0.1 if clear else 1.5
    opacity = np.sort(rng.uniform(LEAST_OPACITY, most, 2)).clip(max=1)[::-1]
    reflected = rng.uniform(0, 0.5) ** 2 * _spread(rng, texture, lenses.shape, zoom=4)
    share = opacity[0] + (opacity[1] - opacity[0]) * down
    alpha = share * (lenses / 255)[..., np.newaxis]
    return np.dstack([(tint + reflected).clip(0, 255) * alpha, 255 * alpha])


def _paint_frame(rng: np.random.Generator, bars: np.ndarray, texture: np.ndarray) -> np.ndarray:
    """Paint a frame in one colour, or with the texture's pattern; as `_paint_glass`."""
    dark = rng.random() < 0.6
    colour = rng.uniform(5, 60, 3) if dark else rng.uniform(30, 250, 3)
    if rng.random() < 0.5:  # grey: black, silver, white
        colour = np.full(3, colour[0])
    pattern = _spread(rng, texture, bars.shape, zoom=1)
    shown = rng.choice([0.0, 0.25, 0.8])
    alpha = (bars / 255)[..., np.newaxis]
    return np.dstack([(colour + (pattern - colour) * shown) * alpha, 255 * alpha])


def _spread(
    rng: np.random.Generator, texture: np.ndarray, shape: tuple[int, int], *, zoom: int
) -> np.ndarray:
    """Enlarge a random part of a texture, a `zoom`-th of its sides, to (H, W) `shape`."""
    height, width = texture.shape[0] // zoom, texture.shape[1] // zoom
    y = int(rng.integers(texture.shape[0] - height + 1))
    x = int(rng.integers(texture.shape[1] - width + 1))
    part = texture[y : y + height, x : x + width]
    return cv2.resize(part, shape[::-1], interpolation=cv2.INTER_LINEAR_EXACT)
