"""Smooth fields and filled outlines: what every drawing is made of."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

_SUBPIXEL_BITS = 4  # fixed-point bits of the coordinates given to OpenCV's fills


def grid(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixel centres' coordinates (x, y), each (H, W) float32, in pixels."""
    height, width = shape
    x = np.arange(width, dtype=np.float32) + 0.5
    y = np.arange(height, dtype=np.float32) + 0.5
    return np.broadcast_to(x, shape).copy(), np.broadcast_to(y[:, None], shape).copy()


def smoothstep(low: Any, high: Any, value: Any) -> Any:
    """Rise smoothly from 0 at `low` to 1 at `high`, or fall if high < low.

    Args:
        low: A number or an array.
        high: Likewise.
        value: Likewise.

    Returns:
        Values in [0, 1], of the arguments' common shape.
    """
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def blur(field: np.ndarray, sigma_px: float) -> np.ndarray:
    """Blur with a Gaussian; large ones on a reduced copy, which looks the same.

    Args:
        field: (H, W) or (H, W, C) float32.
        sigma_px: Standard deviation in pixels; 0 or less leaves the field unchanged.
    """
    if sigma_px <= 0.05:
        return field
    if sigma_px < 3:
        return cv2.GaussianBlur(field, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE)
    height, width = field.shape[:2]
    factor = sigma_px / 1.5
    size = max(int(width / factor), 2), max(int(height / factor), 2)
    small = cv2.resize(field, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 1.5, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def value_noise(
    rng: np.random.Generator, shape: tuple[int, int], cell_px: float, stretch: float = 1.0
) -> np.ndarray:
    """Draw smooth noise of mean about 0 and standard deviation about 1.

    Args:
        rng: Source of the noise.
        shape: (height, width) in pixels.
        cell_px: Width of a grain in pixels.
        stretch: Height of a grain over its width; above 1 the noise runs in vertical streaks.

    Returns:
        (H, W) float32.
    """
    height, width = shape
    rows = max(int(height / (cell_px * stretch)) + 3, 4)
    columns = max(int(width / cell_px) + 3, 4)
    grains = rng.standard_normal((rows, columns), dtype=np.float32)
    if rows >= height and columns >= width:
        return grains[:height, :width]
    noise = cv2.resize(grains, (width, height), interpolation=cv2.INTER_CUBIC)
    return noise * 1.4  # interpolation halves the variance


def fractal_noise(
    rng: np.random.Generator, shape: tuple[int, int], cell_px: float, octaves: int = 4
) -> np.ndarray:
    """Sum octaves of `value_noise`, each half the size and strength: (H, W), about N(0, 1)."""
    total = np.zeros(shape, np.float32)
    power = 0.0
    for octave in range(octaves):
        weight = 0.5**octave
        total += weight * value_noise(rng, shape, max(cell_px * 0.5**octave, 1))
        power += weight**2
    return total / np.sqrt(power, dtype=np.float32)


def fill(shape: tuple[int, int], *outlines: np.ndarray) -> np.ndarray:
    """Fill closed outlines with smooth edges.

    Args:
        shape: (height, width) in pixels.
        outlines: Each (N, 2) float, (x, y) in pixels; overlaps stay filled.

    Returns:
        (H, W) float32 coverage in [0, 1].
    """
    canvas = np.zeros(shape, np.uint8)
    for outline in outlines:
        points = np.rint((outline - 0.5) * 2**_SUBPIXEL_BITS).astype(np.int32)
        cv2.fillPoly(canvas, [points], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return canvas.astype(np.float32) * np.float32(1 / 255)


def stroke(
    canvas: np.ndarray, lines: np.ndarray, value: float, width_px: int = 1, smooth: bool = True
) -> None:
    """Draw polylines into a uint8 canvas, in place.

    Args:
        canvas: (H, W) uint8.
        lines: (L, N, 2) float, (x, y) in pixels.
        value: Grey value, 0 to 255.
        width_px: Width of the lines.
        smooth: Whether edges are smooth; rough lines of width 1 are several times faster.
    """
    points = np.rint((lines - 0.5) * 2**_SUBPIXEL_BITS).astype(np.int32)
    kind = cv2.LINE_AA if smooth else cv2.LINE_8
    cv2.polylines(canvas, list(points), False, value, width_px, kind, _SUBPIXEL_BITS)


def ellipse(
    centre_xy: tuple[float, float], radii_xy: tuple[float, float], turn_rad: float = 0.0
) -> np.ndarray:
    """Return the outline of an ellipse: (48, 2) float, (x, y)."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    points = np.stack([radii_xy[0] * np.cos(angle), radii_xy[1] * np.sin(angle)], axis=1)
    return points @ rotation(turn_rad).T + centre_xy


def rotation(turn_rad: float) -> np.ndarray:
    """Return the (2, 2) matrix that turns column vectors (x, y), clockwise on the screen."""
    c, s = np.cos(turn_rad), np.sin(turn_rad)
    return np.array([[c, -s], [s, c]])


def smooth_curve(points: np.ndarray, num: int, closed: bool = False) -> np.ndarray:
    """Run a Catmull-Rom curve through control points.

    Args:
        points: (N, 2) float, N >= 2.
        num: Points of the result.
        closed: Whether the curve returns to its start.

    Returns:
        (num, 2) float64; ends at the first and last control point unless closed.
    """
    points = np.asarray(points, float)
    if closed:
        padded = np.concatenate([points[-1:], points, points[:2]])
        position = np.linspace(0, len(points), num, endpoint=False)
    else:
        padded = np.concatenate(
            [2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]]
        )
        position = np.linspace(0, len(points) - 1 - 1e-9, num)
    index = position.astype(int)
    t = (position - index)[:, None]
    a, b, c, d = (padded[index + k] for k in range(4))
    return 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )


def inflate(alpha: np.ndarray, radius_px: float) -> np.ndarray:
    """Turn a flat shape into a cushion: height grows from its edge as a quarter circle.

    Args:
        alpha: (H, W) float32 coverage in [0, 1].
        radius_px: Distance from the edge at which the cushion is flat, and its height.

    Returns:
        (H, W) float32 height in pixels.
    """
    inside = (alpha > 0.5).astype(np.uint8)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_3)
    t = np.clip(1 - distance / radius_px, 0, 1)
    return blur(radius_px * np.sqrt(1 - t * t), radius_px * 0.15)
