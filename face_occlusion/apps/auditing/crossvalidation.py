"""Predict each face by a small network that was trained without any image of that face."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from face_occlusion.core.classes import FACE, IGNORED
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.parallel import ordered_map
from face_occlusion.core.params import Checked, Count, Meta, Natural, Share

_ONE_PROCESS_UP_TO = 1000  # samples, which are read before other processes would have started
_Limits = tuple[float, tuple[float, float], float]  # turn in degrees, zoom, shift / side
_WHOLE: _Limits = (15, (0.9, 1.15), 0.06)  # of a sample
_PIECE: _Limits = (180, (0.8, 2.0), 0.4)  # of what covers one
_PIECE_FRAC_RANGE = (0.12, 0.4)  # a piece's longest radius / side of the image
_SUBPIXEL_BITS = 4
_WIDTHS = (16, 32, 48, 64)
_CHANNELS = 5  # red, green, blue, x, y
_PEAK_RATE, _DECAY = 4e-3, 0.01
_PREDICT_BATCH = 64


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
    """Read a set's images and masks `part` as squares; ValueError if it is empty or lacks one."""
    if image_set.absent:
        raise ValueError(f"{image_set.folder}: empty: {image_set.absent}")
    load = functools.partial(_load, image_set=image_set, part=part, side_px=side_px)
    workers = 1 if len(image_set) <= _ONE_PROCESS_UP_TO else None
    desc = f"read {image_set.folder.name}"
    loaded = ordered_map(load, image_set.keys, desc=desc, workers=workers)
    groups, *pixels = zip(*loaded, strict=True)
    return Samples(image_set.keys, list(groups), *map(np.stack, pixels))


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
    pixels = ([getattr(part, name) for part in parts] for name in ("images", "faces", "known"))
    return Samples(
        [key for part in parts for key in part.keys],
        [known_groups.get(group, group) for part in parts for group in part.groups],
        *map(np.concatenate, pixels),
    )


