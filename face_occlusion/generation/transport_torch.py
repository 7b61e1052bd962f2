"""Transport of colours in batches, on a GPU or the CPU: the numpy versions' results.

For the same directions a result differs from numpy's by less than 0.02 levels of 255 on average
and 4 in single pixels: sums are rounded otherwise, and near ties may change places.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from face_occlusion.generation.colour_transfer.smoothing import (
    PUBLISHED_RADIUS_PX,
    PUBLISHED_SIGMA_PX,
    gaussian_kernel,
)


def sliced_transport_torch(
    source: torch.Tensor, target: torch.Tensor, directions: torch.Tensor
) -> torch.Tensor:
    """Move the colours of each target onto those of its source, as `sliced_transport`.

    Args:
        source: (B, 3, H, W) float in 0-1, the faces.
        target: (B, 3, H, W) float in 0-1, the hands; left unchanged.
        directions: (steps, batch, 3) unit vectors for all, or (B, steps, batch, 3) for each.

    Returns:
        (B, 3, H, W) float32 on the scale 0-1, not clipped.

    Raises:
        ValueError: If the sizes differ.
    """
    if source.shape != target.shape or source.ndim != 4 or source.shape[1] != 3:
        raise ValueError(
            "source and target must share one (B, 3, H, W); "
            f"got {tuple(source.shape)}, {tuple(target.shape)}"
        )
    wanted, colours = source.flatten(2).float(), target.flatten(2).float().clone()
    for batch in _by_step(directions, colours):
        wanted_along = _project(wanted, batch).sort(dim=2).values
        along, order = _project(colours, batch).sort(dim=2, stable=True)
        shift = torch.empty_like(along).scatter_(2, order, wanted_along - along)
        colours += batch.mT @ shift / batch.shape[1]
    return colours.reshape(target.shape)


def quantile_transport_torch(
    source: torch.Tensor,
    source_mask: torch.Tensor,
    target: torch.Tensor,
    target_mask: torch.Tensor,
    directions: torch.Tensor,
) -> torch.Tensor:
    """Move masked colours onto masked colours of any number, as `quantile_transport`.

    Pixels of one colour along a direction share one interval of quantiles, so equal colours stay
    equal.

    Args:
        source: (B, 3, M) float in 0-1.
        source_mask: (B, M) bool, the pixels that count; at least one in each row.
        target: (B, 3, N) float in 0-1; left unchanged.
        target_mask: (B, N) bool, likewise.
        directions: (steps, batch, 3) unit vectors for all, or (B, steps, batch, 3) for each.

    Returns:
        (B, 3, N) float32, not clipped; pixels outside the mask are as they were.

    Raises:
        ValueError: If a mask has a row without pixels.
    """
    for name, mask in (("source_mask", source_mask), ("target_mask", target_mask)):
        if not mask.any(dim=1).all():
            raise ValueError(f"{name} must hold a pixel in each row; some are empty")
    wanted, colours = source.float(), target.float().clone()
    num_source = source_mask.sum(dim=1)[:, None, None]  # (B, 1, 1)
    num_target = target_mask.sum(dim=1)[:, None, None]
    for batch in _by_step(directions, colours):
        wanted_along = _project(wanted, batch).masked_fill(~source_mask[:, None], torch.inf)
        wanted_along = wanted_along.sort(dim=2).values
        along = _project(colours, batch).masked_fill(~target_mask[:, None], torch.inf)
        along, order = along.sort(dim=2, stable=True)
        means = _interval_means(wanted_along, num_source, along, num_target)
        moved = torch.where(along.isfinite(), means - along, 0.0)
        shift = torch.empty_like(along).scatter_(2, order, moved)
        colours += torch.linalg.pinv(batch) @ shift
    return colours


def _by_step(directions: torch.Tensor, colours: torch.Tensor) -> torch.Tensor:
    """Return (steps, B, K, 3) or, shared, (steps, 1, K, 3), of the colours' type and device."""
    if directions.ndim == 3:
        return directions[:, None].to(colours)
    return directions.transpose(0, 1).to(colours)


