"""Find from a hand's mask where its fingers point, and where its arm leaves the photograph."""

from dataclasses import dataclass

import cv2
import numpy as np

from face_occlusion.core.images import reduced
from face_occlusion.cutouts import largest_piece

_WORK_PX = 192  # the longer side at which directions are found: fingers are then 6-15 px wide
_FAR_FRAC = 0.75  # of the distance to the farthest fingertip: nearer pixels do not count
_THUMB_DEG = 60  # what leaves the hand at a larger angle to its arm is the thumb
_MIN_AGREEMENT = 0.5  # length of the mean of the far pixels' directions; 0 = all around
_MIN_CONTACT_FRAC = 0.3  # of the thickest place's diameter: a shorter contact is no arm
_HAND_FRAC = 4.0  # of the palm's radius: a mask shorter than this holds no arm
_STUMP_FRAC = 1.4  # an arm's end is thicker than a finger's by this, where none meets the border
_PALM_FRAC = 0.5  # a palm is at least this thick, relative to the thickest place of hand and arm
_NARROWS_FRAC = 0.87  # where a hand is thinner than this share of its palm, its wrist begins
_WIDENS_FRAC = 1.1  # and ends where it is thicker than this times the narrowest place
_WAIST_FRAC = 1.05  # of the narrowest depth: places up to this belong to the waist
_FIST_FRAC = 1.7  # of the palm's radius: a hand that reaches less far shows no fingers


@dataclass(frozen=True, kw_only=True)
class HandPose:
    """How a hand lies in its photograph."""

    pointing_deg: float  # of the fingers; 0 = right (+x), 90 = down (+y), in (-180, 180]
    found_by: str  # `fingers`, `arm` (from the wrist to the palm) or `axis` (the longer axis)
    enters: str  # edge at which the arm comes in: none, left, right, top, bottom


@dataclass(frozen=True)
class _Palm:
    """The palm (x, y), its radius; the wrist (x, y), None if unknown; the hand without its arm."""

    centre: np.ndarray
    radius: float
    wrist: np.ndarray | None
    hand: np.ndarray


def find_pose(mask: np.ndarray) -> HandPose:
    """Find a hand's pose from its mask, which may hold the bare arm up to the shoulder.

    The arm is where the mask leaves the photograph, or else the thicker of its two ends. Going
    from the fingertips towards it, the palm is the first thick place, the wrist the narrowest one
    behind it. Fingers are what lies farthest from the palm, except a thumb at the side; a fist
    points from its wrist to its palm. In a mask without arm, cut at the wrist, the palm is the
    largest disc inside, and the hand points to the parts farthest from it. If these lie all
    around, it points along its longer axis, towards the end farther from the palm.

    The mask, (H, W) bool, is one piece on the whole photograph's canvas; an empty one is a
    ValueError.
    """
    if not mask.any():
        raise ValueError("the mask is empty")
    small = reduced(mask.astype(np.float32), _WORK_PX) >= 0.5
    small = largest_piece(small) if small.any() else np.ones_like(small)
    framed = cv2.copyMakeBorder(small.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    # each pixel's distance to the outline or to the photograph's border
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1]
    enters, contact = _contact(small, float(depth.max()))
    arm = contact if contact is not None else _stump(small, depth)
    palm = _find_palm(small, depth, arm)
    vector, found_by = _finger_vector(palm), "fingers"
    if vector is None and palm.wrist is not None:
        vector, found_by = palm.centre - palm.wrist, "arm"
    if vector is None or not np.hypot(*vector) > 0:
        vector, found_by = _axis_vector(small, palm.centre), "axis"
    return HandPose(
        pointing_deg=float(np.rad2deg(np.arctan2(vector[1], vector[0]))),
        found_by=found_by,
        enters=enters,
    )


def _contact(mask: np.ndarray, radius: float) -> tuple[str, np.ndarray | None]:
    """Return the edge at which the arm leaves, and its pixels there, (H, W) bool or None.

    The longest contact with the photograph's border counts; it may extend around a corner.
    """
    height, width = mask.shape
    ring = np.array(  # (row, column) once around, clockwise
        [(0, x) for x in range(width)]
        + [(y, width - 1) for y in range(1, height)]
        + [(height - 1, x) for x in range(width - 2, -1, -1)]
        + [(y, 0) for y in range(height - 2, 0, -1)]
    )
    touched = mask[ring[:, 0], ring[:, 1]]
    if touched.all():
        return "none", None
    start = int(np.argmin(touched))  # turn the ring so that no contact is split
    ring, touched = np.roll(ring, -start, axis=0), np.roll(touched, -start)
    changes = np.flatnonzero(np.diff(np.concatenate([[0], touched, [0]])))
    runs = changes.reshape(-1, 2)
    if not len(runs):
        return "none", None
    first, last = max(runs.tolist(), key=lambda run: run[1] - run[0])
    if last - first < max(2.0, _MIN_CONTACT_FRAC * 2 * radius):
        return "none", None
    rows, columns = ring[first:last].T
    contact = np.zeros_like(mask)
    contact[rows, columns] = True
    edges = {"top": rows == 0, "bottom": rows == height - 1, "left": columns == 0}
    edges["right"] = columns == width - 1
    return max(edges, key=lambda edge: int(edges[edge].sum())), contact


