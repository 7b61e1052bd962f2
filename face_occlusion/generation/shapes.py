"""Random shapes and their textures, the occluders of RandOcc.

A shape is a polygon around (0, 0) of area 1; the placement's affine gives it size and place, so
its border is drawn once, at its final size, and never resampled.
"""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from face_occlusion.core.arithmetic import determinant, inverse, transform
from face_occlusion.core.images import warp_affine
from face_occlusion.generation.compositing import Layer, blur, three_channels, window

DECIMALS = 5  # of the unit polygon's points: a hundredth of a pixel on any image
_FIXED_BITS = 4  # of OpenCV's fixed-point coordinates
_LINE_GROWTH_PX = 0.63  # by which cv2.fillPoly with LINE_AA widens a shape, measured


@dataclass(frozen=True)
class Texture:
    """A photographed texture."""

    key: str  # its name in the image set it comes from
    image: np.ndarray  # (H, W, 3) uint8 RGB


def sample_shape(rng: np.random.Generator) -> dict[str, Any]:
    """Sample a random shape: its kind, and its outline as a polygon of area 1 around (0, 0)."""
    kind, sample_outline = list(KINDS.items())[int(rng.integers(len(KINDS)))]
    outline = unit_area(sample_outline(rng))
    return {"kind": kind, "points": np.round(outline, DECIMALS).tolist()}


def _sample_blob(rng: np.random.Generator) -> np.ndarray:
    """Sample a closed smooth curve: a circle with a few random waves along its radius."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    waves = np.arange(2, 7)
    amplitude = rng.uniform(0, 0.45, len(waves)) / waves**0.75
    phase = rng.uniform(0, 2 * np.pi, len(waves))
    radius = 1 + (amplitude * np.cos(angle[:, np.newaxis] * waves + phase)).sum(axis=1)
    return polar(angle, np.maximum(radius, 0.15))


def _sample_polygon(rng: np.random.Generator) -> np.ndarray:
    """Sample a polygon of three to nine corners, seen in order from its middle."""
    corners = int(rng.integers(3, 10))
    angle = (np.arange(corners) + rng.uniform(-0.35, 0.35, corners)) * 2 * np.pi / corners
    return polar(angle, rng.uniform(0.55, 1, corners))


def _sample_star(rng: np.random.Generator) -> np.ndarray:
    """Sample a star of four to eleven unequal spikes."""
    spikes = int(rng.integers(4, 12))
    angle = np.linspace(0, 2 * np.pi, 2 * spikes, endpoint=False)
    radius = np.where(np.arange(2 * spikes) % 2, rng.uniform(0.3, 0.7), 1.0)
    return polar(angle, radius * rng.uniform(0.85, 1.0, 2 * spikes))


def _sample_strip(rng: np.random.Generator) -> np.ndarray:
    """Sample a band, three to seven times as long as wide, bent and of changing width."""
    length = rng.uniform(3, 7)
    along = np.linspace(-length / 2, length / 2, 24)
    bend = rng.uniform(-0.12, 0.12) * length
    middle = bend * np.sin(along * np.pi / length + rng.uniform(0, 2 * np.pi))
    half = 0.5 + rng.uniform(0, 0.2) * np.sin(along * rng.uniform(0.5, 2) + rng.uniform(0, 6.28))
    upper = np.stack([along, middle + half], axis=1)
    lower = np.stack([along, middle - half], axis=1)
    return np.concatenate([upper, lower[::-1]])


def _sample_ellipse(rng: np.random.Generator) -> np.ndarray:
    """Sample an ellipse, up to two and a half times as long as wide."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return polar(angle, np.ones_like(angle)) * (rng.uniform(1, 2.5), 1)


KINDS = {
    "blob": _sample_blob,
    "polygon": _sample_polygon,
    "star": _sample_star,
    "strip": _sample_strip,
    "ellipse": _sample_ellipse,
}


