"""Resizing and pooling as matrix products.

A bilinear resize is linear and separable: out = rows @ x @ columns.T. As products, both it and its
gradient run at the speed of memory and add in a fixed order, where PyTorch's bilinear gradient on
a GPU adds atomically, in no fixed order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def constant(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Keep a function's results; torch.compile takes them as they are."""
    kept = lru_cache(maxsize=64)(function)

    @torch.compiler.assume_constant_result
    @wraps(function)
    def look_up(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        return kept(*args, **kwargs)

    return look_up


TAPS = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)]  # of a 3 x 3 kernel


@constant
def bilinear_matrix(size: int, out_size: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return the (out_size, size) matrix of a bilinear resize with `align_corners=False`."""
    unit = torch.eye(size, dtype=torch.float64)[:, None]  # (size, 1, size)
    resized = functional.interpolate(unit, size=out_size, mode="linear", align_corners=False)
    return resized[:, 0].T.contiguous().to(device, dtype)


@constant
def pooling_matrix(size: int, out_size: int) -> Tensor:
    """Return the (out_size, size) float64 matrix of adaptive average pooling."""
    unit = torch.eye(size, dtype=torch.float64)[:, None]
    return functional.adaptive_avg_pool1d(unit, out_size)[:, 0].T.contiguous()


def resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (N, C, H, W) floats to `size` = (height, width), bilinearly, corners not aligned."""
    rows = bilinear_matrix(images.shape[2], size[0], images.device, images.dtype)
    columns = bilinear_matrix(images.shape[3], size[1], images.device, images.dtype)
    return torch.matmul(torch.matmul(rows, images), columns.T)


def resize_last(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (N, H, W, C) floats to (N, *size, C): `resize` for channels in the last place."""
    num, height, width, channels = images.shape
    if (height, width) == tuple(size):
        return images
    rows = bilinear_matrix(height, size[0], images.device, images.dtype)
    columns = bilinear_matrix(width, size[1], images.device, images.dtype)
    wide = torch.matmul(columns, images)  # (N, H, width out, C)
    tall = torch.matmul(rows, wide.reshape(num, height, size[1] * channels))
    return tall.view(num, size[0], size[1], channels)


@constant
def membership(
    size: tuple[int, int], scales: Sequence[int], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return which pixels each cell of a pooling pyramid averages.

    Args:
        size: (height, width) of the feature map.
        scales: Cells along a side, per level of the pyramid.
        device: Where to keep the matrices.

    Returns:
        (P, height * width) float32 of 0 and 1, exact in any precision, and (P, 1) float32 pixels
        per cell; P = sum of the scales' squares.
    """
    levels = [
        torch.kron(pooling_matrix(size[0], scale), pooling_matrix(size[1], scale)) > 0
        for scale in scales
    ]
    member = torch.cat(levels).to(device, torch.float32)
    return member, member.sum(1, keepdim=True)


@constant
def spread(
    size: tuple[int, int], scales: Sequence[int], device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Return the matrix that resizes a pyramid to `size` and shifts it by each tap of a kernel.

    Returns:
        (height * width, 9 * P): column (tap, cell) is the cell's bilinear share of each pixel,
        moved by the tap, with zeros where a 3 x 3 convolution's padding would be read.
    """
    height, width = size
    shares = torch.cat(
        [
            torch.kron(_bilinear(scale, height), _bilinear(scale, width)).view(height, width, -1)
            for scale in scales
        ],
        dim=2,
    )
    padded = functional.pad(shares, (0, 0, 1, 1, 1, 1))
    shifted = [
        padded[1 + row : 1 + row + height, 1 + column : 1 + column + width] for row, column in TAPS
    ]
    return torch.cat(shifted, dim=2).view(height * width, -1).to(device, dtype)


def _bilinear(size: int, out_size: int) -> Tensor:
    return bilinear_matrix(size, out_size, torch.device("cpu"), torch.float64)


def pool_pyramid(features: Tensor, scales: Sequence[int]) -> Tensor:
    """Average (N, C, H, W) features over the cells of a pyramid: (N, P, C), features' dtype."""
    size = (features.shape[2], features.shape[3])
    member, counts = membership(size, tuple(scales), features.device)
    flat = features.flatten(2).transpose(1, 2)  # (N, HW, C), a view of channels-last features
    sums = torch.matmul(member.to(features.dtype), flat)
    return (sums / counts).to(features.dtype)


def convolve_pyramid(cells: Tensor, weight: Tensor, sides: Sequence[int], size: tuple[int, int]):
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
    seen = torch.cat(parts, 1).transpose(1, 2).reshape(num, -1, kernels)  # (N, 9 * P, K)
    matrix = spread(size, tuple(sides), cells.device, seen.dtype)
    return torch.matmul(matrix, seen).view(num, *size, kernels).permute(0, 3, 1, 2)
