"""Align faces as FFHQ does: an oriented square from the eyes and the corners of the mouth.

Karras, Laine and Aila, "A Style-Based Generator Architecture for Generative Adversarial
Networks" (CVPR 2019), appendix A, and the constants of the recipe published with the data set.
Points are (x, y) in pixels; the centre of the first pixel is (0, 0).
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from face_occlusion.classes import FACE, IGNORED

# FFHQ's constants: half side of the square over the distances of the eyes, and of eyes and mouth
_EYES_TO_HALF_SIDE, _MOUTH_TO_HALF_SIDE = 2.0, 1.8
_CENTRE_SHIFT = 0.1  # of the square's centre from the eyes towards the mouth
_BORDER_FRAC, _PAD_FRAC, _BLUR_FRAC = 0.1, 0.3, 0.02  # of the square's side
_MODEL = Path("models") / "shape_predictor_68_face_landmarks.dat"


def points_of_68(landmarks: np.ndarray) -> np.ndarray:
    """Reduce 68 landmarks (iBUG 300-W) to the four points that FFHQ uses.

    Args:
        landmarks: (68, 2) pixels.

    Returns:
        (4, 2): mean of the left eye, mean of the right eye (as seen in the image), left and
        right corner of the mouth.

    Raises:
        ValueError: If the shape differs.
    """
    if landmarks.shape != (68, 2):
        raise ValueError(f"68 landmarks (x, y) expected; got shape {landmarks.shape}")
    eyes = landmarks[36:42].mean(axis=0), landmarks[42:48].mean(axis=0)
    return np.array([*eyes, landmarks[48], landmarks[54]], dtype=float)


def points_of_29(landmarks: np.ndarray) -> np.ndarray:
    """Reduce COFW's 29 landmarks to the four points that FFHQ uses.

    COFW's points 17 and 18 are the pupils, 23 and 24 the corners of the mouth, counted from 1
    (Burgos-Artizzu, Perona and Dollár, ICCV 2013).

    Args:
        landmarks: (29, 2) pixels.

    Returns:
        (4, 2): left and right pupil, left and right corner of the mouth.

    Raises:
        ValueError: If the shape differs.
    """
    if landmarks.shape != (29, 2):
        raise ValueError(f"29 landmarks (x, y) expected; got shape {landmarks.shape}")
    return landmarks[[16, 17, 22, 23]].astype(float)


def ffhq_square(points: np.ndarray) -> np.ndarray:
    """Return the square that FFHQ crops.

    Args:
        points: (4, 2): left eye, right eye, left and right corner of the mouth.

    Returns:
        (3, 2): top left corner, and the vectors along its top and its left side; pixels.

    Raises:
        ValueError: If the points coincide, so that no direction can be told.
    """
    eye_left, eye_right, mouth_left, mouth_right = points
    eyes = (eye_left + eye_right) / 2
    eye_to_eye = eye_right - eye_left
    eye_to_mouth = (mouth_left + mouth_right) / 2 - eyes
    # the mouth's direction turned by a right angle counts as much as the eyes'
    across = eye_to_eye + np.array([eye_to_mouth[1], -eye_to_mouth[0]])
    length = float(np.hypot(*across))
    if not length > 1e-6:
        raise ValueError(f"eyes and mouth coincide; got {points.tolist()}")
    half_side = max(
        _EYES_TO_HALF_SIDE * float(np.hypot(*eye_to_eye)),
        _MOUTH_TO_HALF_SIDE * float(np.hypot(*eye_to_mouth)),
    )
    right = across / length * half_side
    down = np.array([-right[1], right[0]])
    centre = eyes + _CENTRE_SHIFT * eye_to_mouth
    return np.array([centre - right - down, 2 * right, 2 * down])


def align_image(image: np.ndarray, square: np.ndarray, size_px: int) -> np.ndarray:
    """Cut a square out of an image, upright; what lies outside is padded as in FFHQ.

    Args:
        image: (H, W, 3) uint8 RGB; left unchanged.
        square: As `ffhq_square` gives it.
        size_px: Side of the result.

    Returns:
        (size_px, size_px, 3) uint8 RGB.
    """
    side = float(np.hypot(*square[1]))
    shrink = int(side / size_px / 2)
    if shrink > 1:
        size = max(1, round(image.shape[1] / shrink)), max(1, round(image.shape[0] / shrink))
        scale = np.array(size) / image.shape[1::-1]
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        square = square * scale
        square[0] += scale / 2 - 0.5
        side = float(np.hypot(*square[1]))
    padded, offset = _pad(image, square, side)
    return _warp(padded, square + np.array([offset, (0, 0), (0, 0)]), size_px)


def align_seg_map(seg_map: np.ndarray, square: np.ndarray, size_px: int) -> np.ndarray:
    """Cut a square out of class ids, by the transform of `align_image`.

    Args:
        seg_map: (H, W) uint8: 0 background, 1 face, 255 ignored.
        square: As `ffhq_square` gives it.
        size_px: Side of the result.

    Returns:
        (size_px, size_px) uint8: face where it covers at least half of a pixel; ignored where
        the pixel lies outside the photograph, whose padding repeats parts of the face.
    """
    planes = np.dstack([seg_map == FACE, seg_map != IGNORED]).astype(np.float32)
    face, known = np.moveaxis(_warp(planes, square, size_px), 2, 0)
    aligned = (face >= 0.5).astype(np.uint8)
    aligned[known < 0.5] = IGNORED
    return aligned


def _warp(image: np.ndarray, square: np.ndarray, size_px: int) -> np.ndarray:
    """Sample a square of an image, at least once a source pixel, averaged; 0 outside."""
    factor = max(1, int(np.ceil(np.hypot(*square[1]) / size_px)))
    fine = size_px * factor
    step = square[1:].T / fine  # source pixels for each step right and down
    shift = square[0] + step @ np.array([0.5, 0.5])
    matrix = np.column_stack([step, shift])
    warped = cv2.warpAffine(
        image,
        matrix,
        (fine, fine),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    if factor == 1:
        return warped
    return cv2.resize(warped, (size_px, size_px), interpolation=cv2.INTER_AREA)


def _pad(image: np.ndarray, square: np.ndarray, side: float) -> tuple[np.ndarray, tuple[int, int]]:
    """Crop an image around a square, and pad it by reflection where the square leaves it.

    The padding is blurred and fades to the crop's median.

    Returns:
        The padded crop, and by how many pixels (x, y) its content moved.
    """
    corners = square[0] + np.array([(0, 0), square[1], square[2], square[1] + square[2]])
    border = max(round(side * _BORDER_FRAC), 3)
    low = np.floor(corners.min(axis=0)).astype(int) - border
    high = np.ceil(corners.max(axis=0)).astype(int) + border
    size = np.array(image.shape[1::-1])
    start = np.clip(low, 0, size - 1)
    stop = np.clip(high, start + 1, size)
    image = image[start[1] : stop[1], start[0] : stop[0]]
    wanted = np.concatenate([start - low, high - stop])  # left, top, right, bottom
    if wanted.max() <= border - 4:
        return image, (-int(start[0]), -int(start[1]))
    left, top, right, bottom = np.maximum(wanted, round(side * _PAD_FRAC)).astype(int)
    padded = np.pad(image, ((top, bottom), (left, right), (0, 0)), mode="reflect")
    rows = np.arange(padded.shape[0], dtype=np.float32)
    columns = np.arange(padded.shape[1], dtype=np.float32)
    depth = np.minimum(  # 1 at the photograph's border and inside grows beyond; 0 far outside
        np.minimum(columns / left, columns[::-1] / right)[np.newaxis],
        np.minimum(rows / top, rows[::-1] / bottom)[:, np.newaxis],
    )
    outside = (1 - depth)[..., np.newaxis]  # (H, W, 1), 0 at the border, 1 at the far edge
    blurred = cv2.GaussianBlur(padded, (0, 0), max(side * _BLUR_FRAC, 0.1)).astype(np.float32)
    faded = padded + (blurred - padded) * np.clip(3 * outside + 1, 0, 1)
    faded += (np.median(faded, axis=(0, 1)) - faded) * np.clip(outside, 0, 1)
    moved = int(left - start[0]), int(top - start[1])
    return np.clip(np.rint(faded), 0, 255).astype(np.uint8), moved


class LandmarkDetector:
    """dlib's frontal face detector and 68 landmarks, as FFHQ used them.

    Optional: needs the packages of the extra `align` (`dlib-bin`, `face_recognition_models`).
    Picklable; each process loads the model once.

    Raises:
        ValueError: If a package is missing; says how to install it.
    """

    def __init__(self) -> None:
        for module in ("dlib", "face_recognition_models"):
            if importlib.util.find_spec(module) is None:
                raise ValueError(
                    f"landmarks: 'dlib' needs the package {module}; install it with "
                    "pip install 'face-occlusion[align]'"
                )

    def __getstate__(self) -> dict[str, Any]:
        return {}

    @cached_property
    def _dlib(self) -> tuple[Any, Any]:
        # found by path: importing face_recognition_models needs setuptools' old pkg_resources
        dlib = importlib.import_module("dlib")
        spec = importlib.util.find_spec("face_recognition_models")
        folders = [] if spec is None else list(spec.submodule_search_locations or [])
        paths = [Path(folder) / _MODEL for folder in folders]
        model = next((path for path in paths if path.is_file()), None)
        if model is None:
            raise ValueError(f"landmarks: no {_MODEL} in face_recognition_models; found {folders}")
        return dlib.get_frontal_face_detector(), dlib.shape_predictor(str(model))

    def find(self, image: np.ndarray, face: np.ndarray) -> np.ndarray | None:
        """Find the landmarks of the face that a mask shows.

        Args:
            image: (H, W, 3) uint8 RGB.
            face: (H, W) bool; of several detections, the one that overlaps it most is taken.

        Returns:
            (68, 2) float pixels, or None if no detection overlaps the mask.
        """
        detector, predictor = self._dlib
        boxes = list(detector(image, 1))  # enlarged once, as small faces need
        overlaps = [_overlap(face, box) for box in boxes]
        if not overlaps or max(overlaps) == 0:
            return None
        shape = predictor(image, boxes[int(np.argmax(overlaps))])
        return np.array([(point.x, point.y) for point in shape.parts()], dtype=float)


def _overlap(face: np.ndarray, box: Any) -> float:
    """Return the intersection over union of a face mask and a detection's box."""
    rows = slice(max(0, box.top()), max(0, box.bottom() + 1))
    columns = slice(max(0, box.left()), max(0, box.right() + 1))
    both = int(face[rows, columns].sum())
    return both / max(1, int(face.sum()) + box.area() - both)
