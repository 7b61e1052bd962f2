"""Extend the forearm of a hand to the image border.

Photographs of hands end at the wrist. Where no hand reaches a face from outside, because the
picture is large or the hand is to be small, that end would show. The arm is then continued with
the last cross-section of the hand and the texture of its skin, along the line of its sides.

The arm is painted in an upright frame of the hand: fingers up, its end the lowest row.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from face_occlusion.core.arithmetic import convolve, on_grid, product, rotate, transform
from face_occlusion.core.images import look_up, warp_affine
from face_occlusion.generation.compositing import HALF
from face_occlusion.generation.geometry import Occluder, leave_distance, make_occluder

RAGGED_FRAC = 0.06  # of a whole hand's length: its end, where the outline is unreliable
BAND_FRAC = 0.35  # of the section's width: rows above it whose texture is repeated, mirrored
SECTION_FRAC = 0.05  # rows whose mean is the cross-section
MAX_DETAIL = 4.0  # in levels: larger differences are not texture and are clipped
MIN_WIDTH = 0.75  # of a wrist, in widths of the section
WIDENING = 0.08  # of the forearm, columns a row
MAX_SLOPE = 0.35  # of the arm's sides, columns a row
MAX_SECTION_FRAC = 0.8  # of the hand's widest run: a wider section is a palm, not a wrist
MAX_STEP = 60.0  # between colours a tenth of the section apart: more is a sleeve's edge
SINGLE_RUN_FRAC = 0.97  # of the section's covered pixels, in one run
SOFT_PX = 4  # columns beyond the sides, for a soft edge


@dataclass(frozen=True)
class Wrist:
    """The end of a hand in its upright frame."""

    upright: np.ndarray  # (h, w, 4) uint8 premultiplied RGBA; its last row is the section
    to_upright: np.ndarray  # (2, 3) affine from the cut-out's pixels to those of `upright`
    left: np.ndarray  # (B,) float64 first covered column of each of the last B rows
    right: np.ndarray  # (B,) float64 last covered column


def extend_forearm(
    hand: Occluder, cutout: np.ndarray, matrix: np.ndarray, shape: tuple[int, int]
) -> tuple[Occluder, np.ndarray] | None:
    """Extend a placed hand's forearm until it leaves the picture of (H, W) `shape`.

    Args:
        hand: The hand, with a direction.
        cutout: (h, w, 4) uint8, one of its sizes.
        matrix: Affine from the pixels of that size to the picture's.
        shape: Of the picture.

    Returns:
        The hand of that size with its arm, and its affine to the picture; None if no wrist is at
        its end: the photograph cut the hand at several borders, through palm and thumb, or through
        the edge of a sleeve.
    """
    wrist = find_wrist(hand, cutout)
    if wrist is None:
        return None
    from_upright = cv2.invertAffineTransform(wrist.to_upright)
    linear = product(matrix[:, :2], from_upright[:, :2])
    corner = transform(matrix, from_upright[:, 2])
    to_picture = np.column_stack([linear, corner])
    whole, columns_left = paint_arm(wrist, _rows_needed(wrist, to_picture, shape))
    to_picture[:, 2] -= to_picture[:, 0] * columns_left
    return make_occluder(whole, key=hand.key), to_picture


def find_wrist(hand: Occluder, cutout: np.ndarray) -> Wrist | None:
    """Turn a hand upright, at one of its sizes, and find its end; None as in `extend_forearm`."""
    down = _arm_direction(hand)
    if down is None:
        return None
    to_upright = _upright(cutout.shape, 90.0 - down)
    corners = transform(to_upright, _corners(cutout.shape))
    width, height = np.rint(np.ptp(corners, axis=0)).astype(int)
    upright = warp_affine(cutout, to_upright, (int(height), int(width)))
    covered = upright[..., 3] >= HALF
    rows = np.flatnonzero(covered.any(axis=1))
    ragged = 0.0 if len(hand.cut_xy) else RAGGED_FRAC * len(rows)
    last = int(rows[-1] - round(ragged))
    section = _longest_run(covered[last])[1]
    widest = max(_longest_run(row)[1] for row in covered[: last + 1 : 4])
    is_single = section >= SINGLE_RUN_FRAC * np.count_nonzero(covered[last])
    if not is_single or section > MAX_SECTION_FRAC * widest:
        return None
    wrist = Wrist(upright[: last + 1], to_upright, *_sides(covered[: last + 1]))
    return None if _has_step(wrist) else wrist


def _has_step(wrist: Wrist) -> bool:
    """Say whether colours change abruptly along the section."""
    section = _band(wrist)[-1]
    inner = section[section[:, 3] == 255, :3].astype(np.float64)
    apart = max(1, len(inner) // 10)
    return len(inner) > apart and bool(np.abs(inner[apart:] - inner[:-apart]).max() > MAX_STEP)


def _arm_direction(hand: Occluder) -> float | None:
    """Return where the arm leaves, in degrees: through the border that cut it, or behind."""
    cut = hand.cut_xy
    if hand.pointing_deg is None:
        return None
    if not len(cut):
        return hand.pointing_deg + 180.0
    if np.ptp(cut[:, 1]) == 0:
        return -90.0 if cut[0, 1] < 0 else 90.0
    if np.ptp(cut[:, 0]) == 0:
        return 180.0 if cut[0, 0] < 0 else 0.0
    return None  # cut at several borders


def _upright(shape: tuple[int, ...], turn_deg: float) -> np.ndarray:
    """Return the (2, 3) affine that turns an (H, W) frame and puts its corner at (0, 0)."""
    linear = rotate(turn_deg)
    low = transform(linear, _corners(shape)).min(axis=0)
    return np.column_stack([linear, -low - 0.5])


def _corners(shape: tuple[int, ...]) -> np.ndarray:
    """Return the four outer corners (x, y) of an (H, W) frame."""
    right, bottom = shape[1] - 0.5, shape[0] - 0.5
    return np.array([[-0.5, -0.5], [right, -0.5], [-0.5, bottom], [right, bottom]])


def _longest_run(covered: np.ndarray) -> tuple[int, int]:
    """Return start and length of the longest run of True in (W,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], covered, [False]]).astype(np.int8)))
    if not len(edges):
        return 0, 0
    starts, ends = edges[::2], edges[1::2]
    best = int(np.argmax(ends - starts))
    return int(starts[best]), int(ends[best] - starts[best])


