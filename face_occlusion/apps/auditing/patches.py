"""Training samples for the auditor: turned, relit, and covered by pieces of other samples."""

from __future__ import annotations

import cv2
import numpy as np

from face_occlusion.apps.auditing.samples import Samples

_TURN_DEG, _ZOOM_RANGE, _SHIFT_FRAC = 15, (0.9, 1.15), 0.06
_PIECE_FRAC_RANGE = (0.12, 0.4)  # a piece's longest radius / side of the image
_SUBPIXEL_BITS = 4


def draw_batch(
    samples: Samples, indices: np.ndarray, cover_prob: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Augment samples, some covered by a piece of another one of them: background, whatever it is.

    Who has learnt from right masks of bare faces only takes a hand before a face for face.

    Args:
        samples: What to draw from; left unchanged.
        indices: (B,) which.
        cover_prob: How many of them are covered, in [0, 1].
        rng: Decides.

    Returns:
        (B, S, S, 3) float32 images, (B, S, S) float32 shares of face, and weights, all in [0, 1].
    """
    drawn = [
        _draw(samples, index, int(other), cover_prob, rng)
        for index, other in zip(indices, rng.permutation(indices), strict=True)
    ]
    images, faces, weights = (np.stack(pixels) for pixels in zip(*drawn, strict=True))
    return images, faces, weights


def _draw(
    samples: Samples, index: int, other: int, cover_prob: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    side = samples.images.shape[1]
    turn = _matrix(side, _TURN_DEG, _ZOOM_RANGE, _SHIFT_FRAC, rng)
    image = _warp(samples.images[index], turn).astype(np.float32) / 255
    face = _warp(samples.faces[index], turn).astype(np.float32) / 255
    known = _warp(samples.known[index], turn).astype(np.float32) / 255
    if rng.random() < cover_prob:
        turned = _matrix(side, 180, (0.8, 2.0), 0.4, rng)
        piece = _warp(samples.images[other], turned).astype(np.float32) / 255
        alpha = _blob(face, rng)
        relit = np.clip(piece * rng.uniform(0.6, 1.3), 0, 1)
        image += alpha[..., np.newaxis] * (relit - image)
        face, known = face * (1 - alpha), np.maximum(known, alpha)
    if rng.random() < 0.5:
        image, face, known = image[:, ::-1], face[:, ::-1], known[:, ::-1]
    relit = np.clip(image * rng.uniform(0.75, 1.25) + rng.uniform(-0.08, 0.08), 0, 1)
    return relit.astype(np.float32), face, known


def _matrix(
    side: int,
    turn_deg: float,
    zoom_range: tuple[float, float],
    shift_frac: float,
    rng: np.random.Generator,
) -> np.ndarray:
    turn, zoom = rng.uniform(-turn_deg, turn_deg), rng.uniform(*zoom_range)
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), turn, zoom)
    matrix[:, 2] += rng.uniform(-shift_frac, shift_frac, 2) * side
    return matrix


def _warp(pixels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    size = pixels.shape[1], pixels.shape[0]
    return cv2.warpAffine(pixels, matrix, size, borderMode=cv2.BORDER_REFLECT_101)


def _blob(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a random polygon near a pixel of the face; (S, S) float32 alpha, 0 without a face."""
    side = len(face)
    inside = np.argwhere(face > 0.5)
    if not len(inside):
        return np.zeros_like(face)
    centre_xy = inside[rng.integers(len(inside))][::-1] + rng.normal(0, 0.08 * side, 2)
    corners = rng.integers(5, 10)
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = rng.uniform(0.5, 1, corners) * rng.uniform(*_PIECE_FRAC_RANGE) * side
    flat = np.stack([np.cos(angles) * radii, np.sin(angles) * radii * rng.uniform(0.35, 1)])
    turn = rng.uniform(0, np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = np.rint(((rotation @ flat).T + centre_xy) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    alpha = np.zeros(face.shape, np.uint8)
    cv2.fillPoly(alpha, [points], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return alpha.astype(np.float32) / 255
