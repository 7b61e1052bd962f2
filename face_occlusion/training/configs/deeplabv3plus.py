"""DeepLabv3+ (Chen et al., ECCV 2018) as the paper's one published configuration has it.

At `paper`: ResNet-101-v1c, output stride 8, 512 channels, dilations 1/12/24/36, 48 channels from
the first stage, auxiliary FCN head weighted 0.4 and not mined. The published configuration has a
softmax over two channels where the paper says binary cross-entropy: `train.loss.out_channels`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from face_occlusion.training.configs.resnet import ResNetParams, aux_head, backbone, head
from face_occlusion.training.settings import LossParams, require


@dataclass(frozen=True, kw_only=True)
class Params(ResNetParams):
    """Section `models.deeplabv3plus`."""

    dilations: Sequence[int]  # of the atrous spatial pyramid, in pixels of the feature map
    skip_channels: int  # what the decoder takes from the first stage

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            len(self.dilations) > 0 and min(self.dilations) >= 1,
            f"dilations must be integers >= 1; got {list(self.dilations)}",
        )
        require(self.skip_channels >= 1, f"skip_channels must be >= 1; got {self.skip_channels}")


def config(params: Params, loss: LossParams, norm: str) -> dict[str, Any]:
    norm_cfg = {"type": norm, "requires_grad": True}
    return {
        "type": "FaceSegmentor",
        "backbone": backbone(params, norm_cfg),
        "decode_head": {
            "type": "SeparableAsppHead",
            "in_channels": params.out_channels,
            "in_index": 3,
            "channels": params.head_channels,
            "dilations": tuple(params.dilations),
            "c1_in_channels": params.out_channels // 8,
            "c1_channels": params.skip_channels,
            **head(loss, norm_cfg),
        },
        "auxiliary_head": aux_head(params, loss, norm_cfg),
    }
