"""Parameters of a training: sections `train`, `models.NAME` and `runs.NAME`."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace


def require(condition: bool, message: str) -> None:
    """Raise a ValueError with `message`, which starts with the key's name, unless `condition`."""
    if not condition:
        raise ValueError(message)


def require_member(key: str, value: object, allowed: Collection) -> None:
    """Raise a ValueError unless `value` is one of `allowed`."""
    require(value in allowed, f"{key} must be one of {list(allowed)}; got {value!r}")


def require_range(key: str, value: float, least: float, most: float | None = None) -> None:
    """Raise a ValueError unless `value` lies in [least, most]; None sets no upper bound."""
    allowed = f"be >= {least:g}" if most is None else f"lie in [{least:g}, {most:g}]"
    inside = value >= least and (most is None or value <= most)
    require(inside, f"{key} must {allowed}; got {value}")


def require_sha256(key: str, value: str | None) -> None:
    """Raise a ValueError unless `value` is None or the start of a sha256, 8 to 64 digits."""
    require(
        value is None or re.fullmatch("[0-9a-f]{8,64}", value) is not None,
        f"{key} must be null or 8 to 64 of the digits 0-9a-f; got {value!r}",
    )


@dataclass(frozen=True, kw_only=True)
class LossParams:
    """Binary cross-entropy with online hard example mining."""

    out_channels: int  # 1: sigmoid; 2: softmax, the published configuration's variant
    ohem_thresh: float  # a pixel is hard while its true class has a lower probability
    ohem_min_kept: int  # pixels kept at least, per image of the batch
    divide_by: str  # kept: pixels kept; valid: all that are not ignored, as MMSegmentation
    aux_ohem: bool  # mine in the auxiliary head too (the published configuration does not)

    def __post_init__(self) -> None:
        require(
            self.out_channels in (1, 2),
            f"out_channels must be 1 (sigmoid) or 2 (softmax); got {self.out_channels}",
        )
        require(
            0 < self.ohem_thresh <= 1, f"ohem_thresh must lie in (0, 1]; got {self.ohem_thresh}"
        )
        require_range("ohem_min_kept", self.ohem_min_kept, 1)
        require_member("divide_by", self.divide_by, ("kept", "valid"))


@dataclass(frozen=True, kw_only=True)
class AugmentParams:
    """Augmentation of a training sample."""

    flip_prob: float
    rotation_prob: float
    rotation_deg: float  # sampled uniformly from [-rotation_deg, rotation_deg]
    photometric: bool  # MMSegmentation's PhotoMetricDistortion with its default ranges

    def __post_init__(self) -> None:
        require_range("flip_prob", self.flip_prob, 0, 1)
        require_range("rotation_prob", self.rotation_prob, 0, 1)
        require_range("rotation_deg", self.rotation_deg, 0, 180)


@dataclass(frozen=True, kw_only=True)
class TrainParams:
    """Section `train`: what all runs share."""

    seed: int
    iterations: int
    batch_size: int
    input_px: int  # side of the square that the network sees
    eval_interval: int  # iterations between two scores on RealOcc
    checkpoint_interval: int  # iterations between two checkpoints to resume from
    log_interval: int  # iterations between two rows of the log
    num_threads: int  # threads to compute with on the CPU: they decide bits; 0 = PyTorch's choice
    cpu_kernels: str  # portable (the same bits on every x86-64 CPU with AVX2) or fast
    num_workers: int  # processes that decode; 0 decodes in the training process
    cache_mb: int  # memory for decoded samples, per process; 0 decodes a sample each time
    precision: str  # bf16 (autocast, on a GPU only) or fp32
    accelerate: bool  # on a GPU: compiled blocks, the whole step as one CUDA graph
    stop_loss: float  # a loss above this, or not finite, stops the run
    loss: LossParams
    augment: AugmentParams

    def __post_init__(self) -> None:
        for name in ("iterations", "eval_interval", "checkpoint_interval", "log_interval"):
            require_range(name, getattr(self, name), 1)
        require_range("batch_size", self.batch_size, 2)
        require(
            self.input_px >= 32 and self.input_px % 32 == 0,
            f"input_px must be a positive multiple of 32; got {self.input_px}",
        )
        for name in ("num_threads", "num_workers", "cache_mb"):
            require_range(name, getattr(self, name), 0)
        require_member("precision", self.precision, ("bf16", "fp32"))
        require(self.stop_loss > 0, f"stop_loss must be positive; got {self.stop_loss}")


@dataclass(frozen=True, kw_only=True)
class OptimizerParams:
    """Optimiser and learning-rate schedule of one architecture."""

    type: str  # SGD or AdamW
    lr: float
    momentum: float  # SGD's momentum; AdamW's first beta
    weight_decay: float
    head_lr_mult: float  # learning rate of the heads / of the backbone
    decay_norm: bool  # weight decay on normalisation layers and position embeddings
    warmup_iters: int
    warmup_from: float  # first learning rate / lr
    power: float  # of the polynomial decay
    min_lr: float

    def __post_init__(self) -> None:
        require_member("type", self.type, ("SGD", "AdamW"))
        require(self.lr > 0, f"lr must be positive; got {self.lr}")
        require(0 <= self.momentum < 1, f"momentum must lie in [0, 1); got {self.momentum}")
        require_range("weight_decay", self.weight_decay, 0)
        require(self.head_lr_mult > 0, f"head_lr_mult must be positive; got {self.head_lr_mult}")
        require_range("warmup_iters", self.warmup_iters, 0)
        require(
            0 < self.warmup_from <= 1, f"warmup_from must lie in (0, 1]; got {self.warmup_from}"
        )
        require(0 <= self.min_lr <= self.lr, f"min_lr must lie in [0, lr]; got {self.min_lr}")


@dataclass(frozen=True, kw_only=True)
class RunParams:
    """One of the 27 runs: a network and a combination; or a further seed of one."""

    model: str
    combination: str  # a key of section `combinations`
    seed: int | None = None  # replaces train.seed where a cell has several runs

    def seeded(self, train: TrainParams) -> TrainParams:
        """Return the settings with this run's own seed, if it has one."""
        return train if self.seed is None else replace(train, seed=self.seed)
