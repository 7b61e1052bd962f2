"""Resizing, pooling and depthwise convolution as products.

A bilinear resize is linear and separable: out = rows @ x @ columns.T. As products, both it and its
gradient run at the speed of memory and add in a fixed order, where PyTorch's bilinear gradient on
a GPU adds atomically, in no fixed order (and took 54 of stock PSPNet's 137 ms on an H200). The
matrices are small and made where they are used, so that nothing has to be kept per size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def bilinear_matrix(size: int, out_size: int, like: Tensor) -> Tensor:
    """Return the matrix of a bilinear resize with `align_corners=False`: (out_size, size).

    Each row holds the shares of the two pixels that an output lies between; `like` gives device and
    dtype.
    """
    centres = torch.arange(out_size, device=like.device, dtype=torch.float64) + 0.5
    source = (centres * (size / out_size) - 0.5).clamp(0, size - 1)
    pixels = torch.arange(size, device=like.device, dtype=torch.float64)
    return (1 - (source[:, None] - pixels).abs()).clamp(min=0).to(like.dtype)


def pooling_members(size: int, out_size: int, device: torch.device) -> Tensor:
    """Return which pixels each cell of adaptive pooling averages: (out_size, size) bool."""
    cells = torch.arange(out_size, device=device)[:, None]
    pixels = torch.arange(size, device=device)
    return (pixels >= cells * size // out_size) & (pixels * out_size < (cells + 1) * size)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply (..., K) by (C, K) and add (C,), as `functional.linear`; trains faster on a CPU.

    With the kernels that every CPU has, MKL's products use SSE2, and oneDNN's convolutions AVX2. On
    one thread PyTorch leaves a 1 x 1 convolution of fewer than 16 images to neither: the rows of
    `x` become such images here.
    """
    if x.device.type != "cpu" or x.dtype != torch.float32 or not torch.is_grad_enabled():
        return functional.linear(x, weight, bias)
    rows = x.numel() // x.shape[-1]
    images = next((num for num in range(16, rows + 1) if rows % num == 0), 1)
    grid = x.reshape(images, 1, rows // images, -1).permute(0, 3, 1, 2)  # channels-last
    out = functional.conv2d(grid, weight[:, :, None, None], bias)
    return out.permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)


def resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (N, C, H, W) floats to `size` = (height, width), bilinearly, corners not aligned."""
    rows = bilinear_matrix(images.shape[2], size[0], images)
    columns = bilinear_matrix(images.shape[3], size[1], images)
    return torch.matmul(torch.matmul(rows, images), columns.T)


def resize_last(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (N, H, W, C) floats to (N, *size, C): `resize` for channels in the last place."""
    num, height, width, channels = images.shape
    if (height, width) == tuple(size):
        return images
    wide = torch.matmul(bilinear_matrix(width, size[1], images), images)  # (N, H, width out, C)
    rows = bilinear_matrix(height, size[0], images)
    tall = torch.matmul(rows, wide.reshape(num, height, size[1] * channels))
    return tall.view(num, size[0], size[1], channels)


def pool_pyramid(features: Tensor, scales: Sequence[int]) -> Tensor:
    """Average features over the cells of a pyramid, as adaptive average pooling does.

    Takes (N, C, H, W) and the cells along a side, per level; returns (N, P, C) of the same dtype,
    P = sum of the scales' squares.
    """
    height, width = features.shape[2:]
    levels = [
        torch.kron(
            pooling_members(height, scale, features.device).int(),
            pooling_members(width, scale, features.device).int(),
        )
        for scale in scales
    ]
    member = torch.cat(levels)  # (P, HW) of 0 and 1, exact in any precision
    flat = features.flatten(2).transpose(1, 2)  # (N, HW, C), a view of channels-last features
    sums = torch.matmul(member.to(features.dtype), flat)
    return (sums / member.sum(1, keepdim=True)).to(features.dtype)


def shifted_resize_matrix(size: tuple[int, int], scales: Sequence[int], like: Tensor) -> Tensor:
    """Return the matrix that resizes a pyramid to `size` and shifts it by each tap of a kernel.

    It is (height * width, 9 * P): column (tap, cell) is the cell's bilinear share of each pixel,
    moved by the tap, with zeros where a 3 x 3 convolution's padding would be read.
    """
    height, width = size
    levels = [
        torch.kron(bilinear_matrix(scale, height, like), bilinear_matrix(scale, width, like))
        for scale in scales
    ]
    shifted = _shifted(torch.cat(levels, 1).view(1, height, width, -1), 1)
    return torch.cat(shifted, dim=3).view(height * width, -1)


