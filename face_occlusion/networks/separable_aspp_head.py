"""DeepLabv3+'s head: depthwise convolutions that compile, resizing as a product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import DepthwiseSeparableConvModule
from mmseg.models.decode_heads import DepthwiseSeparableASPPHead
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional

from face_occlusion.networks.depthwise import DepthwiseConv2d
from face_occlusion.networks.products import convolve_pyramid, resize_last


@MODELS.register_module()
class SeparableAsppHead(DepthwiseSeparableASPPHead):
    """DepthwiseSeparableASPPHead, the same function of the same weights.

    The image-wide average is one vector per image: the bottleneck convolves it as a pyramid of
    one cell instead of a constant map.
    """

    image_pool: Any
    bottleneck: Any
    c1_bottleneck: Any
    sep_bottleneck: Any

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        for module in self.modules():
            if isinstance(module, DepthwiseSeparableConvModule):
                depthwise: Any = module.depthwise_conv
                depthwise.conv = DepthwiseConv2d.like(depthwise.conv)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return logits (N, K, H, W), at the size of the first of the backbone's feature maps."""
        x: Any = self._transform_inputs(inputs)  # (N, C, H, W)
        average = x.mean((2, 3), keepdim=True)
        cell = self.image_pool[1](average).flatten(2).transpose(1, 2)  # (N, 1, C)
        weight = self.bottleneck.conv.weight
        pooled, direct = weight[:, : self.channels], weight[:, self.channels :]
        features = functional.conv2d(torch.cat(self.aspp_modules(x), 1), direct, padding=1)
        features = features + convolve_pyramid(cell, pooled, (1,), (x.shape[2], x.shape[3]))
        features = self.bottleneck.activate(self.bottleneck.norm(features))
        skip = self.c1_bottleneck(inputs[0])
        wide = resize_last(features.permute(0, 2, 3, 1), (skip.shape[2], skip.shape[3]))
        joined = torch.cat([wide, skip.permute(0, 2, 3, 1)], 3).permute(0, 3, 1, 2)
        return self.cls_seg(self.sep_bottleneck(joined))
