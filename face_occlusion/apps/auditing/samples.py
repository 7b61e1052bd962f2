"""Load a set's images and masks at the auditor's size, and sample training batches from them."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from face_occlusion.core.classes import FACE, IGNORED
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.parallel import ordered_map

_ONE_PROCESS_UP_TO = 1000  # samples, which are read before other processes would have started
_TURN_DEG, _ZOOM_RANGE, _SHIFT_FRAC = 15, (0.9, 1.15), 0.06
_PIECE_FRAC_RANGE = (0.12, 0.4)  # a piece's longest radius / side of the image
_SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class Samples:
    """Small pictures with their masks."""

    keys: list[str]  # the key of each in its set
    groups: list[str]  # whose face each shows: a group is never both trained on and judged
    images: np.ndarray  # (N, S, S, 3) uint8 RGB
    faces: np.ndarray  # (N, S, S) uint8 share of face by the mask, 255 = all
    known: np.ndarray  # (N, S, S) uint8 share that the mask does not ignore, 255 = all

    def __len__(self) -> int:
        return len(self.keys)


def load_samples(image_set: ImageSet, part: str, side_px: int) -> Samples:
    """Read the images and the masks `part` of a set, each resized to a square.

    Raises:
        ValueError: If the set is empty, has no such part, or a sample cannot be read.
    """
    if image_set.absent:
        raise ValueError(f"{image_set.folder}: empty: {image_set.absent}")
    count, square = len(image_set), (side_px, side_px)
    images = np.empty((count, *square, 3), np.uint8)
    faces, known = np.empty((count, *square), np.uint8), np.empty((count, *square), np.uint8)
    groups = [""] * count
    load = functools.partial(_load, image_set=image_set, part=part, side_px=side_px)
    workers = 1 if count <= _ONE_PROCESS_UP_TO else None
    desc = f"read {image_set.folder.name}"
    loaded = ordered_map(load, image_set.keys, desc=desc, workers=workers)
    for place, sample in enumerate(loaded):
        groups[place], images[place], faces[place], known[place] = sample
    return Samples(image_set.keys, groups, images, faces, known)


def _load(
    key: str, *, image_set: ImageSet, part: str, side_px: int
) -> tuple[str, np.ndarray, np.ndarray, np.ndarray]:
    seg_map = image_set.seg_map(key, part)
    masks = (np.where(wanted, 255, 0) for wanted in (seg_map == FACE, seg_map != IGNORED))
    image, face, known = (
        cv2.resize(pixels.astype(np.uint8), (side_px, side_px), interpolation=cv2.INTER_AREA)
        for pixels in (image_set.image(key), *masks)
    )
    record = image_set.record(key) if "json" in image_set.parts(key) else {}
    return group_of(key, record), image, face, known


def group_of(key: str, record: Mapping[str, object]) -> str:
    """Return whose face a sample shows: its identity, the face it was made from, or its key."""
    identity = record.get("identity")
    return str(record.get("face", key)) if identity is None else f"identity {identity}"


def join(audited: Samples, references: Sequence[Samples]) -> Samples:
    """Append references to a set; those made from an audited face join its group."""
    parts = [audited, *references]
    known_groups = dict(zip(audited.keys, audited.groups, strict=True))
    return Samples(
        keys=[key for part in parts for key in part.keys],
        groups=[known_groups.get(group, group) for part in parts for group in part.groups],
        images=np.concatenate([part.images for part in parts]),
        faces=np.concatenate([part.faces for part in parts]),
        known=np.concatenate([part.known for part in parts]),
    )


def sample_batch(
    samples: Samples, indices: np.ndarray, cover_prob: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Augment B samples, and cover some by a piece of another one, which counts as background.

    A network that was trained on uncovered faces only would predict a hand over a face as face.
    `indices` is (B,), and `cover_prob` the share of samples that is covered.

    Returns:
        (B, S, S, 3) float32 images, (B, S, S) float32 shares of face, and weights, all in [0, 1].
    """
    sampled = [
        _sample(samples, index, int(other), cover_prob, rng)
        for index, other in zip(indices, rng.permutation(indices), strict=True)
    ]
    images, faces, weights = (np.stack(pixels) for pixels in zip(*sampled, strict=True))
    return images, faces, weights


def _sample(
    samples: Samples, index: int, other: int, cover_prob: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    side = samples.images.shape[1]
    turn = _sample_matrix(side, _TURN_DEG, _ZOOM_RANGE, _SHIFT_FRAC, rng)
    parts = (samples.images, samples.faces, samples.known)
    image, face, known = (_warp(pixels[index], turn) for pixels in parts)
    if rng.random() < cover_prob:
        turned = _sample_matrix(side, 180, (0.8, 2.0), 0.4, rng)
        piece = _warp(samples.images[other], turned)
        alpha = _sample_blob(face, rng)
        relit = np.clip(piece * rng.uniform(0.6, 1.3), 0, 1)
        image += alpha[..., np.newaxis] * (relit - image)
        face, known = face * (1 - alpha), np.maximum(known, alpha)
    if rng.random() < 0.5:
        image, face, known = image[:, ::-1], face[:, ::-1], known[:, ::-1]
    relit = np.clip(image * rng.uniform(0.75, 1.25) + rng.uniform(-0.08, 0.08), 0, 1)
    return relit.astype(np.float32), face, known


def _sample_matrix(
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
    """Warp uint8 to float32 in [0, 1]."""
    warped = cv2.warpAffine(pixels, matrix, pixels.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101)
    return warped.astype(np.float32) / 255


def _sample_blob(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sample a polygon near a pixel of the face; (S, S) float32 alpha, all 0 without a face."""
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