def convolve_pyramid(
    cells: Tensor, weight: Tensor, sides: Sequence[int], size: tuple[int, int]
) -> Tensor:
    """Convolve a resized pyramid with a 3 x 3 kernel without resizing it.

    The convolution of a resized map is a product of three matrices, (shift and resize) x cells x
    kernel; taken from the right, the kernel meets P cells instead of height * width pixels.

    Args:
        cells: (N, P, C) of all levels.
        weight: (K, levels * C, 3, 3): each level has its own channels, as if concatenated.
        sides: Cells along a side, per level.
        size: (height, width) to resize to.

    Returns:
        (N, K, height, width), equal to
        conv2d(cat([resize(level, size) for level in levels], 1), weight, padding=1).
    """
    num, _, channels = cells.shape
    kernels = weight.shape[0]
    parts = []
    for level, rows in zip(
        weight.split(channels, 1), cells.split([side**2 for side in sides], 1), strict=True
    ):
        taps = level.permute(2, 3, 0, 1).reshape(9 * kernels, channels)
        parts.append(functional.linear(rows, taps).view(num, -1, 9, kernels))
    responses = torch.cat(parts, 1).transpose(1, 2).reshape(num, -1, kernels)  # (N, 9 * P, K)
    resized = torch.matmul(shifted_resize_matrix(size, sides, responses), responses)
    return resized.view(num, *size, kernels).permute(0, 3, 1, 2)


class ShiftedDepthwise(torch.autograd.Function):
    """Each channel of (N, H, W, C) convolved with its own 3 x 3 kernel, as shifted products.

    On an H200, with 67 million bfloat16 values, cuDNN takes 2.6 ms for a dilated depthwise
    convolution and about a tenth of that for one without dilation; compiled, the nine products are
    one pass. Without torch.compile this is slower than a convolution. The gradient is written out
    so that it gathers, as the forward pass does: derived from the shifts it would scatter nine
    times.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, dilation: int) -> Tensor:
        """Convolve (N, H, W, C) float with (C, 1, 3, 3); sizes and dtype stay, sums are in float32.

        `dilation` is the distance between the kernel's taps, and the padding.
        """
        ctx.save_for_backward(x, weight)
        ctx.dilation = dilation
        return _gather(x, weight, dilation)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:  # type: ignore[override]  # its stub has no names
        """Return the gradients of x, (N, H, W, C), and of the weight, (C, 1, 3, 3)."""
        x, weight = ctx.saved_tensors
        wide = gradient.float()
        taps = [(wide * tap.float()).sum((0, 1, 2)) for tap in _shifted(x, ctx.dilation)]
        of_weight = torch.stack(taps, 1).view(-1, 1, 3, 3).to(weight.dtype)
        return _gather(gradient, weight.flip(2, 3), ctx.dilation), of_weight, None


def _shifted(x: Tensor, dilation: int) -> list[Tensor]:
    """Return the input of each of the nine taps, (N, H, W, C), zero beyond the border."""
    height, width = x.shape[1:3]
    padded = functional.pad(x, (0, 0, dilation, dilation, dilation, dilation))
    starts = (0, dilation, 2 * dilation)
    return [padded[:, top : top + height, left : left + width] for top in starts for left in starts]


def _gather(x: Tensor, weight: Tensor, dilation: int) -> Tensor:
    taps = weight[:, 0].flatten(1).float()  # (C, 9)
    shifted = _shifted(x, dilation)
    total = shifted[0].float() * taps[:, 0]
    for number in range(1, 9):
        total = total + shifted[number].float() * taps[:, number]
    # Not `to` where nothing changes: PyTorch 2.11, compiled, then loses the gradient.
    return total if x.dtype == torch.float32 else total.to(x.dtype)


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise 3 x 3 convolution without bias, stride 1 and zero padding."""

    @classmethod
    def sharing_weight(cls, conv: nn.Conv2d) -> DepthwiseConv2d:
        """Return one with the arguments of `conv` that shares its weight parameter."""
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
        if self.dilation[0] == 1 or not torch.compiler.is_compiling():
            return super().forward(input)
        x = input.permute(0, 2, 3, 1)
        if torch.is_autocast_enabled(x.device.type):  # as autocast does for a convolution
            x = x.to(torch.get_autocast_dtype(x.device.type))
        return ShiftedDepthwise.apply(x, self.weight, self.dilation[0]).permute(0, 3, 1, 2)
