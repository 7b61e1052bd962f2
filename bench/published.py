"""A slow reference: the published generator, implemented from its description.

Nothing here makes a set. It is the other side of the comparison in `bench.generation`, and its
parts are what the tests of its defects (docs/paper.md) compare with.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import cv2
import numpy as np

from face_occlusion.generation.colour_transfer.algorithm1 import face_thresholds, prepare_face
from face_occlusion.generation.colour_transfer.transport import random_directions

TEXTURE_PX = 512
SHIFT_RADIUS_PX = 30
SHIFT_SIGMA_PX = 30.0


def cut_out(rgb: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Cut an occluder out on black, colours straight."""
    return np.where(mask[..., np.newaxis] > 0, rgb, np.uint8(0))


def resize_on_black(
    rgb: np.ndarray, mask: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Resample colour, black around it included, and its mask by Lanczos."""
    colour = cv2.resize(rgb, size, interpolation=cv2.INTER_LANCZOS4)
    return colour, cv2.resize(mask, size, interpolation=cv2.INTER_LANCZOS4)


def warp_mask(mask: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Warp a 0/255 mask by Lanczos: values between 0 and 255, and wrong ones, appear."""
    size = (mask.shape[1], mask.shape[0])
    return cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_LANCZOS4)


def save_mask(mask: np.ndarray) -> np.ndarray:
    """Divide by 255 and round: a mask of 0/1 is lost."""
    return np.rint(mask / 255).astype(np.uint8)


def draw_size(rng: np.random.Generator) -> float:
    """Draw an occluder's size, root of the area ratio: 0.5-1 for the area, then 0.8-1.2."""
    return math.sqrt(rng.uniform(0.5, 1.0)) * rng.uniform(0.8, 1.2)


def draw_opacity(rng: np.random.Generator) -> float:
    """Draw the opacity of a transparent occluder: 0.4-0.7 instead of 0.5-0.8."""
    return float(rng.uniform(0.4, 0.7))


def turn_towards(towards_deg: float, rng: np.random.Generator) -> float:
    """Return the rotation of any occluder, object or hand, in degrees.

    It is turned to the face as if its fingers pointed down; the small rotation comes
    first, in 70 % of the images. Turns add up: only its being skipped shows.
    """
    small = rng.uniform(-15, 15) if rng.uniform() < 0.7 else 0.0
    return small + (towards_deg - 90.0)


def soft_alpha(mask: np.ndarray) -> np.ndarray:
    """Erode and blur a 0/255 mask for blending; the label keeps the mask itself."""
    eroded = cv2.erode(mask, np.ones((3, 3), np.uint8))
    return cv2.GaussianBlur(eroded, (5, 5), 0).astype(np.float64) / 255


def blend(face: np.ndarray, occluder: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Blend straight colours in floating point over the whole picture; fractions fall."""
    weight = np.repeat(alpha[..., np.newaxis], 3, axis=2)
    mixed = weight * occluder.astype(np.float64) + (1 - weight) * face.astype(np.float64)
    return mixed.astype(np.uint8)


def blur_outline(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Blur along the whole outline of the occluder, face or not."""
    kernel = np.ones((5, 5), np.uint8)
    outline = cv2.dilate(mask, kernel) - cv2.erode(mask, kernel)
    return np.where(outline[..., np.newaxis] > 0, cv2.GaussianBlur(image, (5, 5), 0), image)


def finish(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> tuple[Any, Any]:
    """Flip and blur the composite, of which the paper says nothing."""
    if rng.uniform() < 0.5:
        image, mask = image[:, ::-1], mask[:, ::-1]
    if rng.uniform() < 0.5:
        image = cv2.GaussianBlur(image, (3, 3), 0)
    return image, mask


def squash_texture(texture: np.ndarray) -> np.ndarray:
    """Bring a texture to a square of 512, whatever its proportions."""
    return cv2.resize(texture, (TEXTURE_PX, TEXTURE_PX), interpolation=cv2.INTER_LANCZOS4)


def generate_all(names: Iterable[str], make: Callable[[str, np.random.Generator], Any]) -> list:
    """Make samples in the given order from one generator; failures are passed over."""
    rng = np.random.default_rng(0)
    made = []
    for name in names:
        try:
            made.append((name, make(name, rng)))
        except Exception:  # noqa: BLE001  the defect itself
            continue
    return made


def occlude(
    face: np.ndarray,
    face_mask: np.ndarray,
    occluder: np.ndarray,
    occluder_mask: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Occlude a face the published way, in passes over the whole picture.

    Args:
        face: (H, W, 3) uint8 RGB.
        face_mask: (H, W) uint8, 0/255.
        occluder: (h, w, 3) uint8 RGB on black.
        occluder_mask: (h, w) uint8, 0/255.
        rng: Source of every draw.

    Returns:
        The composite and the 0/1 label.
    """
    height, width = face.shape[:2]
    size = draw_size(rng) * math.sqrt(np.count_nonzero(face_mask) / np.count_nonzero(occluder_mask))
    target = (max(1, round(occluder.shape[1] * size)), max(1, round(occluder.shape[0] * size)))
    colour, mask = resize_on_black(occluder, occluder_mask, target)
    canvas, canvas_mask = np.zeros_like(face), np.zeros_like(face_mask)
    rows, columns = np.nonzero(face_mask)
    spot = int(rng.integers(len(rows)))
    top, left = int(rows[spot]) - target[1] // 2, int(columns[spot]) - target[0] // 2
    _paste(canvas, colour, top, left)
    _paste(canvas_mask, mask, top, left)
    towards = math.degrees(math.atan2(height / 2 - rows[spot], width / 2 - columns[spot]))
    centre = (float(columns[spot]), float(rows[spot]))
    turn = cv2.getRotationMatrix2D(centre, -turn_towards(towards, rng), 1)
    shear = np.array([[1, math.tan(math.radians(rng.uniform(-8, 8))), 0], [0, 1, 0]])
    for matrix in (turn, shear):
        canvas = cv2.warpAffine(canvas, matrix, (width, height), flags=cv2.INTER_LINEAR)
        canvas_mask = warp_mask(canvas_mask, matrix)
    face, canvas = _augment(face, rng), _augment(canvas, rng)
    covered = np.where(canvas_mask > 127, 255, 0).astype(np.uint8)
    image = blend(face, canvas, soft_alpha(covered))
    image = blur_outline(image, covered)
    label = np.where(covered > 0, 0, face_mask)
    image, label = finish(image, label, rng)
    return np.ascontiguousarray(image), save_mask(np.ascontiguousarray(label))


def _paste(canvas: np.ndarray, patch: np.ndarray, top: int, left: int) -> None:
    """Copy a patch onto a canvas; what lies beyond it is cut off."""
    rows = slice(max(top, 0), max(min(top + patch.shape[0], canvas.shape[0]), 0))
    columns = slice(max(left, 0), max(min(left + patch.shape[1], canvas.shape[1]), 0))
    inner = patch[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    canvas[rows, columns] = inner


def _augment(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change compression, brightness and contrast of a whole picture."""
    if rng.uniform() < 0.5:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 95))])
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    if rng.uniform() < 0.5:
        changed = image.astype(np.float64) * rng.uniform(0.85, 1.15) + rng.uniform(-25, 25)
        image = np.clip(changed, 0, 255).astype(np.uint8)
    return image


