"""Depthwise 3 x 3 convolution for channels in the last place."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def shifted_depthwise(x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int) -> Tensor:
    """Convolve each channel with its own 3 x 3 kernel, as a sum of nine shifted products.

    For torch.compile, which makes one pass over memory of it, bias and activation included; eager
    it is slower than a convolution.

    Args:
        x: (N, H, W, C) float.
        weight: (C, 1, 3, 3).
        bias: (C,), or None.
        dilation: Distance between the kernel's taps; the padding is the same, so sizes stay.

    Returns:
        (N, H, W, C) of x's dtype; the sum is taken in float32.
    """
    height, width = x.shape[1:3]
    padded = functional.pad(x, (0, 0, dilation, dilation, dilation, dilation))
    total = torch.zeros((), dtype=torch.float32, device=x.device) if bias is None else bias.float()
    for row in range(3):
        for column in range(3):
            top, left = row * dilation, column * dilation
            seen = padded[:, top : top + height, left : left + width]
            total = total + seen.float() * weight[:, 0, row, column].float()
    return total.to(x.dtype)


def depthwise(x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int) -> Tensor:
    """Convolve each channel of (N, H, W, C) with its own (C, 1, 3, 3) kernel."""
    if torch.compiler.is_compiling():
        return shifted_depthwise(x, weight, bias, dilation)
    images = x.permute(0, 3, 1, 2)
    out = functional.conv2d(
        images, weight, bias, padding=dilation, dilation=dilation, groups=len(weight)
    )
    return out.permute(0, 2, 3, 1)


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise 3 x 3 convolution, stride 1 and zero padding, that compiles well."""

    @classmethod
    def like(cls, conv: nn.Conv2d) -> DepthwiseConv2d:
        """Return one with another's arguments and its very weight."""
        made = cls(
            conv.in_channels,
            conv.out_channels,
            3,
            padding=conv.dilation[0],
            dilation=conv.dilation[0],
            groups=conv.groups,
            bias=False,
        )
        made.weight = conv.weight
        return made

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (N, C, H, W)."""
        last = input.permute(0, 2, 3, 1)
        if torch.is_autocast_enabled(last.device.type):  # as autocast does for a convolution
            last = last.to(torch.get_autocast_dtype(last.device.type))
        return depthwise(last, self.weight, self.bias, self.dilation[0]).permute(0, 3, 1, 2)
