"""What a network thinks of each mask that has not seen it, nor another of the same face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F
from tqdm import tqdm

from face_occlusion.apps.auditing.network import FaceFinder
from face_occlusion.apps.auditing.patches import draw_batch
from face_occlusion.apps.auditing.samples import Samples, join

_PEAK_RATE, _DECAY = 4e-3, 0.01
_SEEN_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True)
class AuditParams:
    """How the network is trained.

    Attributes:
        side_px: It sees squares of this side.
        folds: Networks; each judges the samples that it was not trained on. With 1, the only one
            is trained on nothing but references.
        iterations: Steps of each.
        batch_size: Samples in a step.
        cover_prob: How many samples are covered by a piece of another one.
        seed: Of folds, weights and draws.
    """

    side_px: int = 96
    folds: int = 3
    iterations: int = 900
    batch_size: int = 16
    cover_prob: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.side_px < 32 or self.side_px % 16:
            raise ValueError(f"side_px must be a multiple of 16 from 32; got {self.side_px}")
        if self.folds < 1:
            raise ValueError(f"folds must be at least 1; got {self.folds}")
        if self.iterations < 2 or self.batch_size < 2:
            raise ValueError(
                f"iterations and batch_size must be at least 2; "
                f"got {self.iterations} and {self.batch_size}"
            )
        if not 0 <= self.cover_prob <= 1:
            raise ValueError(f"cover_prob must lie in [0, 1]; got {self.cover_prob:g}")


def cross_validate(
    audited: Samples, references: Sequence[Samples], params: AuditParams
) -> np.ndarray:
    """Predict every audited sample by a network that has not seen its group.

    Masks of the other folds are trained on, wrong ones too: most of all must be right. The same
    call gives the same numbers on the same machine.

    Args:
        audited: What to judge.
        references: Trained on in every fold, less what shows a face of the fold.
        params: How.

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
            seen = np.flatnonzero(~np.isin(groups, groups[judged]))
            if not len(seen):
                raise ValueError(
                    f"nothing to train on: {params.folds} fold, and no reference shows other "
                    "faces; name one with --reference, or ask for more --folds"
                )
            network = _fit(everything, seen, params, fold, bar)
            probability[judged] = _predict(network, audited.images[judged])
    return probability


def assign_folds(groups: Sequence[str], params: AuditParams) -> np.ndarray:
    """Deal groups out to folds at random, in turn.

    Returns:
        (N,) fold of each sample.

    Raises:
        ValueError: If there are fewer groups than folds.
    """
    names, members = np.unique(np.array(groups), return_inverse=True)
    if len(names) < params.folds:
        raise ValueError(f"{len(names)} faces are too few for {params.folds} folds")
    order = np.random.default_rng([params.folds, params.seed]).permutation(len(names))
    return (order % params.folds)[members]


def _fit(
    samples: Samples, seen: np.ndarray, params: AuditParams, fold: int, bar: tqdm
) -> FaceFinder:
    rng = np.random.default_rng([fold, params.seed, 1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(1 << 31)))
        network = FaceFinder()
    optimizer = torch.optim.AdamW(network.parameters(), lr=_PEAK_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _PEAK_RATE, total_steps=params.iterations
    )
    for _ in range(params.iterations):
        drawn = draw_batch(samples, rng.choice(seen, params.batch_size), params.cover_prob, rng)
        images, faces, weights = map(torch.from_numpy, drawn)
        odds = network(images.permute(0, 3, 1, 2))
        loss = F.binary_cross_entropy_with_logits(odds, faces, weights)
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
    for start in range(0, len(images), _SEEN_AT_ONCE):
        batch = torch.from_numpy(images[start : start + _SEEN_AT_ONCE]).permute(0, 3, 1, 2) / 255
        mirrored = torch.sigmoid(network(batch.flip(-1))).flip(-1)
        found.append((torch.sigmoid(network(batch)) + mirrored) / 2)
    return torch.cat(found).numpy()