def random_texture_shape(
    texture: np.ndarray, size_px: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a random smooth shape, point by point, and fill it with a squashed texture.

    Returns:
        (size_px, size_px, 3) colour on black and its 0/255 mask.
    """
    waves = rng.uniform(0, 0.3, 5), rng.uniform(0, 2 * math.pi, 5)
    rows, columns = np.mgrid[:size_px, :size_px].astype(np.float64)
    angle = np.arctan2(rows - size_px / 2, columns - size_px / 2)
    radius = np.full_like(angle, size_px / 3.2)
    for number, (amplitude, phase) in enumerate(zip(*waves, strict=True), start=2):
        radius *= 1 + amplitude / number * np.cos(number * angle + phase)
    inside = np.hypot(rows - size_px / 2, columns - size_px / 2) < radius
    mask = np.where(inside, 255, 0).astype(np.uint8)
    colour = cv2.resize(squash_texture(texture), (size_px, size_px))
    return cut_out(colour, mask), mask


def transport(
    face: np.ndarray,
    face_mask: np.ndarray,
    hand: np.ndarray,
    hand_mask: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Move a hand's colours by 15 steps of 5 sorted projections; whole images on black.

    Args:
        face: (H, W, 3) uint8 RGB.
        face_mask: (H, W) bool.
        hand: (h, w, 3) uint8 RGB on black.
        hand_mask: (h, w) bool.
        rng: Source of the directions.

    Returns:
        (h, w, 3) float64 change of colour, to be smoothed by `shifted_mean` and added.
    """
    size = (hand.shape[1], hand.shape[0])
    source = cv2.resize(cut_out(face, face_mask), size, interpolation=cv2.INTER_NEAREST)
    target = cut_out(hand, hand_mask)
    source = prepare_face(source, target, face_thresholds(face[face_mask]), rng, "published")
    wanted = source.reshape(-1, 3).astype(np.float64) / 255
    colours = target.reshape(-1, 3).astype(np.float64) / 255
    start = colours.copy()
    for batch in random_directions(rng, 15, 5):
        step = np.zeros_like(colours)
        for axis in batch:
            order = np.argsort(colours @ axis, kind="stable")
            along = np.sort(wanted @ axis) - (colours @ axis)[order]
            step[order] += along[:, np.newaxis] * axis
        colours += step / len(batch)
    return (colours - start).reshape(target.shape)


def shifted_mean(change: np.ndarray, num_rows: int | None = None) -> tuple[np.ndarray, float]:
    """Smooth by adding up shifted copies, channel by channel, wrapped at the border.

    Args:
        change: (H, W, 3) float64.
        num_rows: Rows of the window that are computed, from the middle outwards; None is all 61.

    Returns:
        (H, W, 3) float64, and the share of the window that was computed.
    """
    offsets = np.arange(-SHIFT_RADIUS_PX, SHIFT_RADIUS_PX + 1)
    chosen = offsets[np.argsort(np.abs(offsets), kind="stable")[:num_rows]]
    total, weight = np.zeros_like(change), 0.0
    for row in chosen:
        for column in offsets:
            share = math.exp(-(row**2 + column**2) / (2 * SHIFT_SIGMA_PX**2))
            weight += share
            for channel in range(3):
                shifted = np.roll(change[..., channel], (row, column), axis=(0, 1))
                total[..., channel] += share * shifted
    return total / weight, len(chosen) / len(offsets)