def _sides(covered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return first and last column of the section's run in the rows of its band, (B,) each."""
    width = _longest_run(covered[-1])[1]
    band = covered[-max(4, round(BAND_FRAC * width)) :]
    runs = np.array([_longest_run(row) for row in band], dtype=np.float64)
    return runs[:, 0], runs[:, 0] + runs[:, 1] - 1


def _rows_needed(wrist: Wrist, to_picture: np.ndarray, shape: tuple[int, int]) -> int:
    """Return how many rows of arm lead out of the picture, its slope and width included."""
    bottom = len(wrist.upright) - 1.0
    ends = np.array([[wrist.left[-1], bottom], [wrist.right[-1], bottom]])
    leaving = transform(to_picture[:, :2], _slope(wrist))
    scale = math.sqrt(leaving[0] ** 2 + leaving[1] ** 2)
    back = leave_distance(transform(to_picture, ends), -leaving / scale, shape)
    width = wrist.right[-1] - wrist.left[-1]
    return max(1, math.ceil(back / scale + width))


def _slope(wrist: Wrist) -> np.ndarray:
    """Return the step (x, y) of the arm's middle line from row to row."""
    middle = (wrist.left + wrist.right) / 2
    bend = (middle[-1] - middle[0]) / max(len(middle) - 1, 1)
    return np.array([np.clip(bend, -MAX_SLOPE, MAX_SLOPE), 1.0])


def _widths(wrist: Wrist, num_rows: int) -> np.ndarray:
    """Return the arm's width in each row: it narrows to the wrist, then widens slowly."""
    widths = wrist.right - wrist.left + 1
    first = widths[-1]
    growth = np.clip((first - widths[0]) / max(len(widths) - 1, 1), -MAX_SLOPE, WIDENING)
    rows = np.arange(1, num_rows + 1)
    reach = first / 2  # rows after which the slope at the cut has faded
    narrowed = first + (growth - WIDENING) * reach * (1 - on_grid(np.exp(-rows / reach)))
    forearm = np.minimum(WIDENING * rows, first / 2)
    return np.maximum(narrowed, MIN_WIDTH * first) + forearm


def paint_arm(wrist: Wrist, num_rows: int) -> tuple[np.ndarray, int]:
    """Paint `num_rows` rows of arm under an upright hand.

    Returns (h + num_rows, w', 4) uint8 premultiplied RGBA, and the columns that the frame gained on
    the left.
    """
    strip = _arm_strip(wrist, num_rows)
    widths = _widths(wrist, num_rows)
    middle = (wrist.left[-1] + wrist.right[-1]) / 2
    first = middle + _slope(wrist)[0] * np.arange(1, num_rows + 1) - (widths - 1) / 2
    gained_left = max(0, math.ceil(SOFT_PX * 2 - first.min()))
    right_end = math.ceil((first + widths).max()) + 2 * SOFT_PX
    gained_right = max(0, right_end - wrist.upright.shape[1])
    hand = cv2.copyMakeBorder(
        wrist.upright, 0, 0, gained_left, gained_right, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0)
    )
    columns = np.arange(hand.shape[1]) - gained_left
    stretch = (strip.shape[1] - 2 * SOFT_PX - 1) / np.maximum(widths - 1, 1)
    map_x = (columns - first[:, np.newaxis]) * stretch[:, np.newaxis] + SOFT_PX
    map_y = np.broadcast_to(np.arange(num_rows)[:, np.newaxis], map_x.shape)
    return np.concatenate([hand, look_up(strip, map_x, map_y)]), gained_left


