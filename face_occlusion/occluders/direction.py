"""Find where a hand's fingers point, and where its arm leaves the photograph, from its mask."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from face_occlusion.occluders.cutout import largest_piece

_WORK_PX = 256  # the longer side at which directions are found: fingers are then 8-20 px wide
_FAR_FRAC = 0.75  # of the distance to the farthest fingertip: nearer pixels do not point
_ARM_DEG = 60  # pixels within this angle of the arm belong to it
_MIN_AGREEMENT = 0.5  # length of the mean of the far pixels' directions; 0 = all around
_MIN_CONTACT_FRAC = 0.1  # of the palm's diameter: a shorter contact with the border is no arm


@dataclass(frozen=True, kw_only=True)
class HandPose:
    """How a hand lies in its photograph.

    Attributes:
        pointing_deg: Where the fingers point; 0 = right (+x), 90 = down (+y), in (-180, 180].
        found_by: `fingers`, `arm` (opposite of where it leaves) or `axis` (the longer axis).
        enters: Edge of the photograph at which the arm comes in: none, left, right, top, bottom.
        palm_xy: Centre of the palm, pixels.
        palm_radius_px: Radius of the largest disc inside the hand.
    """

    pointing_deg: float
    found_by: str
    enters: str
    palm_xy: tuple[float, float]
    palm_radius_px: float


def find_pose(mask: np.ndarray) -> HandPose:
    """Find a hand's pose from its mask.

    The palm is the largest disc inside the hand. Fingertips are the parts farthest from it that
    do not lie towards the border which cuts the arm: longer than the thumb and, where the arm
    ends inside the photograph, than the wrist. The fingers point from the palm's centre to
    their mean. If the farthest parts lie all around, as on a fist, they point away from the
    arm; without an arm, along the longer axis towards the end farther from the palm.

    Args:
        mask: (H, W) bool, one piece, on the whole photograph's canvas.

    Raises:
        ValueError: If the mask is empty.
    """
    if not mask.any():
        raise ValueError("an empty mask")
    scale = min(1.0, _WORK_PX / max(mask.shape))
    size = max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale))
    small = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) >= 0.5
    small = largest_piece(small) if small.any() else np.ones_like(small)
    radius, palm = _palm(small)
    enters, contact_xy = _arm(small, radius)
    vector, found_by = _finger_vector(small, palm, contact_xy), "fingers"
    if vector is None and contact_xy is not None:
        vector, found_by = palm - contact_xy, "arm"
    if vector is None or not np.hypot(*vector) > 0:
        vector, found_by = _axis_vector(small, palm), "axis"
    return HandPose(
        pointing_deg=float(np.rad2deg(np.arctan2(vector[1], vector[0]))),
        found_by=found_by,
        enters=enters,
        palm_xy=(float(palm[0] / scale), float(palm[1] / scale)),
        palm_radius_px=float(radius / scale),
    )


def _palm(mask: np.ndarray) -> tuple[float, np.ndarray]:
    """Return radius and centre (x, y) of the largest disc inside a mask and its photograph."""
    framed = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return float(depth[row, column]), np.array([float(column), float(row)])


def _arm(mask: np.ndarray, radius: float) -> tuple[str, np.ndarray | None]:
    """Return the edge of the photograph that the mask touches most, and where (x, y)."""
    height, width = mask.shape
    edges = {"top": mask[0], "bottom": mask[-1], "left": mask[:, 0], "right": mask[:, -1]}
    enters = max(edges, key=lambda edge: int(edges[edge].sum()))
    touched = np.flatnonzero(edges[enters])
    if len(touched) < max(2.0, _MIN_CONTACT_FRAC * 2 * radius):
        return "none", None
    along = float(touched.mean())
    across = {"top": (along, 0), "bottom": (along, height - 1), "left": (0, along)}
    return enters, np.array(across.get(enters, (width - 1, along)), dtype=float)


def _finger_vector(
    mask: np.ndarray, palm: np.ndarray, arm_xy: np.ndarray | None
) -> np.ndarray | None:
    """Return the mean of (fingertip pixel - palm centre), None if they lie all around."""
    rows, columns = np.nonzero(mask)
    offsets = np.stack([columns, rows], axis=1) - palm  # (N, 2)
    distance = np.maximum(np.hypot(offsets[:, 0], offsets[:, 1]), 1e-6)
    directions = offsets / distance[:, np.newaxis]
    if arm_xy is not None:
        arm = (arm_xy - palm) / max(float(np.hypot(*(arm_xy - palm))), 1e-6)
        apart = directions @ arm < np.cos(np.deg2rad(_ARM_DEG))
        offsets, distance, directions = offsets[apart], distance[apart], directions[apart]
    if not len(offsets):
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
    axis = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    along = offsets @ axis
    return axis if along.max() >= -along.min() else -axis
