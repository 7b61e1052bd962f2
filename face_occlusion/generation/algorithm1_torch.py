"""Algorithm 1 of the paper in batches: `algorithm1`, to the same pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from face_occlusion.generation.colour_transfer.algorithm1 import Reading, replaced_share


class Pixels(NamedTuple):
    """Sets of colours: (B, 3, N) uint8, and (B, N) bool, which of them count."""

    colours: torch.Tensor
    inside: torch.Tensor


def thresholds_torch(pixels: Pixels) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose the thresholds of each face, as `face_thresholds`.

    Args:
        pixels: The faces' colours.

    Returns:
        Lower and upper thresholds, each (B, 3, 1) float64.

    Raises:
        ValueError: If no pixel of a face counts.
    """
    count = pixels.inside.sum(dim=1)[:, None, None]
    if not count.all():
        raise ValueError("face_masks must hold a pixel in each row on the grid; some are empty")
    weight, colours = pixels.inside[:, None].double(), pixels.colours.double()
    mean = (colours * weight).sum(dim=2, keepdim=True) / count
    variance = ((colours - mean).square() * weight).sum(dim=2, keepdim=True) / count
    return mean / 2, mean + variance.sqrt()


def prepare_faces_torch(
    source: Pixels,
    target: Pixels,
    thresholds: tuple[torch.Tensor, torch.Tensor],
    rngs: Sequence[np.random.Generator],
    reading: Reading,
) -> torch.Tensor:
    """Apply Algorithm 1 to a batch, as `prepare_face`, drawing what it draws.

    Args:
        source: The faces, M pixels each.
        target: The hands, N pixels each.
        thresholds: Of `thresholds_torch`.
        rngs: One generator for each sample; draws which dark pixels are replaced.
        reading: Of line 6, see `prepare_face`.

    Returns:
        (B, 3, M) uint8.
    """
    lower, upper = thresholds
    colours = source.colours.double()
    below = (colours < lower) & source.inside[:, None]
    black = (target.colours == 0) & target.inside[:, None]
    dark = below.all(dim=1)
    if reading == "published":  # D3: values, whichever pixel they belong to
        counts = [below.sum(dim=(1, 2)), black.sum(dim=(1, 2))]
    else:
        counts = [3 * dark.sum(dim=1), 3 * black.all(dim=1).sum(dim=1)]
    counts += [source.inside.sum(dim=1), target.inside.sum(dim=1), dark.sum(dim=1)]
    chosen = _choose(dark, torch.stack(counts, dim=1).tolist(), rngs, reading)

    other = (source.inside & ~dark)[:, None]
    mean = (colours * other).sum(dim=2, keepdim=True) / other.sum(dim=2, keepdim=True)
    colours = torch.where(chosen[:, None], mean.round(), colours)
    rounded = upper.clamp(max=255).round()
    if reading == "published":
        bright = (colours > upper).any(dim=1, keepdim=True)  # D4
        colours = torch.where(bright, rounded, colours)
    else:
        colours = torch.minimum(colours, rounded)
    return colours.to(torch.uint8)


def _choose(
    dark: torch.Tensor,
    counts: Sequence[Sequence[int]],
    rngs: Sequence[np.random.Generator],
    reading: Reading,
) -> torch.Tensor:
    """Draw which dark pixels are replaced, (B, M) bool.

    Args:
        dark: (B, M) bool.
        counts: Of each sample: dark and black values, three for a pixel; pixels of source and
            target that count; dark pixels.
        rngs: One generator for each sample.
        reading: See `replaced_share`.
    """
    ranks = np.zeros((len(dark), max(counts, key=lambda row: row[4])[4] + 1), bool)
    for row, (num_dark, num_black, num_source, num_target, num_pixels) in enumerate(counts):
        dark_frac, black_frac = num_dark / (3 * num_source), num_black / (3 * num_target)
        share = replaced_share(dark_frac, black_frac, reading)
        if share > 0 and 0 < num_pixels < num_source:
            order = rngs[row].permutation(num_pixels)
            ranks[row, order[: round(share * num_pixels)]] = True
    position = (dark.cumsum(dim=1) - 1).clamp(min=0)
    return dark & torch.from_numpy(ranks).to(dark.device).gather(1, position)
