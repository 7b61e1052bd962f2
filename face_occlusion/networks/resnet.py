"""ResNet-v1c that runs block by block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmseg.models.backbones import ResNetV1c
from mmseg.registry import MODELS
from torch import Tensor, nn


def run_module(module: nn.Module, x: Any) -> Tensor:
    """Call a module; a function of it, so that torch.compile shares programs between modules."""
    return module(x)


@MODELS.register_module()
class BlockwiseResNetV1c(ResNetV1c):
    """ResNetV1c whose stem and blocks are run through one function.

    Attributes:
        run_block: `run_module`, or a compiled one for training.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.run_block: Callable[[nn.Module, Tensor], Tensor] = run_module

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the feature maps of the stages, each (N, C, H, W)."""
        run = self.run_block if self.training else run_module
        x = self.maxpool(run(self.stem, x))
        outs = []
        for stage, name in enumerate(self.res_layers):
            for block in getattr(self, name):
                x = run(block, x)
            if stage in self.out_indices:
                outs.append(x)
        return tuple(outs)