def _project(colours: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
    """Project (B, 3, N) on (B, K, 3): (B, K, N), equal colours to equal values bit for bit."""
    red, green, blue = colours[:, None].unbind(dim=2)  # each (B, 1, N)
    along_red, along_green, along_blue = batch[..., None].unbind(dim=2)  # each (B, K, 1)
    return red * along_red + green * along_green + blue * along_blue


def _interval_means(
    ordered: torch.Tensor, num_source: torch.Tensor, along: torch.Tensor, num_target: torch.Tensor
) -> torch.Tensor:
    """Average sorted sources over the quantiles of each target value, ties together.

    Args:
        ordered: (B, K, M) sorted, infinite behind the pixels that count.
        num_source: (B, 1, 1) pixels that count.
        along: (B, K, N) sorted, infinite behind the pixels that count.
        num_target: (B, 1, 1) pixels that count.

    Returns:
        (B, K, N) float32.
    """
    integral = torch.where(ordered.isfinite(), ordered, 0.0).double().cumsum(dim=2)
    integral = functional.pad(integral, (1, 0))
    starts, ends = _tie_groups(along)
    scale = num_source.double() / num_target
    reached = []
    for edges in (starts, ends):
        quantile = torch.minimum(edges * scale, num_source.double())
        below = torch.minimum(quantile.long(), num_source - 1)
        rest = (quantile - below) * ordered.gather(2, below)
        reached.append(integral.gather(2, below) + rest)
    return ((reached[1] - reached[0]) / ((ends - starts) * scale)).float()


def _tie_groups(ordered: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return where the run of equal values around each sorted value starts, and where it ends.

    Args:
        ordered: (B, K, N) sorted.

    Returns:
        Two (B, K, N) int64, in 0..N - 1 and 1..N.
    """
    position = torch.arange(ordered.shape[2], device=ordered.device)
    steps = ordered[..., 1:] != ordered[..., :-1]
    first = functional.pad(steps, (1, 0), value=True)
    last = functional.pad(steps, (0, 1), value=True)
    starts = torch.where(first, position, 0).cummax(dim=2).values
    behind = torch.where(last, position + 1, len(position))
    ends = behind.flip(2).cummin(dim=2).values.flip(2)
    return starts, ends


def smooth_displacement_torch(
    displacement: torch.Tensor, weight: torch.Tensor, sigmas_px: Sequence[float]
) -> torch.Tensor:
    """Average displacements within masks, as `smooth_displacement`.

    Args:
        displacement: (B, 3, H, W) float.
        weight: (B, 1, H, W) float in 0-1.
        sigmas_px: Standard deviation for each sample in pixels; 0 only cuts at the mask.

    Returns:
        (B, 3, H, W) float32.
    """
    cut = torch.where(weight > 0, displacement, 0.0)
    if not any(sigmas_px):
        return cut
    down, across = (_window_matrices(length, sigmas_px).to(weight) for length in weight.shape[2:])
    stacked = torch.cat([displacement * weight, weight], dim=1)
    stacked = down[:, None] @ stacked @ across[:, None]
    share = stacked[:, 3:]
    smooth = torch.where(share > 1e-6, stacked[:, :3] / share, 0.0)
    blurred = torch.tensor(sigmas_px, device=weight.device) > 0
    return torch.where(blurred[:, None, None, None], smooth, cut)


def _window_matrices(length: int, sigmas_px: Sequence[float]) -> torch.Tensor:
    """Write Gaussian filters of a line, cut at three sigma, as symmetric (B, length, length)."""
    halves = np.zeros((len(sigmas_px), length), np.float32)
    for half, sigma_px in zip(halves, sigmas_px, strict=True):
        if sigma_px > 0:
            radius = math.ceil(3 * sigma_px)
            kernel = gaussian_kernel(sigma_px, radius)[radius:][:length]
            half[: len(kernel)] = kernel
    position = torch.arange(length)
    return torch.from_numpy(halves)[:, (position[:, None] - position).abs()]


def smooth_displacement_published_torch(displacement: torch.Tensor) -> torch.Tensor:
    """Average displacements as `smooth_displacement_published` (D1): for comparison only.

    Args:
        displacement: (B, 3, H, W) float32.

    Returns:
        (B, 3, H, W) float32.
    """
    radius = PUBLISHED_RADIUS_PX
    kernel = torch.from_numpy(gaussian_kernel(PUBLISHED_SIGMA_PX, radius)).to(displacement)
    planes = displacement.flatten(0, 1)[:, None]  # (3B, 1, H, W)
    for axis in (2, 3):
        index = torch.arange(-radius, planes.shape[axis] + radius, device=planes.device)
        wrapped = planes.index_select(axis, index % planes.shape[axis])
        planes = functional.conv2d(
            wrapped, kernel.reshape((1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1))
        )
    return planes.reshape(displacement.shape)
