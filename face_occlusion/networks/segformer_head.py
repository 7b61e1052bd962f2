"""SegFormer's head with its fusion before the resizing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from mmseg.models.decode_heads import SegformerHead
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional

from face_occlusion.networks.products import resize_last


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
            resize_last(functional.linear(conv(stage).permute(0, 2, 3, 1), share), size)
            for stage, conv, share in zip(stages, self.convs, shares, strict=True)
        ]
        normed = self.fusion_conv.norm(reduce(torch.add, wide).permute(0, 3, 1, 2))
        return self.cls_seg(self.fusion_conv.activate(normed))
