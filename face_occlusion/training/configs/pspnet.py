"""PSPNet (Zhao et al., CVPR 2017) as MMSegmentation configures it.

At `paper`: ResNet-101-v1c, output stride 8, 512 channels, auxiliary FCN head weighted 0.4. The
paper published no configuration of it: all but the head is DeepLabv3+'s (see there).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from face_occlusion.training.configs.resnet import ResNetParams, segmentor
from face_occlusion.training.settings import LossParams


@dataclass(frozen=True, kw_only=True)
class Params(ResNetParams):
    """Section `models.pspnet`."""


def config(params: Params, loss: LossParams, norm: str) -> dict[str, Any]:
    return segmentor(params, loss, norm, {"type": "PyramidHead", "pool_scales": (1, 2, 3, 6)})
