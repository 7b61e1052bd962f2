"""Predict each face by a small network that was trained without any image of that face."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from face_occlusion.core.classes import BACKGROUND, FACE, IGNORED
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.parallel import ordered_map
from face_occlusion.core.params import Checked, Count, Meta, Natural, Share
from face_occlusion.generation import Texture, occlude
from face_occlusion.generation.occlusion import NoPlacementError
from face_occlusion.generation.params import paper_params
from face_occlusion.networks.efficientnet_lite import (
    INPUT_SCALING,
    PACKAGED,
    EfficientNetLite,
    stage_channels,
)
from face_occlusion.networks.heads import LeanSegformerHead
from face_occlusion.networks.loss import mean_loss
from face_occlusion.networks.products import resize
from face_occlusion.networks.segmentor import InputScaling, normalise
from face_occlusion.training.augmentation import (
    augment_normalised,
    sample_augmentation,
    stack_samples,
)
from face_occlusion.training.settings import AugmentParams
from face_occlusion.training.weights import fetch_weights, load_backbone

_ONE_PROCESS_UP_TO = 1000  # samples, which are read before other processes would have started
_IDENTITY = "identity "  # what a group's name starts with where the person is known
_COVER = paper_params("textures")
_AUGMENT = AugmentParams(
    flip_prob=0.5, rotation_prob=1, rotation_deg=15, photometric=True, zoom_range=(0.9, 1.15)
)
_SCALING = InputScaling(**INPUT_SCALING)
_NUM_STAGES, _HEAD_CHANNELS = 3, 64
_PEAK_RATES = [5e-4, 5e-3]  # of backbone and head
_DECAY = 0.01
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
    return str(record.get("face", key)) if identity is None else f"{_IDENTITY}{identity}"


def join(audited: Samples, references: Sequence[Samples]) -> Samples:
    """Append references to a set; what was made from a face of any of them joins its group."""
    parts = [audited, *references]
    known = [pair for part in parts for pair in zip(part.keys, part.groups, strict=True)]
    known_groups = dict(zip(audited.keys, audited.groups, strict=True))
    known_groups |= {key: group for key, group in known if group.startswith(_IDENTITY)}
    pixels = ([getattr(part, name) for part in parts] for name in ("images", "faces", "known"))
    return Samples(
        [key for part in parts for key in part.keys],
        [known_groups.get(group, group) for part in parts for group in part.groups],
        *map(np.concatenate, pixels),
    )


def sample_batch(
    samples: Samples, indices: np.ndarray, cover_prob: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cover some of B samples by a shape that shows another one, which counts as background.

    A network that was trained on uncovered faces only would predict a hand over a face as face.
    `indices` is (B,), and `cover_prob` the share of samples that is covered. Returns (B, S, S, 3)
    uint8 images and (B, S, S) uint8 label maps.
    """
    images = samples.images[indices]
    seg_maps = np.where(samples.faces[indices] >= 128, FACE, BACKGROUND).astype(np.uint8)
    seg_maps[samples.known[indices] < 128] = IGNORED
    for place, other in enumerate(rng.permutation(indices)):
        if rng.random() < cover_prob and (seg_maps[place] == FACE).any():
            textures = [Texture("", samples.images[other])]
            with contextlib.suppress(NoPlacementError):  # no shape fits a face this small
                images[place], seg_maps[place], _ = occlude(
                    images[place], seg_maps[place], textures, rng, _COVER
                )
    return images, seg_maps


@dataclass(frozen=True, kw_only=True)
class AuditParams(Checked):
    """How the network is trained."""

    side_px: Annotated[int, Meta(ge=32, multiple_of=16)] = 96  # side of the squares that it sees
    folds: Count = 3  # networks, each to judge what it did not see; 1 learns from references only
    iterations: Annotated[int, Meta(ge=2)] = 200  # training steps of each network
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
) -> nn.Sequential:
    rng = np.random.default_rng([fold, params.seed, 1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(1 << 31)))
        network = build_network()
    parts = [{"params": part.parameters()} for part in network]
    optimizer = torch.optim.AdamW(parts, weight_decay=_DECAY)
    steps = params.iterations
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _PEAK_RATES, total_steps=steps)
    for _ in range(steps):
        indices = rng.choice(training, params.batch_size)
        sampled = sample_batch(samples, indices, params.cover_prob, rng)
        images, seg_maps = map(torch.from_numpy, sampled)
        changes = stack_samples([sample_augmentation(rng, _AUGMENT) for _ in indices])
        planes = images.permute(0, 3, 1, 2)
        inputs, seg_maps = augment_normalised(planes, seg_maps, changes, _SCALING)
        loss = mean_loss(network(inputs), seg_maps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        bar.update()
    return network.eval()


@torch.no_grad()
def _predict(network: nn.Sequential, images: np.ndarray) -> np.ndarray:
    """Return (N, S, S) float32 probability of face: the mean over image and mirror image."""
    found = []
    for pixels in torch.from_numpy(images).split(_PREDICT_BATCH):
        batch = normalise(pixels.permute(0, 3, 1, 2), _SCALING)
        views = (network(batch), network(batch.flip(-1)).flip(-1))
        whole = (torch.sigmoid(resize(view, images.shape[1:3])[:, 0]) for view in views)
        found.append(sum(whole) / len(views))
    return torch.cat(found).numpy()


def build_network() -> nn.Sequential:
    """Build EfficientNet-Lite0 with ImageNet weights and SegFormer's head, which joins its stages.

    It takes normalised (N, 3, H, W) float32, and returns logits of a quarter of that size.
    """
    backbone = EfficientNetLite("lite0", 16, num_stages=_NUM_STAGES, norm_eval=True)
    load_backbone(backbone, fetch_weights(PACKAGED, None, "lite0"))
    head = LeanSegformerHead(
        in_channels=stage_channels("lite0")[:_NUM_STAGES],
        in_index=list(range(_NUM_STAGES)),
        channels=_HEAD_CHANNELS,
        num_classes=2,
        out_channels=1,
        threshold=0.5,
        dropout_ratio=0,
        norm_cfg={"type": "BN"},
        loss_decode={"type": "CrossEntropyLoss", "avg_non_ignore": True},  # never called
    )
    return nn.Sequential(backbone, head).train()  # which puts norm_eval into force
