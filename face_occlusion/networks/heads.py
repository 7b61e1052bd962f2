"""The heads: resizing as a product, pyramids convolved without being resized or concatenated."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from mmcv.cnn import DepthwiseSeparableConvModule
from mmseg.models.decode_heads import DepthwiseSeparableASPPHead, PSPHead, SegformerHead
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional

from face_occlusion.networks.products import (
    DepthwiseConv2d,
    convolve_pyramid,
    linear,
    pool_pyramid,
    resize_last,
)


@MODELS.register_module()
class PyramidHead(PSPHead):
    """PSPNet's PSPHead, the same function of the same weights.

    The bottleneck convolves the backbone's features and the pooled cells separately and adds
    both. This saves half of its multiplications, as the pyramid has 50 cells and not all pixels.
    """

    psp_modules: Any
    bottleneck: Any

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return logits (N, K, H, W) of the backbone's feature maps."""
        x: Any = self._transform_inputs(inputs)  # (N, C, H, W)
        cells = pool_pyramid(x, self.pool_scales)
        areas = [scale**2 for scale in self.pool_scales]
        levels = []
        for scale, level, module in zip(
            self.pool_scales, cells.split(areas, 1), self.psp_modules, strict=True
        ):
            grid = level.transpose(1, 2).reshape(len(x), -1, scale, scale)
            levels.append(module[1](grid).flatten(2).transpose(1, 2))
        weight = self.bottleneck.conv.weight
        direct, pooled = weight[:, : x.shape[1]], weight[:, x.shape[1] :]
        features = functional.conv2d(x, direct, padding=1) + convolve_pyramid(
            torch.cat(levels, 1), pooled, self.pool_scales, (x.shape[2], x.shape[3])
        )
        return self.cls_seg(self.bottleneck.activate(self.bottleneck.norm(features)))


@MODELS.register_module()
class SeparableAsppHead(DepthwiseSeparableASPPHead):
    """DeepLabv3+'s DepthwiseSeparableASPPHead, the same function of the same weights.

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
                depthwise.conv = DepthwiseConv2d.sharing_weight(depthwise.conv)

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
        fused = torch.cat([wide, skip.permute(0, 2, 3, 1)], 3).permute(0, 3, 1, 2)
        return self.cls_seg(self.sep_bottleneck(fused))


@MODELS.register_module()
class LeanSegformerHead(SegformerHead):
    """SegformerHead, the same function of the same weights.

    A 1 x 1 convolution and a bilinear resize commute: each stage meets its share of the fusion
    weights at its own resolution and is resized after it, and nothing is concatenated.
    """

    convs: Any
    fusion_conv: Any

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return logits (N, K, H, W), at the size of the first of the backbone's feature maps."""
        stages: Any = self._transform_inputs(inputs)
        size = (stages[0].shape[2], stages[0].shape[3])
        shares = self.fusion_conv.conv.weight.flatten(1).split(self.channels, 1)
        wide = [
            resize_last(linear(conv(stage).permute(0, 2, 3, 1), share), size)
            for stage, conv, share in zip(stages, self.convs, shares, strict=True)
        ]
        normed = self.fusion_conv.norm(reduce(torch.add, wide).permute(0, 3, 1, 2))
        return self.cls_seg(self.fusion_conv.activate(normed))
