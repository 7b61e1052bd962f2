"""Where an occluder goes: size, rotation and position relative to the face.

A placement is drawn, then checked on a small map of the face; one that covers too little or too
much, or shows where a hand was cut off, is drawn again (D18). Drawing uses the generator alone;
the numbers drawn, and the affine they give, are the placement's record.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from face_occlusion.generation.compositing import at_level, pick_level, transform
from face_occlusion.generation.occluder import Occluder, convex_hull, halve, thinned
from face_occlusion.generation.params import GenerateParams, draw_uniform

SMALL_PX = 128  # limit of the longer side of the map on which a draw is tried
CUT_MARGIN_PX = 3.0  # a cut lies at least this far outside the picture: no blur brings it back
BARELY = 0.6  # of the way from the centre to the rim: fingertips reach at least this far in


@dataclass(frozen=True)
class FaceGeometry:
    """A face's size and place.

    Attributes:
        shape: (H, W) of the image.
        area_px: Pixels of the face.
        centre_xy: (2,) centre of mass.
        size_xy: (2,) width and height of its bounding box.
        hull_xy: (N, 2) convex hull.
        small: (h, w) float32 share of face in each cell of a small map.
        cell_px: Image pixels to one cell of the small map, a power of two.
    """

    shape: tuple[int, int]
    area_px: int
    centre_xy: np.ndarray
    size_xy: np.ndarray
    hull_xy: np.ndarray
    small: np.ndarray
    cell_px: int


def measure_face(face_mask: np.ndarray) -> FaceGeometry:
    """Measure where the face is.

    Args:
        face_mask: (H, W) uint8, 255 where there is face, 0 elsewhere.

    Raises:
        ValueError: If there is no face in it.
    """
    area = cv2.countNonZero(face_mask)
    if not area:
        raise ValueError("the mask has no face pixel; there is nothing to occlude")
    height, width = face_mask.shape
    shares, cell = face_mask, 1
    while max(shares.shape) > SMALL_PX:
        shares, cell = halve(shares), 2 * cell
    moments = cv2.moments(shares)
    centre = np.array([moments["m10"], moments["m01"]]) / moments["m00"]
    hull = thinned(convex_hull(shares, least=min(128, int(shares.max()))))
    hull = (hull + 0.5) * cell - 0.5
    return FaceGeometry(
        shape=(height, width),
        area_px=area,
        centre_xy=(centre + 0.5) * cell - 0.5,
        size_xy=np.ptp(hull, axis=0) + cell,
        hull_xy=hull,
        small=shares.astype(np.float32) / 255,
        cell_px=cell,
    )


def face_size_px(face: FaceGeometry) -> float:
    """Return the face's size: the square root of its area, in pixels."""
    return math.sqrt(face.area_px)


