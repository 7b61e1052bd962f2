"""Parameters of a training: sections `train`, `models.NAME` and `runs.NAME`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from face_occlusion.core.params import (
    PAIR,
    Checked,
    Count,
    Meta,
    Natural,
    NonNegative,
    Positive,
    Share,
)


def require(condition: bool, message: str) -> None:
    """Raise a ValueError with `message`, which starts with the key's name, unless `condition`."""
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True, kw_only=True)
class LossParams(Checked):
    """Binary cross-entropy with online hard example mining."""

    out_channels: Literal[1, 2]  # 1: sigmoid; 2: softmax, the published configuration's variant
    # A pixel is hard while its true class has a lower probability.
    ohem_thresh: Annotated[float, Meta(gt=0, le=1)]
    ohem_min_kept: Count  # pixels kept at least, per image of the batch
    # kept: pixels kept; valid: all that are not ignored, as MMSegmentation.
    divide_by: Literal["kept", "valid"]
    aux_ohem: bool  # mine in the auxiliary head too (the published configuration does not)


@dataclass(frozen=True, kw_only=True)
class AugmentParams(Checked):
    """Augmentation of a training sample."""

    flip_prob: Share
    rotation_prob: Share
    # Sampled uniformly from [-rotation_deg, rotation_deg].
    rotation_deg: Annotated[float, Meta(ge=0, le=180)]
    photometric: bool  # MMSegmentation's PhotoMetricDistortion with its default ranges
    # Size of the image in the network's square, which it leaves or does not fill; the paper has 1.
    zoom_range: Annotated[Sequence[Annotated[float, Meta(ge=0.1, le=10)]], PAIR] = (1.0, 1.0)
    grey_prob: Share = 0.0  # share of images without colour; none in the paper
    shadow_prob: Share = 0.0  # share of images with a shadow over a part of them; none in the paper


@dataclass(frozen=True, kw_only=True)
class TrainParams(Checked):
    """Section `train`: what all runs share."""

    seed: Natural
    iterations: Count
    batch_size: Annotated[int, Meta(ge=2)]
    # Side of the square that the network sees.
    input_px: Annotated[int, Meta(ge=32, multiple_of=32)]
    eval_interval: Count  # iterations between two scores on RealOcc
    checkpoint_interval: Count  # iterations between two checkpoints to resume from
    log_interval: Count  # iterations between two rows of the log
    num_threads: Count  # threads to compute with on the CPU: their number decides bits
    # portable: the same bits on every x86-64 CPU with AVX2.
    cpu_kernels: Literal["portable", "fast"]
    num_workers: Natural  # processes that decode; 0 decodes in the training process
    cache_mb: Natural  # memory for decoded samples, per process; 0 decodes a sample each time
    precision: Literal["bf16", "fp32"]  # bf16 (autocast, on a GPU only) or fp32
    accelerate: bool  # on a GPU: compiled blocks, the whole step as one CUDA graph
    stop_loss: Positive  # a loss above this, or not finite, stops the run
    loss: LossParams
    augment: AugmentParams


@dataclass(frozen=True, kw_only=True)
class OptimizerParams(Checked):
    """Optimiser and learning-rate schedule of one architecture."""

    type: Literal["SGD", "AdamW"]
    lr: Positive
    momentum: Annotated[float, Meta(ge=0, lt=1)]  # SGD's momentum; AdamW's first beta
    weight_decay: NonNegative
    head_lr_mult: Positive  # learning rate of the heads / of the backbone
    decay_norm: bool  # weight decay on normalisation layers and position embeddings
    warmup_iters: Natural
    warmup_from: Annotated[float, Meta(gt=0, le=1)]  # first learning rate / lr
    power: float  # of the polynomial decay
    min_lr: NonNegative

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.min_lr <= self.lr, f"min_lr must not be above lr; got {self.min_lr}")


@dataclass(frozen=True, kw_only=True)
class RunParams(Checked):
    """One of the 27 runs: a network and a combination; or a further seed of one."""

    model: Literal["pspnet", "deeplabv3plus", "segformer"]
    combination: str  # a key of section `combinations`
    seed: Natural | None = None  # replaces train.seed where a cell has several runs

    def seeded(self, train: TrainParams) -> TrainParams:
        """Return the settings with this run's own seed, if it has one."""
        return train if self.seed is None else replace(train, seed=self.seed)
