"""Round solids as height fields: chains of capsules, turned bodies, boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from face_occlusion.miniature.canvas import Canvas, bounding_box
from face_occlusion.miniature.fields import blur, fill, grid, smoothstep
from face_occlusion.miniature.lighting import Light, Surface, drop_shadow, shade


@dataclass(frozen=True)
class Capsule:
    """A rod with round ends, thicker at one end perhaps; all lengths in pixels.

    Attributes:
        start, end: (x, y) of the ends' centres.
        start_radius, end_radius: Radii there.
        start_z, end_z: Heights of the axis there.
    """

    start: np.ndarray
    end: np.ndarray
    start_radius: float
    end_radius: float
    start_z: float = 0.0
    end_z: float = 0.0


def join_capsules(
    shape: tuple[int, int], capsules: list[Capsule], soft_px: float
) -> tuple[np.ndarray, np.ndarray]:
    """Join capsules to one body.

    Args:
        shape: (height, width) in pixels.
        capsules: The parts; the highest wins, with seams softened over `soft_px`.
        soft_px: Softness of the seams.

    Returns:
        Coverage (H, W) float32 in [0, 1], and height (H, W) float32 in pixels.
    """
    inside = np.full(shape, -1e3, np.float32)
    height = np.full(shape, -1e3, np.float32)
    for capsule in capsules:
        box = _capsule_box(shape, capsule)
        if box is None:
            continue
        distance, radius, z = _capsule_field(box, capsule)
        np.maximum(inside[box], radius - distance, out=inside[box])
        bulge = np.sqrt(np.maximum(radius * radius - distance * distance, 0))
        rise = np.where(distance < radius + 1, z + bulge, -1e3).astype(np.float32)
        np.maximum(height[box], rise, out=height[box])
    alpha = np.clip(inside + 0.5, 0, 1)
    floor = float(height[height > -1e2].min()) if (height > -1e2).any() else 0.0
    return alpha, blur(np.maximum(height, floor), soft_px)


def _capsule_box(shape: tuple[int, int], capsule: Capsule) -> tuple[slice, slice] | None:
    reach = max(capsule.start_radius, capsule.end_radius) + 3
    low = np.floor(np.minimum(capsule.start, capsule.end) - reach).astype(int)
    high = np.ceil(np.maximum(capsule.start, capsule.end) + reach).astype(int)
    x0, y0 = np.maximum(low, 0)
    x1, y1 = np.minimum(high, shape[::-1])
    if x1 <= x0 or y1 <= y0:
        return None
    return slice(int(y0), int(y1)), slice(int(x0), int(x1))


def _capsule_field(
    box: tuple[slice, slice], capsule: Capsule
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return distance to the axis, radius and axis height for each pixel of a box."""
    x = np.arange(box[1].start, box[1].stop, dtype=np.float32) + np.float32(0.5 - capsule.start[0])
    y = np.arange(box[0].start, box[0].stop, dtype=np.float32) + np.float32(0.5 - capsule.start[1])
    dx, dy = (np.float32(v) for v in capsule.end - capsule.start)
    squared = max(dx * dx + dy * dy, np.float32(1e-6))
    t = np.clip((x[None] * dx + y[:, None] * dy) / squared, 0, 1)
    distance = np.hypot(x[None] - t * dx, y[:, None] - t * dy)
    radius = capsule.start_radius + np.float32(capsule.end_radius - capsule.start_radius) * t
    z = capsule.start_z + np.float32(capsule.end_z - capsule.start_z) * t
    return distance, radius, z


@dataclass(frozen=True)
class Lathe:
    """A body turned on an axis: bottle, cup, vase.

    Attributes:
        base, top: (x, y) pixels of the axis' ends.
        profile: (N, 2): position along the axis in [0, 1], radius in pixels.
    """

    base: np.ndarray
    top: np.ndarray
    profile: np.ndarray

    def field(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return coverage, height, and position along the axis, each (H, W) float32."""
        x, y = grid(shape)
        axis = self.top - self.base
        length = float(np.hypot(*axis))
        ux, uy = axis / length
        along = ((x - self.base[0]) * ux + (y - self.base[1]) * uy) / length
        across = (y - self.base[1]) * ux - (x - self.base[0]) * uy
        radius = np.interp(along, self.profile[:, 0], self.profile[:, 1]).astype(np.float32)
        outline = np.concatenate([self._side(1), self._side(-1)[::-1]])
        alpha = fill(shape, outline)
        height = np.sqrt(np.maximum(radius**2 - across**2, 0)).astype(np.float32)
        return alpha, height, along.astype(np.float32)

    def _side(self, sign: int) -> np.ndarray:
        axis = self.top - self.base
        normal = np.array([-axis[1], axis[0]]) / np.hypot(*axis)
        t = np.linspace(0, 1, 60)[:, None]
        radius = np.interp(t[:, 0], self.profile[:, 0], self.profile[:, 1])[:, None]
        return self.base + t * axis + sign * radius * normal


@dataclass(frozen=True)
class Solid:
    """A body ready to be painted.

    Attributes:
        alpha: (H, W) float32 coverage.
        height: (H, W) float32 height in pixels.
        surface: Its look.
    """

    alpha: np.ndarray
    height: np.ndarray
    surface: Surface


def paint_solid(
    canvas: Canvas, solid: Solid, light: Light, *, label: int | None, lift_px: float = 0.0
) -> None:
    """Light a solid and lay it on the canvas; it throws a shadow if lifted.

    Args:
        canvas: The painting.
        solid: What to paint, in the canvas's size.
        light: The light.
        label: Its label, None to keep the labels.
        lift_px: Distance from what lies below, 0 for no shadow.
    """
    if lift_px > 0:
        canvas.darken(drop_shadow(solid.alpha, light, lift_px, 0.5))
    box = bounding_box(solid.alpha)
    if box is None:
        return
    colour = np.zeros((*canvas.shape, 3), np.float32)
    colour[box] = shade(solid.surface.crop(box), solid.height[box], light)
    canvas.paint(solid.alpha, colour, label)


def ball(
    shape: tuple[int, int], centre_xy: np.ndarray, radius_px: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return coverage and height of a ball, each (H, W) float32."""
    x, y = grid(shape)
    squared = (x - centre_xy[0]) ** 2 + (y - centre_xy[1]) ** 2
    alpha = smoothstep(radius_px + 0.7, radius_px - 0.7, np.sqrt(squared))
    return alpha, np.sqrt(np.maximum(radius_px**2 - squared, 0)).astype(np.float32)
