"""PSPNet's head without resizing or concatenating its pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models.decode_heads import PSPHead
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional

from face_occlusion.networks.products import convolve_pyramid, pool_pyramid


@MODELS.register_module()
class PyramidHead(PSPHead):
    """PSPHead, the same function of the same weights.

    The bottleneck convolves the backbone's features and the pooled cells apart and adds both;
    half of its multiplications fall away, since the pyramid has 50 cells instead of all pixels.
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
