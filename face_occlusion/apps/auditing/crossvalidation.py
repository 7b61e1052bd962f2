"""Predict each face by a small network that was trained without any image of that face."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from face_occlusion.apps.auditing.samples import Samples, join, sample_batch
from face_occlusion.core.params import Checked, Count, Meta, Natural, Share

_WIDTHS = (16, 32, 48, 64)
_CHANNELS = 5  # red, green, blue, x, y
_PEAK_RATE, _DECAY = 4e-3, 0.01
_PREDICT_BATCH = 64
SECONDS_PER_STEP = 0.067  # on one core, at the default size and batch (docs/auditing.md)


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
    call gives the same numbers on the same machine.

    Returns:
        (N, S, S) float32 probability of face.

    Raises:
        ValueError: If there are fewer groups than folds, or a fold leaves nothing to train on.
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
    for _ in range(params.iterations):
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
    for start in range(0, len(images), _PREDICT_BATCH):
        batch = torch.from_numpy(images[start : start + _PREDICT_BATCH]).permute(0, 3, 1, 2) / 255
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
            features = up(skip + _enlarged(narrow(features), skip.shape[-2:]))
        return _enlarged(self.head(features), size)[:, 0]


def _enlarged(features: torch.Tensor, size: torch.Size) -> torch.Tensor:
    return F.interpolate(features, size=size, mode="bilinear", align_corners=False)
