"""PSPNet (Zhao et al., CVPR 2017) as MMSegmentation configures it.

At `paper`: ResNet-101-v1c, output stride 8, 512 channels, auxiliary FCN head weighted 0.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from face_occlusion.training.configs.resnet import ResNetParams, aux_head, backbone, head
from face_occlusion.training.settings import LossParams


@dataclass(frozen=True, kw_only=True)
class Params(ResNetParams):
    """Section `models.pspnet`."""


def config(params: Params, loss: LossParams, norm: str) -> dict[str, Any]:
    norm_cfg = {"type": norm, "requires_grad": True}
    return {
        "type": "FaceSegmentor",
        "backbone": backbone(params, norm_cfg),
        "decode_head": {
            "type": "PyramidHead",
            "in_channels": params.out_channels,
            "in_index": 3,
            "channels": params.head_channels,
            "pool_scales": (1, 2, 3, 6),
            **head(loss, norm_cfg),
        },
        "auxiliary_head": aux_head(params, loss, norm_cfg),
    }