def draw_linear(
    area_px: float,
    face: FaceGeometry,
    rng: np.random.Generator,
    params: GenerateParams,
    *,
    pointing_deg: float | None = None,
    towards_deg: float | None = None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Draw size, shear and rotation.

    The scale is chosen last, so that the root of the area ratio is the size drawn whatever shear
    and rotation do (Q21, D7). A hand is first turned until its fingers point along `towards_deg`,
    then by the small rotation, always in this order (Q25, D14, D15).

    Args:
        area_px: Area of the occluder before the transform.
        face: The face.
        rng: Source of the draw.
        params: Ranges of size, shear, rotation and place.
        pointing_deg: Direction of the fingers before the transform; None turns nothing.
        towards_deg: Direction they shall have.

    Returns:
        The (2, 2) linear part, occluder pixels to image pixels, and the record.
    """
    size = draw_uniform(rng, params.scale_range)
    shear = draw_uniform(rng, params.shear_deg_range)
    rotation = draw_uniform(rng, params.rotation_deg_range)
    sheared = np.array([[1.0, math.tan(math.radians(shear))], [0.0, 1.0]])
    turn = 0.0
    if towards_deg is not None and pointing_deg is not None:
        pointing = sheared @ direction(pointing_deg)
        turn = towards_deg - math.degrees(math.atan2(pointing[1], pointing[0]))
    linear = rotate(turn + rotation) @ sheared
    scale = size * math.sqrt(face.area_px / (area_px * abs(np.linalg.det(linear))))
    record = {"size": size, "shear_deg": shear, "rotation_deg": rotation, "turn_deg": turn % 360}
    return scale * linear, record


def direction(angle_deg: float) -> np.ndarray:
    """Return the unit vector (x, y) of an angle: 0 right, 90 down."""
    return np.array([math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))])


def rotate(angle_deg: float) -> np.ndarray:
    """Return the (2, 2) rotation that adds `angle_deg` to a direction."""
    cosine, sine = direction(angle_deg)
    return np.array([[cosine, -sine], [sine, cosine]])


def place_hand(
    occluder: Occluder,
    face: FaceGeometry,
    rng: np.random.Generator,
    params: GenerateParams,
    *,
    any_end: bool = False,
) -> tuple[np.ndarray, dict[str, Any]] | None:
    """Draw a hand that reaches for the face's centre from outside the picture (Q24, Q25).

    The hand comes from a random side and slides along its own axis, between touching the face's
    rim and reaching across it. Its wrist, or where the photograph cut it off, stays outside.

    Args:
        occluder: The hand.
        face: The face.
        rng: Source of the draw.
        params: Ranges of size, shear and rotation.
        any_end: Let the hand end in the picture, too.

    Returns:
        The (2, 3) affine and the record, or None if the hand is too short for the way.
    """
    towards = rng.uniform(0, 360)
    linear, record = draw_linear(
        occluder.area_px,
        face,
        rng,
        params,
        pointing_deg=occluder.pointing_deg,
        towards_deg=towards,
    )
    slide = rng.uniform()
    along = direction(towards)
    hull = (occluder.hull_xy - occluder.centre_xy) @ linear.T
    outside = np.zeros((0, 2)) if any_end else np.vstack([occluder.cut_xy, occluder.wrist_xy])
    cut = (outside - occluder.centre_xy) @ linear.T + face.centre_xy
    tip = float((hull @ along).max())
    across = float(((face.hull_xy - face.centre_xy) @ along).max())
    rim = float(((face.centre_xy - face.hull_xy) @ along).max())
    nearest = max(tip - across, leave_distance(cut, along, face.shape))
    farthest = tip + BARELY * rim
    if nearest > farthest:
        return None
    distance = nearest + slide * (farthest - nearest)
    centre = face.centre_xy - distance * along
    record |= {"towards_deg": towards, "slide": slide, "distance_px": distance}
    return affine(linear, occluder.centre_xy, centre), record


def leave_distance(points: np.ndarray, along: np.ndarray, shape: tuple[int, int]) -> float:
    """Return how far back along `-along` points must move until all lie outside the picture.

    Args:
        points: (N, 2) positions before the move.
        along: (2,) unit vector.
        shape: (H, W) of the picture.
    """
    if not len(points):
        return -math.inf
    last = np.array([shape[1], shape[0]]) - 1.0
    rim = np.where(along > 0, -CUT_MARGIN_PX - 0.5, last + CUT_MARGIN_PX + 0.5)
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = (points - rim) / along  # per axis; either one is enough
    return float(np.nanmin(np.where(np.abs(along) > 1e-9, needed, np.inf), axis=1).max())


def place_around(
    area_px: float,
    centre_xy: np.ndarray,
    face: FaceGeometry,
    rng: np.random.Generator,
    params: GenerateParams,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Draw a place around the face's centre; nothing is turned toward it (Q24, D13).

    Args:
        area_px: Area of the occluder before the transform.
        centre_xy: (2,) its centre before the transform.
        face: The face.
        rng: Source of the draw.
        params: Ranges of size, shear, rotation and place.

    Returns:
        The (2, 3) affine and the record.
    """
    linear, record = draw_linear(area_px, face, rng, params)
    offset = [draw_uniform(rng, params.offset_frac_range) for _ in range(2)]
    centre = face.centre_xy + np.array(offset) * face.size_xy
    record |= {"offset_frac": offset}
    return affine(linear, centre_xy, centre), record


def affine(linear: np.ndarray, origin: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the (2, 3) affine with this linear part that takes `origin` to `target`."""
    return np.column_stack([linear, target - linear @ origin])


def estimate_covered(occluder: Occluder, matrix: np.ndarray, face: FaceGeometry) -> float:
    """Estimate the share of the face that a placement covers, on the small map."""
    to_small = np.array(matrix, dtype=np.float64)
    to_small[:, 2] += 0.5
    to_small /= face.cell_px
    to_small[:, 2] -= 0.5
    level = pick_level(to_small, len(occluder.levels))
    height, width = face.small.shape
    alpha = cv2.warpAffine(
        occluder.levels[level][..., 3], at_level(to_small, level), (width, height), borderValue=(0,)
    )
    return float((face.small * alpha).sum() / (255 * face.small.sum()))


def ends_outside(occluder: Occluder, matrix: np.ndarray, shape: tuple[int, int]) -> bool:
    """Say whether every cut of the occluder, and a hand's wrist, lies outside the picture."""
    points = transform(matrix, np.vstack([occluder.cut_xy, occluder.wrist_xy]))
    outside = (points < -0.5) | (points > np.array([shape[1], shape[0]]) - 0.5)
    return bool(outside.any(axis=1).all())
