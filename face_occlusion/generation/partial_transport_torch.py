"""Partial optimal transport on a GPU or the CPU: the results of `partial_transport`."""

from __future__ import annotations

import torch


def partial_assignment_torch(target: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """Assign sorted values to distinct sorted values, as `partial_assignment`.

    Args:
        target: (B, N) values, each row sorted.
        source: (B, M) values, each row sorted, M >= N.

    Returns:
        (B, N) int64, strictly rising in each row.

    Raises:
        ValueError: If there are more targets than sources.
    """
    num_target, num_source = target.shape[1], source.shape[1]
    if num_target > num_source:
        raise ValueError(
            f"target must not be larger than source; got {num_target} values for {num_source}"
        )
    num_skips = num_source - num_target + 1
    target, source = target.double(), source.double()
    positions = torch.arange(num_skips, device=target.device)
    best = torch.zeros(len(target), num_skips, dtype=torch.float64, device=target.device)
    reached_by = []
    for i in range(num_target):
        cost = best + (source[:, i : i + num_skips] - target[:, i, None]).square()
        best = cost.cummin(dim=1).values
        reached_by.append(torch.where(cost == best, positions, 0).cummax(dim=1).values)
    skips = torch.full((len(target), 1), num_skips - 1, device=target.device)
    assigned = torch.empty_like(target, dtype=torch.int64)
    for i in reversed(range(num_target)):
        skips = reached_by[i].gather(1, skips)
        assigned[:, i] = i + skips[:, 0]
    return assigned


def sliced_partial_transport_torch(
    source: torch.Tensor, target: torch.Tensor, directions: torch.Tensor
) -> torch.Tensor:
    """Move each target colour to a source colour of its own, as `sliced_partial_transport`.

    Args:
        source: (M, 3) float in 0-1, M >= N.
        target: (N, 3) float in 0-1; left unchanged.
        directions: (steps, batch, 3) unit vectors.

    Returns:
        (N, 3) float32, not clipped.
    """
    colours = target.float().clone()
    steps = directions.to(colours)
    for batch, inverse in zip(steps, torch.linalg.pinv(steps), strict=True):
        wanted = (batch @ source.T).sort(dim=1).values
        along, order = (batch @ colours.T).sort(dim=1, stable=True)
        matched = wanted.gather(1, partial_assignment_torch(along, wanted))
        shift = torch.empty_like(along).scatter_(1, order, matched - along)
        colours += shift.T @ inverse.T
    return colours


def spread_torch(sample: torch.Tensor, change: torch.Tensor, colours: torch.Tensor) -> torch.Tensor:
    """Give each colour the mean change of its four nearest samples, weighted by closeness.

    Args:
        sample: (N, 3) float in 0-1.
        change: (N, 3) float, what becomes of each.
        colours: (K, 3) float in 0-1.

    Returns:
        (K, 3) float32.
    """
    sample, member, counts = sample.unique(dim=0, return_inverse=True, return_counts=True)
    belongs = member == torch.arange(len(sample), device=sample.device)[:, None]
    change = belongs.to(change) @ change / counts[:, None]  # equal colours change alike
    apart = torch.cdist(colours, sample, compute_mode="donot_use_mm_for_euclid_dist")
    distance, index = apart.topk(min(4, len(sample)), dim=1, largest=False)
    weight = 1 / (distance + 1 / 255)
    weight = weight / weight.sum(dim=1, keepdim=True)
    return (weight[..., None] * change[index]).sum(dim=1)
