"""Smooth fields, filled outlines and round bodies: what every drawing is made of."""

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from face_occlusion.core.arithmetic import convolve

Rng = np.random.Generator
Shape = tuple[int, int]  # (height, width)
Box = tuple[slice, slice]  # rows and columns of a picture

_SUBPIXEL_BITS = 4  # fixed-point bits of the coordinates given to OpenCV's fills


def grid(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixel centres' coordinates (x, y), each (H, W) float64, in pixels.

    Sines and powers of float64 that end in float32 are the same on every CPU; of float32 not.
    """
    height, width = shape
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    return np.broadcast_to(x, shape).copy(), np.broadcast_to(y[:, None], shape).copy()


def smoothstep(low: Any, high: Any, value: Any) -> Any:
    """Rise smoothly from 0 at `low` to 1 at `high`, or fall if high < low; all may be arrays."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def bell(values: np.ndarray, middle: Any, width: Any) -> np.ndarray:
    """Return a Gaussian bell of height 1."""
    return np.exp(-0.5 * ((values - middle) / width) ** 2)


def blur(field: np.ndarray, sigma_px: float) -> np.ndarray:
    """Blur a (H, W) or (H, W, C) field with a Gaussian, float32.

    A large blur runs on a reduced copy, which looks the same; one of up to 0.05 pixels is left out.
    """
    if sigma_px <= 0.05:
        return field
    if sigma_px < 3:
        return _convolved(field.astype(np.float32), sigma_px)
    height, width = field.shape[:2]
    factor = sigma_px / 1.5
    small = shrink(field, (max(int(height / factor), 2), max(int(width / factor), 2)))
    return enlarge(_convolved(small, 1.5), (height, width))


# numpy rounds each product and each sum by itself, so these kernels give the same bits on every
# CPU. OpenCV's on floats do not: where there is AVX2 or AVX-512, they fuse and reorder sums.


def _convolved(field: np.ndarray, sigma_px: float) -> np.ndarray:
    radius = round(4 * sigma_px)
    taps = [math.exp(-0.5 * (k / sigma_px) ** 2) for k in range(radius + 1)]
    kernel = np.array([*taps[:0:-1], *taps]) / (2 * sum(taps) - taps[0])
    return convolve(field, kernel, cv2.BORDER_REPLICATE)


def shrink(field: np.ndarray, shape: Shape) -> np.ndarray:
    """Reduce a (H, W) or (H, W, C) field to a smaller shape by the mean over each pixel's area."""
    for axis in (0, 1):
        rows = np.ascontiguousarray(np.moveaxis(field, axis, 0))
        ends = np.linspace(0, len(rows), shape[axis] + 1)
        sums = np.zeros((len(rows) + 1, *rows.shape[1:]))
        sums[1:] = rows
        for before, total in itertools.pairwise(sums[1:]):  # faster than np.cumsum, same order
            total += before
        index = np.minimum(ends.astype(int), len(rows) - 1)
        part = (ends - index).reshape(-1, *[1] * (rows.ndim - 1))
        areas = np.diff(sums[index] + part * rows[index], axis=0)
        field = np.moveaxis(areas * (shape[axis] / len(rows)), 0, axis)
    return np.ascontiguousarray(field, np.float32)


def enlarge(field: np.ndarray, shape: Shape, cubic: bool = False) -> np.ndarray:
    """Enlarge a (H, W) or (H, W, C) field by linear or cubic interpolation, float32."""
    for axis in (1, 0):
        rows = np.ascontiguousarray(np.moveaxis(field, axis, 0), np.float32)
        position = (np.arange(shape[axis]) + 0.5) * (len(rows) / shape[axis]) - 0.5
        index = np.floor(position).astype(int)
        t = position - index
        weights = [1 - t, t]
        if cubic:  # Keys (1981), a = -0.75 as in OpenCV
            weights = [_cubic(t + 1), _cubic(t), _cubic(1 - t), _cubic(2 - t)]
        total = np.zeros((shape[axis], *rows.shape[1:]), np.float32)
        near = np.empty_like(total)
        for k, weight in enumerate(weights, start=-1 if cubic else 0):
            rows.take(index + k, 0, near, "clip")
            near *= weight.astype(np.float32).reshape(-1, *[1] * (rows.ndim - 1))
            total += near
        field = np.moveaxis(total, 0, axis)
    return np.ascontiguousarray(field)


def _cubic(t: np.ndarray) -> np.ndarray:
    inner = (1.25 * t - 2.25) * t * t + 1
    return np.where(t <= 1, inner, ((-0.75 * t + 3.75) * t - 6) * t + 3)


def lookup(field: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Look up a (H, W) or (H, W, C) field at pixel indices (x, y) by linear interpolation.

    Indices have any shape, 0 is the first pixel's middle; the field's border continues outwards.
    """
    height, width = field.shape[:2]
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    left, top = (np.minimum(v.astype(int), n - 2) for v, n in ((x, width), (y, height)))
    u, v = ((p - i).astype(np.float32) for p, i in ((x, left), (y, top)))
    if field.ndim == 3:
        u, v = u[..., None], v[..., None]
    flat = field.reshape(height * width, *field.shape[2:])
    at = top * width + left
    a, b, c, d = (flat.take(at + k, 0) for k in (0, 1, width, width + 1))
    return (a * (1 - u) + b * u) * (1 - v) + (c * (1 - u) + d * u) * v


def shift(field: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """Move what a (H, W) field shows by (dx, dy) pixels; its border continues inwards."""
    for axis, distance in ((1, dx), (0, dy)):
        whole = math.floor(-distance)
        part = np.float32(-distance - whole)
        index = np.arange(field.shape[axis]) + whole
        near, far = (np.clip(index + k, 0, len(index) - 1) for k in (0, 1))
        field = field.take(near, axis) * (1 - part) + field.take(far, axis) * part
    return field


def value_noise(rng: Rng, shape: Shape, cell_px: float, stretch: float = 1.0) -> np.ndarray:
    """Sample smooth noise of mean about 0 and standard deviation about 1, (H, W) float32.

    Grains are `cell_px` wide, and higher by the factor `stretch`: above 1 they are vertical
    streaks.
    """
    height, width = shape
    rows = max(int(height / (cell_px * stretch)) + 3, 4)
    columns = max(int(width / cell_px) + 3, 4)
    grains = rng.standard_normal((rows, columns), dtype=np.float32)
    if rows >= height and columns >= width:
        return grains[:height, :width]
    noise = enlarge(grains, shape, cubic=True)
    return noise * np.float32(1.4)  # interpolation halves the variance


def fractal_noise(rng: Rng, shape: Shape, cell_px: float, octaves: int = 4) -> np.ndarray:
    """Sum octaves of `value_noise`, each half the size and strength: (H, W), about N(0, 1)."""
    total = np.zeros(shape, np.float32)
    power = 0.0
    for octave in range(octaves):
        weight = 0.5**octave
        total += weight * value_noise(rng, shape, max(cell_px * 0.5**octave, 1))
        power += weight**2
    return total / np.sqrt(power, dtype=np.float32)


def fill(shape: Shape, *outlines: np.ndarray) -> np.ndarray:
    """Return the coverage of closed (N, 2) outlines; overlaps stay filled."""
    canvas = np.zeros(shape, np.uint8)
    for outline in outlines:
        cv2.fillPoly(canvas, [_fixed_point(outline)], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return canvas.astype(np.float32) * np.float32(1 / 255)


def stroke(shape: Shape, lines: Iterable[np.ndarray], width_px: float = 1) -> np.ndarray:
    """Return the coverage of (N, 2) polylines; their width is rounded to at least one pixel."""
    canvas, width = np.zeros(shape, np.uint8), max(round(width_px), 1)
    points = _fixed_point(lines) if isinstance(lines, np.ndarray) else map(_fixed_point, lines)
    cv2.polylines(canvas, list(points), False, 255, width, cv2.LINE_AA, _SUBPIXEL_BITS)
    return canvas.astype(np.float32) / 255


def stroke_rough(canvas: np.ndarray, lines: np.ndarray, value: int) -> None:
    """Draw (L, N, 2) polylines of one pixel into a (H, W) uint8 canvas: fast, with hard edges."""
    points = list(_fixed_point(lines))
    cv2.polylines(canvas, points, False, value, 1, cv2.LINE_8, _SUBPIXEL_BITS)


def _fixed_point(points: np.ndarray) -> np.ndarray:
    return np.rint((points - 0.5) * 2**_SUBPIXEL_BITS).astype(np.int32)


def ellipse(
    centre_xy: tuple[float, float], radii_xy: tuple[float, float], turn_rad: float = 0.0
) -> np.ndarray:
    """Return the outline of an ellipse: (48, 2) float, (x, y)."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    points = np.stack([radii_xy[0] * np.cos(angle), radii_xy[1] * np.sin(angle)], axis=1)
    return rotate(points, turn_rad) + centre_xy


def rotate(points: np.ndarray, turn_rad: float) -> np.ndarray:
    """Turn (..., 2) vectors (x, y) clockwise on the screen."""
    (x, y), c, s = np.moveaxis(np.asarray(points, float), -1, 0), np.cos(turn_rad), np.sin(turn_rad)
    return np.stack([x * c - y * s, x * s + y * c], axis=-1)


def smooth_curve(points: np.ndarray, num: int, closed: bool = False) -> np.ndarray:
    """Run a Catmull-Rom curve through control points.

    (N, ...) points, N >= 2, of any number of coordinates become (num, ...) float64; the curve
    returns to its start if closed, and else ends at the first and the last point.
    """
    points = np.asarray(points, float)
    if closed:
        padded = np.concatenate([points[-1:], points, points[:2]])
        position = np.linspace(0, len(points), num, endpoint=False)
    else:
        before, after = 2 * points[:1] - points[1:2], 2 * points[-1:] - points[-2:-1]
        padded = np.concatenate([before, points, after])
        position = np.linspace(0, len(points) - 1 - 1e-9, num)
    index = position.astype(int)
    t = (position - index).reshape(-1, *[1] * (points.ndim - 1))
    a, b, c, d = (padded[index + k] for k in range(4))
    square, cube = 2 * a - 5 * b + 4 * c - d, 3 * b - a - 3 * c + d
    return 0.5 * (2 * b + (c - a) * t + square * t**2 + cube * t**3)


def inflate(alpha: np.ndarray, radius_px: float) -> np.ndarray:
    """Turn a flat shape into a cushion: height grows from its edge as a quarter circle.

    It is flat from `radius_px` off the edge on, at the height of `radius_px`; (H, W) float32.
    """
    inside = (alpha > 0.5).astype(np.uint8)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_3)
    t = np.clip(1 - distance / radius_px, 0, 1)
    return blur(radius_px * np.sqrt(1 - t * t), radius_px * 0.15)


@dataclass(frozen=True)
class Spot:
    """The place of an object in a picture."""

    centre_xy: np.ndarray  # its middle in pixels
    size_px: float  # its length in pixels
    turn_rad: float  # its turn, clockwise on the screen; 0 is upright

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Place (N, 2) points of the object's plane: unit its length, origin its middle, y down."""
        return rotate(points, self.turn_rad) * self.size_px + self.centre_xy

    def plane(self, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
        """Return each pixel's (x, y) in the object's plane, (H, W) float64."""
        x, y = grid(shape)
        dx, dy = (x - self.centre_xy[0]) / self.size_px, (y - self.centre_xy[1]) / self.size_px
        c, s = np.cos(self.turn_rad), np.sin(self.turn_rad)
        return dx * c + dy * s, dy * c - dx * s


@dataclass(frozen=True)
class Capsule:
    """A rod with round ends, whose radius may change along it; all lengths in pixels."""

    start: np.ndarray  # (x, y) of an end's centre
    end: np.ndarray
    start_radius: float
    end_radius: float
    start_z: float = 0.0  # height of the axis at that end
    end_z: float = 0.0


def join_capsules(
    shape: Shape, capsules: list[Capsule], soft_px: float
) -> tuple[np.ndarray, np.ndarray]:
    """Join capsules to one body, of which the highest is seen, with seams softened over `soft_px`.

    Returns coverage and height, each (H, W) float32.
    """
    inside = np.full(shape, -1e3, np.float32)
    height = np.full(shape, -1e3, np.float32)
    for capsule in capsules:
        reach = max(capsule.start_radius, capsule.end_radius) + 3
        box = box_around(shape, np.stack([capsule.start, capsule.end]), reach)
        if box is None:
            continue
        x, y = (
            np.arange(part.start, part.stop, dtype=np.float32) + np.float32(0.5 - start)
            for part, start in zip(box[::-1], capsule.start, strict=True)
        )
        dx, dy = (np.float32(v) for v in capsule.end - capsule.start)
        squared = max(dx * dx + dy * dy, np.float32(1e-6))
        t = np.clip((x[None] * dx + y[:, None] * dy) / squared, 0, 1)
        distance = np.hypot(x[None] - t * dx, y[:, None] - t * dy)  # from the axis
        radius = capsule.start_radius + np.float32(capsule.end_radius - capsule.start_radius) * t
        z = capsule.start_z + np.float32(capsule.end_z - capsule.start_z) * t
        np.maximum(inside[box], radius - distance, out=inside[box])
        bulge = np.sqrt(np.maximum(radius * radius - distance * distance, 0))
        rise = np.where(distance < radius + 1, z + bulge, -1e3).astype(np.float32)
        np.maximum(height[box], rise, out=height[box])
    alpha = np.clip(inside + 0.5, 0, 1)
    floor = float(height[height > -1e2].min()) if (height > -1e2).any() else 0.0
    return alpha, blur(np.maximum(height, floor), soft_px)


def box_around(shape: Shape, points: np.ndarray, padding_px: float) -> Box | None:
    """Return the slices of a picture around (N, 2) points; None if they lie outside."""
    x0, y0 = np.maximum(np.floor(points.min(axis=0) - padding_px).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(points.max(axis=0) + padding_px).astype(int), shape[::-1])
    if x1 <= x0 or y1 <= y0:
        return None
    return slice(int(y0), int(y1)), slice(int(x0), int(x1))


def turned(
    shape: Shape, base: np.ndarray, top: np.ndarray, profile: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn a profile around the axis from `base` to `top`: bottles, cups, vases.

    The (N, 2) profile holds position along the axis in [0, 1] and radius in pixels. Returns
    coverage and height, (H, W) float32, and position along the axis, (H, W) float64.
    """
    x, y = grid(shape)
    axis = top - base
    length = float(np.hypot(*axis))
    ux, uy = axis / length
    along = ((x - base[0]) * ux + (y - base[1]) * uy) / length
    across = (y - base[1]) * ux - (x - base[0]) * uy
    radius = np.interp(along, profile[:, 0], profile[:, 1]).astype(np.float32)
    height = np.sqrt(np.maximum(radius**2 - across**2, 0)).astype(np.float32)
    t = np.linspace(0, 1, 60)[:, None]
    side = np.interp(t, profile[:, 0], profile[:, 1]) * np.array([-uy, ux])
    outline = np.concatenate([base + t * axis + side, (base + t * axis - side)[::-1]])
    return fill(shape, outline), height, along


def ball(shape: Shape, centre_xy: np.ndarray, radius_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Return coverage and height of a ball, each (H, W) float32."""
    x, y = grid(shape)
    squared = (x - centre_xy[0]) ** 2 + (y - centre_xy[1]) ** 2
    alpha = smoothstep(radius_px + 0.7, radius_px - 0.7, np.sqrt(squared))
    return alpha, np.sqrt(np.maximum(radius_px**2 - squared, 0)).astype(np.float32)