def polar(angle: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Return (N, 2) points (x, y) of polar coordinates."""
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def polygon_area(points: np.ndarray) -> float:
    """Return the area of a polygon that does not cross itself, from its (N, 2) corners."""
    x, y = points.T
    return 0.5 * abs(float((x * np.roll(y, 1) - y * np.roll(x, 1)).sum()))


def polygon_centre(points: np.ndarray) -> np.ndarray:
    """Return the centre of mass (x, y) of a polygon."""
    following = np.roll(points, -1, axis=0)
    cross = points[:, 0] * following[:, 1] - following[:, 0] * points[:, 1]
    return ((points + following) * cross[:, np.newaxis]).sum(axis=0) / (3 * cross.sum())


def unit_area(points: np.ndarray) -> np.ndarray:
    """Move and scale a polygon to area 1 around (0, 0)."""
    return (points - polygon_centre(points)) / math.sqrt(polygon_area(points))


def fill_polygon(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Paint a polygon, (N, 2) corners in pixels of the result, with soft borders.

    Returns its coverage, (*size,) uint8.
    """
    coverage = np.zeros(size, np.uint8)
    fixed = np.rint(_less_line_growth(points) * 2**_FIXED_BITS).astype(np.int32)
    cv2.fillPoly(coverage, [fixed], (255,), cv2.LINE_AA, _FIXED_BITS)
    return coverage


def _less_line_growth(points: np.ndarray) -> np.ndarray:
    """Shrink a polygon so that its drawing, widened by OpenCV, has the polygon's area."""
    area = polygon_area(points)
    x, y = (points - np.roll(points, 1, axis=0)).T
    perimeter = np.sqrt(x * x + y * y).sum()
    factor = math.sqrt(area / (area + _LINE_GROWTH_PX * perimeter)) if area else 1.0
    centre = points.mean(axis=0)
    return centre + (points - centre) * factor


def estimate_polygon_covered(outline: np.ndarray, small: np.ndarray, cell_px: int) -> float:
    """Estimate the share of a face that a polygon, (N, 2) corners in image pixels, covers.

    `small` and `cell_px` are those of `FaceGeometry`.
    """
    points = (outline + 0.5) / cell_px - 0.5
    coverage = fill_polygon(points, (small.shape[0], small.shape[1]))
    return float((small * coverage).sum() / (255 * small.sum()))


def sample_texture(
    rng: np.random.Generator, texture: Texture, outline: np.ndarray, linear: np.ndarray
) -> np.ndarray:
    """Sample which part of a texture a shape shows, turned and sheared with the shape.

    The texture keeps its proportions: it is cropped, never squashed. It is enlarged only as far as
    the shape outgrows it. `outline` holds the (N, 2) corners of the placed shape in image pixels,
    `linear` is the (2, 2) linear part of its placement.

    Returns the affine from texture pixels to image pixels.
    """
    turn = linear / math.sqrt(abs(determinant(linear)))
    zoom = rng.uniform(0.6, 1.4)
    where = rng.uniform(size=2)
    seen = transform(inverse(turn), outline)  # the shape in the texture's directions
    low, extent = seen.min(axis=0), np.ptp(seen, axis=0)
    size = np.array([texture.image.shape[1], texture.image.shape[0]], dtype=np.float64)
    zoom = max(zoom, float(((extent + 2) / size).max()))
    slack = np.maximum(size - extent / zoom, 0)
    start = where * slack - 0.5  # texture point under the shape's first corner
    return np.column_stack([zoom * turn, transform(turn, low - zoom * start)])


def paint_shape(
    texture: Texture,
    texture_matrix: np.ndarray,
    outline: np.ndarray,
    shape: tuple[int, ...],
    padding: int,
    edge_sigma_px: float,
) -> Layer:
    """Paint a textured shape with a soft edge on an (H, W) canvas.

    The texture goes on beyond the shape, so blurring the coverage alone softens the edge. The
    (N, 2) outline and the texture's affine (from `sample_texture`) are in the canvas' pixels;
    `padding` pixels are kept free around the shape, for blurs.
    """
    x, y, width, height = window(outline, shape, padding)
    coverage = fill_polygon(outline - (x, y), (height, width))
    if edge_sigma_px > 0:
        coverage = blur(coverage, edge_sigma_px)
    local = texture_matrix.copy()
    local[:, 2] -= (x, y)
    colour = warp_affine(texture.image, local, (height, width), cv2.BORDER_REFLECT, needed=coverage)
    premultiplied = cv2.multiply(colour, three_channels(coverage), scale=1 / 255)
    return Layer(premultiplied, coverage, x, y)
