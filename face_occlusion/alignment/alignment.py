"""Align faces as FFHQ does: an oriented square from the eyes and the corners of the mouth.

Karras, Laine and Aila, "A Style-Based Generator Architecture for Generative Adversarial
Networks" (CVPR 2019), appendix A, and the constants of the recipe published with the data set.
Points are (x, y) in pixels; the centre of the first pixel is (0, 0).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from face_occlusion.alignment.landmarks import points_of
from face_occlusion.core.classes import FACE, IGNORED
from face_occlusion.core.images import warp_affine

# FFHQ's constants: half side of the square over the distances of the eyes, and of eyes and mouth
_EYES_TO_HALF_SIDE, _MOUTH_TO_HALF_SIDE = 2.0, 1.8
_CENTRE_SHIFT = 0.1  # of the square's centre from the eyes towards the mouth
_BORDER_FRAC, _PAD_FRAC, _BLUR_FRAC = 0.1, 0.3, 0.02  # of the square's side


@dataclass(frozen=True)
class Aligned:
    """An aligned face."""

    image: np.ndarray  # (S, S, 3) uint8 RGB
    square: np.ndarray  # (3, 2) of `ffhq_square`

    @property
    def to_photograph(self) -> np.ndarray:
        """(2, 3) float affine from pixels (x, y) of the image to those of the photograph."""
        return _from_aligned(self.square, len(self.image))


def align(image: np.ndarray, landmarks: np.ndarray, size_px: int) -> Aligned:
    """Align a face as FFHQ does, to a side of `size_px`; FFHQ has 1024.

    The landmarks, (N, 2) pixels of the photograph, are those that `points_of` knows. Another
    number, or points that coincide, are a ValueError.
    """
    square = ffhq_square(points_of(landmarks))
    return Aligned(align_image(image, square, size_px), square)


def _from_aligned(square: np.ndarray, size_px: int) -> np.ndarray:
    """Return the (2, 3) affine from pixels of an aligned image to those of the photograph."""
    step = square[1:].T / size_px  # source pixels for each step right and down
    return np.column_stack([step, square[0] + step.sum(axis=1) / 2])


def ffhq_square(points: np.ndarray) -> np.ndarray:
    """Return the square that FFHQ crops, of (4, 2) points as `points_of` gives them.

    It is (3, 2): top left corner, and the vectors along its top and its left side, in pixels of the
    photograph. Points that coincide, so that the face has no direction, are a ValueError.
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
    by_eyes = _EYES_TO_HALF_SIDE * float(np.hypot(*eye_to_eye))
    half_side = max(by_eyes, _MOUTH_TO_HALF_SIDE * float(np.hypot(*eye_to_mouth)))
    right = across / length * half_side
    down = np.array([-right[1], right[0]])
    centre = eyes + _CENTRE_SHIFT * eye_to_mouth
    return np.array([centre - right - down, 2 * right, 2 * down])


def align_image(image: np.ndarray, square: np.ndarray, size_px: int) -> np.ndarray:
    """Cut a square, as of `ffhq_square`, out of an image, (H, W, 3) uint8 RGB, and turn it upright.

    What lies outside is padded as FFHQ does. Returns (size_px, size_px, 3) uint8 RGB.
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
    """Cut a square out of (H, W) uint8 class ids, with the transform of `align_image`.

    Returns (size_px, size_px) uint8: face where it covers at least half of a pixel; ignored where
    the pixel lies outside the photograph, whose padding repeats parts of the face.
    """
    planes = (seg_map == FACE, seg_map != IGNORED)
    face, known = (_warp(plane * np.uint8(255), square, size_px) for plane in planes)
    aligned = (face >= 128).astype(np.uint8)
    aligned[known < 128] = IGNORED
    return aligned


def _warp(image: np.ndarray, square: np.ndarray, size_px: int) -> np.ndarray:
    """Sample a square of an image, at least once for each source pixel, averaged; 0 outside."""
    factor = max(1, int(np.ceil(np.hypot(*square[1]) / size_px)))
    fine = size_px * factor
    to_fine = cv2.invertAffineTransform(_from_aligned(square, fine))
    warped = warp_affine(image, to_fine, (fine, fine))
    if factor == 1:
        return warped
    return cv2.resize(warped, (size_px, size_px), interpolation=cv2.INTER_AREA)


def _pad(image: np.ndarray, square: np.ndarray, side: float) -> tuple[np.ndarray, tuple[int, int]]:
    """Crop an image around a square, and pad it by reflection where the square leaves it.

    The padding is blurred and fades to the crop's median. Returns the padded crop, and by how many
    pixels (x, y) its content moved.
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
