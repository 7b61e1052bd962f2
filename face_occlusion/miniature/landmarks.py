"""The 29 landmarks of COFW (Burgos-Artizzu et al. 2013) on a drawn face."""

from __future__ import annotations

import numpy as np

from face_occlusion.miniature.canvas import SUPERSAMPLE
from face_occlusion.miniature.features import (
    BROW_SPAN,
    brow_half,
    brow_line,
    eye_lids,
    mouth_edges,
    mouth_half,
)
from face_occlusion.miniature.parts import FACE_PARTS
from face_occlusion.miniature.person import Person, View
from face_occlusion.miniature.portraits import Portrait

# In the release's order; left and right are the picture's. MMPose flips the same pairs.
NAMES = (
    "left brow outer", "right brow outer", "left brow inner", "right brow inner",
    "left brow top", "left brow bottom", "right brow top", "right brow bottom",
    "left eye outer", "right eye outer", "left eye inner", "right eye inner",
    "left eye top", "left eye bottom", "right eye top", "right eye bottom",
    "left pupil", "right pupil", "nose left", "nose right", "nose tip", "nose bottom",
    "mouth left", "mouth right", "upper lip top", "upper lip bottom",
    "lower lip top", "lower lip bottom", "chin",
)  # fmt: skip


def face_landmarks(portrait: Portrait) -> tuple[np.ndarray, np.ndarray]:
    """Return the landmarks of a portrait.

    Returns:
        (29, 2) float64 (x, y) in final pixels, and (29,) bool, True where the point is hidden.
    """
    frame, head, person = portrait.frame, portrait.head, portrait.person
    points = head.on_face(_on_plane(person, frame.view, head.length))
    points[:, 2] += _lift(person)
    pixels = frame.project(points)
    column, row = np.clip(pixels.astype(int), 0, np.array(frame.shape[::-1]) - 1).T
    hidden = ~np.isin(portrait.canvas.labels[row, column], FACE_PARTS)
    hidden[NAMES.index("chin")] = _hidden_chin(portrait, row[-1], column[-1])
    return pixels / SUPERSAMPLE, hidden


def _hidden_chin(portrait: Portrait, row: int, column: int) -> bool:
    """Tell whether something lies over the chin; its point may fall just below the face."""
    return bool(portrait.canvas.labels[row, column] != portrait.uncovered[row, column])


def _on_plane(person: Person, view: View, length: float) -> np.ndarray:
    """Return the 29 points (X, Y) of the face's plane."""
    points = {}
    for side, name in ((-1, "left"), (1, "right")):
        t = np.array([0.0, 0.5, 1.0])
        brow_x = side * (BROW_SPAN[0] + (BROW_SPAN[1] - BROW_SPAN[0]) * t)
        line, half = brow_line(person, t), brow_half(person, t)
        points[f"{name} brow inner"] = (brow_x[0], line[0])
        points[f"{name} brow outer"] = (brow_x[2], line[2])
        points[f"{name} brow top"] = (brow_x[1], line[1] - half[1])
        points[f"{name} brow bottom"] = (brow_x[1], line[1] + half[1])
        upper, lower = eye_lids(person, view, np.array([-1.0, 0.0, 1.0]))
        eye = side * person.eye_x
        points[f"{name} eye inner"] = (eye - side * person.eye_size, upper[0])
        points[f"{name} eye outer"] = (eye + side * person.eye_size, upper[2])
        points[f"{name} eye top"] = (eye, upper[1])
        points[f"{name} eye bottom"] = (eye, lower[1])
        gaze_x, gaze_y = (g * person.eye_size for g in view.gaze_xy)
        points[f"{name} pupil"] = (eye + gaze_x, gaze_y - 0.012)
        points[f"nose {name}"] = (side * 0.2 * person.nose_width, person.nose_length - 0.02)
        corner = mouth_edges(person, view, np.array([float(side)]))[1, 0]
        points[f"mouth {name}"] = (side * mouth_half(person, view), corner)
    points["nose tip"] = (0, person.nose_length - 0.07)
    points["nose bottom"] = (0, person.nose_length + 0.07)
    lips = mouth_edges(person, view, np.array([0.0]))[:, 0]
    for name, y in zip(NAMES[24:28], lips, strict=True):
        points[name] = (0, y)
    points["chin"] = (0, length - 0.03)
    return np.array([points[name] for name in NAMES], float)


def _lift(person: Person) -> np.ndarray:
    """Return how far each landmark stands out from the smooth head, in units."""
    lift = np.zeros(len(NAMES))
    lift[NAMES.index("nose tip")] = 0.34 * person.nose_high
    lift[NAMES.index("nose bottom")] = 0.12
    lift[[NAMES.index("nose left"), NAMES.index("nose right")]] = 0.08
    return lift