def sample_batch(
    samples: Samples, indices: np.ndarray, cover_prob: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Augment B samples, and cover some by a piece of another one, which counts as background.

    A network that was trained on uncovered faces only would predict a hand over a face as face.
    `indices` is (B,), and `cover_prob` the share of samples that is covered. Returns (B, S, S, 3)
    float32 images, (B, S, S) float32 shares of face, and weights, all in [0, 1].
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
    turn = _sample_matrix(side, _WHOLE, rng)
    parts = (samples.images, samples.faces, samples.known)
    image, face, known = (_warp(pixels[index], turn) for pixels in parts)
    if rng.random() < cover_prob:
        piece = _warp(samples.images[other], _sample_matrix(side, _PIECE, rng))
        alpha = _sample_blob(face, rng)
        relit = np.clip(piece * rng.uniform(0.6, 1.3), 0, 1)
        image += alpha[..., np.newaxis] * (relit - image)
        face, known = face * (1 - alpha), np.maximum(known, alpha)
    if rng.random() < 0.5:
        image, face, known = image[:, ::-1], face[:, ::-1], known[:, ::-1]
    relit = np.clip(image * rng.uniform(0.75, 1.25) + rng.uniform(-0.08, 0.08), 0, 1)
    return relit.astype(np.float32), face, known


def _sample_matrix(side: int, limits: _Limits, rng: np.random.Generator) -> np.ndarray:
    turn_deg, zoom_range, shift_frac = limits
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


@dataclass(frozen=True, kw_only=True)
class AuditParams(Checked):
    """How the network is trained."""

    side_px: Annotated[int, Meta(ge=32, multiple_of=16)] = 96  # side of the squares that it sees
    # Number of networks; each judges the samples that it was not trained on. With 1, the only
    # network is trained on references only.
    folds: Count = 3
    iterations: Annotated[int, Meta(ge=2)] = 900  # training steps of each network
    batch_size: Annotated[int, Meta(ge=2)] = 16  # samples in a step
    cover_prob: Share = 0.3  # share of the samples that are covered by a piece of another one
    seed: Natural = 0  # seed of folds, weights and batches


def cross_validate(
    audited: Samples, references: Sequence[Samples], params: AuditParams
) -> np.ndarray:
    """Predict every audited sample by a network that has not seen its group.

    The masks of the other folds are trained on, including wrong ones, so most must be right;
    references are trained on in every fold, except those that show a face of the fold. The same
    call gives the same numbers on the same machine: (N, S, S) float32 probabilities of face.

    Fewer groups than folds, or a fold that leaves nothing to train on, is a ValueError.
    """
    everything = join(audited, references)
    groups = np.array(everything.groups)
    folds = assign_folds(audited.groups, params)
    probability = np.empty(audited.faces.shape, np.float32)
    total = params.folds * params.iterations
    with tqdm(total=total, desc="train", unit="step", mininterval=0.5) as bar:
        for fold in range(params.folds):
            judged = np.flatnonzero(folds == fold)
            training = np.flatnonzero(~np.isin(groups, groups[judged]))
            if not len(training):
                raise ValueError(
                    f"there are no faces to train on: {params.folds} fold, and no reference shows "
                    "other faces; name one with --reference, or ask for more --folds"
                )
            network = _fit(everything, training, params, fold, bar)
            probability[judged] = _predict(network, audited.images[judged])
    return probability


def assign_folds(groups: Sequence[str], params: AuditParams) -> np.ndarray:
    """Assign groups to folds of similar size at random; return the (N,) fold of each sample."""
    names, members = np.unique(np.array(groups), return_inverse=True)
    if len(names) < params.folds:
        raise ValueError(f"{len(names)} faces are too few for {params.folds} folds")
    order = np.random.default_rng([params.folds, params.seed]).permutation(len(names))
    return (order % params.folds)[members]


def _fit(
    samples: Samples, training: np.ndarray, params: AuditParams, fold: int, bar: tqdm
) -> FaceFinder:
    rng = np.random.default_rng([fold, params.seed, 1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(1 << 31)))
        network = FaceFinder()
    optimizer = torch.optim.AdamW(network.parameters(), lr=_PEAK_RATE, weight_decay=_DECAY)
    steps = params.iterations
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _PEAK_RATE, total_steps=steps)
    for _ in range(steps):
        indices = rng.choice(training, params.batch_size)
        sampled = sample_batch(samples, indices, params.cover_prob, rng)
        images, faces, weights = map(torch.from_numpy, sampled)
        log_odds = network(images.permute(0, 3, 1, 2))
        loss = F.binary_cross_entropy_with_logits(log_odds, faces, weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        bar.update()
    return network.eval()


@torch.no_grad()
def _predict(network: FaceFinder, images: np.ndarray) -> np.ndarray:
    """Return (N, S, S) float32 probability of face: the mean over image and mirror image."""
    found = []
    for pixels in torch.from_numpy(images).split(_PREDICT_BATCH):
        batch = pixels.permute(0, 3, 1, 2) / 255
        mirrored = torch.sigmoid(network(batch.flip(-1))).flip(-1)
        found.append((torch.sigmoid(network(batch)) + mirrored) / 2)
    return torch.cat(found).numpy()


def _conv(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )


class FaceFinder(nn.Module):
    """An hourglass of 154,000 weights with added skips; its finest features have half the size.

    Its input has the x and y of each pixel as channels in addition to the colours: faces are
    aligned, so the place says much, and a network this small could not learn it by itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            nn.Sequential(_conv(before, after, 2), _conv(after, after))
            for before, after in itertools.pairwise((_CHANNELS, *_WIDTHS))
        )
        upwards = list(itertools.pairwise(_WIDTHS[::-1]))
        self.narrow = nn.ModuleList(nn.Conv2d(before, after, 1) for before, after in upwards)
        self.up = nn.ModuleList(_conv(after, after) for _, after in upwards)
        self.head = nn.Conv2d(_WIDTHS[0], 1, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (N, H, W) float32 log odds of face of (N, 3, H, W) float32 RGB in [0, 1]."""
        size = images.shape[-2:]
        axes = (torch.linspace(-1, 1, side) for side in reversed(size))
        places = torch.stack(torch.meshgrid(*axes, indexing="xy")).expand(len(images), -1, -1, -1)
        features = torch.cat([(images - 0.5) * 4, places], 1)
        skips = []
        for down in self.down:
            features = down(features)
            skips.append(features)
        for narrow, up, skip in zip(self.narrow, self.up, skips[-2::-1], strict=True):
            larger = F.interpolate(narrow(features), size=skip.shape[-2:], mode="bilinear")
            features = up(skip + larger)
        return F.interpolate(self.head(features), size=size, mode="bilinear")[:, 0]