def _steps_from(mask: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return how many steps inside the mask each pixel lies from a start, -1 outside.

    Steps go to 4 and to 8 neighbours in turn, which is nearly as long in every direction.
    """
    shapes = (cv2.MORPH_CROSS, cv2.MORPH_RECT)
    kernels = [cv2.getStructuringElement(shape, (3, 3)) for shape in shapes]
    plane, steps = mask.astype(np.uint8), np.full(mask.shape, -1)
    reached = (start & mask).astype(np.uint8)
    steps[reached > 0] = 0
    step = stalled = 0
    while stalled < 2:
        step += 1
        grown = np.minimum(cv2.dilate(reached, kernels[step % 2]), plane)
        new = grown > reached
        stalled = 0 if new.any() else stalled + 1
        steps[new] = step
        reached = grown
    return steps


def _farthest(steps: np.ndarray) -> np.ndarray:
    """Return the (first) pixel of most steps, as (H, W) bool."""
    end = np.zeros(steps.shape, bool)
    end.flat[int(np.argmax(steps))] = True
    return end


def _stump(mask: np.ndarray, depth: np.ndarray) -> np.ndarray | None:
    """Return the end of an arm that ends inside the photograph, None if no end is one."""
    radius = float(depth.max())
    one = _farthest(_steps_from(mask, depth == radius))
    steps = _steps_from(mask, one)
    ends = [one, _farthest(steps)]
    thick = [
        float(depth[(near := _steps_from(mask, end)) >= 0][near[near >= 0] <= radius].max())
        for end in ends
    ]
    thin, thicker = sorted((0, 1), key=lambda place: thick[place])
    if int(steps.max()) < _HAND_FRAC * radius:
        return None
    if thick[thicker] >= _STUMP_FRAC * thick[thin]:
        return ends[thicker]
    if thick[thin] < _PALM_FRAC * radius:
        return None  # fingers at both ends
    return ends[_end_behind_the_wrist(steps, depth)]


def _end_behind_the_wrist(steps: np.ndarray, depth: np.ndarray) -> int:
    """Return which end is the arm's (0: the first, 1: the last) where both ends are thick.

    The wrist is nearer to a fist than to the arm's end; half-way, the hand is the thicker part.
    """
    profile = _profile(steps, depth)
    ends = len(profile) // 6  # left out at both ends
    inner = profile[ends : len(profile) - ends]
    waist = ends + int(np.median(np.flatnonzero(inner <= _WAIST_FRAC * inner.min())))
    share = waist / len(profile)
    if 0.4 < share < 0.6:
        return int(profile[:waist].max() > profile[waist:].max())
    return int(share < 0.5)


def _profile(steps: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Return the depth of the thickest place at each number of steps."""
    profile = np.zeros(int(steps.max()) + 1)
    inside = steps >= 0
    np.maximum.at(profile, steps[inside], depth[inside])
    return profile


def _find_palm(mask: np.ndarray, depth: np.ndarray, arm: np.ndarray | None) -> _Palm:
    """Find palm and wrist on the way from the fingertips to the arm, or else the largest disc."""
    if arm is None:
        row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
        return _Palm(np.array([float(column), float(row)]), float(depth.max()), None, mask)
    steps = _steps_from(mask, arm)
    profile = _profile(steps, depth)[::-1]  # from the fingertips
    last = len(profile) - 1
    palm, wrist = int(np.argmax(profile)), last
    best = 0
    for place, value in enumerate(profile):
        if value > profile[best]:
            best = place
        if value < _NARROWS_FRAC * profile[best] and profile[best] >= _PALM_FRAC * profile.max():
            palm = best
            wrist = _narrowest(profile, place)
            break
    at_palm = (steps == last - palm) & (depth == profile[palm])
    row, column = np.argwhere(at_palm)[0]
    rows, columns = np.nonzero(steps == last - wrist)
    return _Palm(
        centre=np.array([float(column), float(row)]),
        radius=float(profile[palm]),
        wrist=np.array([columns.mean(), rows.mean()]),
        hand=steps >= last - wrist,
    )


def _narrowest(profile: np.ndarray, start: int) -> int:
    """Return the narrowest place from `start` on, before the profile widens again."""
    best = start
    for place in range(start, len(profile)):
        if profile[place] < profile[best]:
            best = place
        elif profile[place] > _WIDENS_FRAC * profile[best]:
            break
    return best


def _finger_vector(palm: _Palm) -> np.ndarray | None:
    """Return the mean of (fingertip pixel - palm centre), None if no fingers are found."""
    rows, columns = np.nonzero(palm.hand)
    offsets = np.stack([columns, rows], axis=1) - palm.centre  # (N, 2)
    distance = np.maximum(np.hypot(offsets[:, 0], offsets[:, 1]), 1e-6)
    directions = offsets / distance[:, np.newaxis]
    if palm.wrist is not None:
        arm = palm.centre - palm.wrist
        arm = arm / max(float(np.hypot(*arm)), 1e-6)
        ahead = (directions * arm).sum(axis=1) > np.cos(np.deg2rad(_THUMB_DEG))
        offsets, distance, directions = offsets[ahead], distance[ahead], directions[ahead]
        if not len(offsets) or distance.max() < _FIST_FRAC * palm.radius:
            return None
    far = distance >= _FAR_FRAC * distance.max()
    if np.hypot(*directions[far].mean(axis=0)) < _MIN_AGREEMENT:
        return None
    return offsets[far].mean(axis=0)


def _axis_vector(mask: np.ndarray, palm: np.ndarray) -> np.ndarray:
    """Return the longer axis of a mask, towards its end farther from the palm."""
    rows, columns = np.nonzero(mask)
    offsets = np.stack([columns, rows], axis=1) - palm
    centred = offsets - offsets.mean(axis=0)
    x, y = centred.T  # no matrix product: BLAS rounds one as the CPU's kind allows
    turn = np.arctan2(2 * (x * y).sum(), (x * x).sum() - (y * y).sum()) / 2
    axis = np.array([np.cos(turn), np.sin(turn)])
    along = (offsets * axis).sum(axis=1)
    return axis if along.max() >= -along.min() else -axis