def _arm_strip(wrist: Wrist, num_rows: int) -> np.ndarray:
    """Return the arm's colours between its sides, (num_rows, W + 2 SOFT_PX, 4) uint8.

    Each row is the mean of the last rows of the hand, plus the fine texture of the rows above
    them, forwards and backwards.
    """
    band = _band(wrist).astype(np.float32)
    num_band, width = band.shape[0], band.shape[1] - 2 * SOFT_PX
    section = band[-max(2, round(SECTION_FRAC * width)) :].mean(axis=0)
    detail = band - _blurred(band, max(1.0, 0.04 * width))
    detail = np.clip(detail, -MAX_DETAIL, MAX_DETAIL) * (band[..., 3:] == 255) * [1, 1, 1, 0]
    there = np.arange(num_rows) % (2 * num_band - 2)
    strip = _faded(section, num_rows) + detail[np.abs(num_band - 1 - there)]  # last row first
    return np.rint(np.clip(strip, 0, section[:, 3:])).astype(np.uint8)


def _faded(section: np.ndarray, num_rows: int) -> np.ndarray:
    """Repeat a section, (W, 4) float32 premultiplied; its lines fade within a width."""
    soft = _blurred(section[np.newaxis], max(1.0, 0.08 * len(section)))[0]
    soft = np.divide(soft * section[:, 3:], soft[:, 3:], out=section.copy(), where=soft[:, 3:] > 0)
    share = np.minimum(np.arange(num_rows) / len(section), 1)[:, np.newaxis, np.newaxis]
    return section + share * (soft - section)


def _blurred(field: np.ndarray, sigma_px: float) -> np.ndarray:
    """Blur (H, W, 4) float32 with a Gaussian cut at four sigma, mirrored at the borders."""
    radius = math.ceil(4 * sigma_px)
    return convolve(field, cv2.getGaussianKernel(2 * radius + 1, sigma_px), cv2.BORDER_REFLECT_101)


def _band(wrist: Wrist) -> np.ndarray:
    """Return the last rows between the hand's sides, each stretched to one width."""
    num_band, width = len(wrist.left), int(wrist.right[-1] - wrist.left[-1]) + 1
    across = (np.arange(width + 2 * SOFT_PX) - SOFT_PX) / max(width - 1, 1)
    extent = (wrist.right - wrist.left)[:, np.newaxis]
    map_x = wrist.left[:, np.newaxis] + across * extent
    rows = np.arange(len(wrist.upright) - num_band, len(wrist.upright))
    return look_up(wrist.upright, map_x, np.broadcast_to(rows[:, np.newaxis], map_x.shape))
