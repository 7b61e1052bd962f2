"""What the two ResNet architectures share: ResNet-v1c, head defaults, the auxiliary FCN head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from face_occlusion.training.settings import LossParams, OptimizerParams, require, require_sha256

EXPANSION = {18: 1, 34: 1, 50: 4, 101: 4, 152: 4}  # width of a stage's output / its base width
STRIDES = {8: (1, 2, 1, 1), 16: (1, 2, 2, 1), 32: (1, 2, 2, 2)}
DILATIONS = {8: (1, 1, 2, 4), 16: (1, 1, 1, 2), 32: (1, 1, 1, 1)}


@dataclass(frozen=True, kw_only=True)
class ResNetParams:
    """Parameters of an architecture on a ResNet-v1c."""

    title: str
    depth: int
    base_channels: int  # of the first stage; ImageNet weights need 64
    output_stride: int  # input size / size of the last feature map
    head_channels: int
    aux_weight: float  # of the auxiliary head's loss; 0 leaves the head out
    pretrained: str | None  # ImageNet weights: a path, a URL, or null for random ones
    pretrained_sha256: str | None  # of that file, or its start; null if its name ends on it
    optimizer: OptimizerParams

    def __post_init__(self) -> None:
        require(
            self.depth in EXPANSION, f"depth must be one of {sorted(EXPANSION)}; got {self.depth}"
        )
        require(self.base_channels >= 2, f"base_channels must be >= 2; got {self.base_channels}")
        require(
            self.output_stride in STRIDES,
            f"output_stride must be one of {sorted(STRIDES)}; got {self.output_stride}",
        )
        require(self.head_channels >= 2, f"head_channels must be >= 2; got {self.head_channels}")
        require_sha256("pretrained_sha256", self.pretrained_sha256)
        require(self.aux_weight >= 0, f"aux_weight must be >= 0; got {self.aux_weight}")

    @property
    def out_channels(self) -> int:
        """Channels of the last stage."""
        return self.base_channels * 8 * EXPANSION[self.depth]


def segmentor(
    params: ResNetParams, loss: LossParams, norm: str, decoder: dict[str, Any]
) -> dict[str, Any]:
    """Return the segmentor's arguments around what a decode head has of its own."""
    norm_cfg = {"type": norm, "requires_grad": True}
    return {
        "type": "FaceSegmentor",
        "backbone": backbone(params, norm_cfg),
        "decode_head": {
            "in_channels": params.out_channels,
            "in_index": 3,
            "channels": params.head_channels,
            **decoder,
            **head(loss, norm_cfg),
        },
        "auxiliary_head": aux_head(params, loss, norm_cfg),
    }


def backbone(params: ResNetParams, norm_cfg: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "BlockwiseResNetV1c",
        "depth": params.depth,
        "stem_channels": params.base_channels,
        "base_channels": params.base_channels,
        "num_stages": 4,
        "out_indices": (0, 1, 2, 3),
        "dilations": DILATIONS[params.output_stride],
        "strides": STRIDES[params.output_stride],
        "norm_cfg": norm_cfg,
        "norm_eval": False,
        "style": "pytorch",
        "contract_dilation": True,
    }


def head(loss: LossParams, norm_cfg: dict[str, Any]) -> dict[str, Any]:
    """Return what each decode head is given."""
    return {
        "num_classes": 2,
        "out_channels": loss.out_channels,
        "threshold": 0.5 if loss.out_channels == 1 else None,
        "dropout_ratio": 0.1,
        "norm_cfg": norm_cfg,
        "align_corners": False,
        # Never called: FaceSegmentor has the loss. The argument silences a warning.
        "loss_decode": {"type": "CrossEntropyLoss", "avg_non_ignore": True},
    }


def aux_head(
    params: ResNetParams, loss: LossParams, norm_cfg: dict[str, Any]
) -> dict[str, Any] | None:
    if params.aux_weight == 0:
        return None
    return {
        "type": "FCNHead",
        "in_channels": params.out_channels // 2,
        "in_index": 2,
        "channels": params.head_channels // 2,
        "num_convs": 1,
        "concat_input": False,
        **head(loss, norm_cfg),
    }
