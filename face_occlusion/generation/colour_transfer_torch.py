"""`transfer_colours` in batches, on a GPU or the CPU.

Images of a batch share one size; each has its own generator, so that a batch's make-up changes no
sample. Mode `masked` only; `transport_torch` has the faithful one's transport.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from face_occlusion.generation.colour_transfer import ColourTransferParams
from face_occlusion.generation.pixel_grids import grid_indices, grid_size
from face_occlusion.generation.transport import random_frames
from face_occlusion.generation.transport_torch import (
    quantile_transport_torch,
    smooth_displacement_torch,
)


def transfer_colours_torch(
    faces: torch.Tensor,
    face_masks: torch.Tensor,
    hands: torch.Tensor,
    alphas: torch.Tensor,
    rngs: Sequence[np.random.Generator],
    params: ColourTransferParams,
) -> torch.Tensor:
    """Recolour a batch of hands like their faces.

    Differs from `transfer_colours` by at most 1 level of 255 where Algorithm 1 replaces all dark
    pixels or none, which is the rule in mode `masked`. Otherwise the two replace different ones.

    Args:
        faces: (B, 3, H, W) uint8.
        face_masks: (B, H, W) bool.
        hands: (B, 3, h, w) uint8, straight colours; left unchanged.
        alphas: (B, h, w) uint8 coverage in 0-255.
        rngs: One generator for each sample.
        params: Mode `masked`, with Algorithm 1 `balanced` or `off`.

    Returns:
        (B, 3, h, w) uint8.

    Raises:
        ValueError: If a setting is not available here, or a mask is empty on the coarse grid.
    """
    if params.mode != "masked" or params.algorithm1 == "literal":
        raise ValueError(
            "mode must be masked and algorithm1 balanced or off in batches; "
            f"got {params.mode} and {params.algorithm1}"
        )
    directions = np.stack(
        [random_frames(rng, params.steps, params.directions_per_step) for rng in rngs]
    )
    wanted, face_inside = _sample(faces, face_masks, params.downscale)
    hand, alpha = _sample(hands, alphas.float() / 255, params.downscale)
    size = alpha.shape[1:]
    inside = alpha.flatten(1) >= 0.5
    wanted, face_inside, hand = wanted.flatten(2), face_inside.flatten(1), hand.flatten(2)
    if params.algorithm1 == "balanced":
        black = ((hand == 0).all(dim=1) & inside).sum(dim=1) / inside.sum(dim=1)
        keys = np.stack([rng.random(wanted.shape[2]) for rng in rngs])
        keys = torch.from_numpy(keys).to(faces.device)
        wanted = prepare_faces_torch(wanted, face_inside, black, keys)
    moved = quantile_transport_torch(
        wanted / 255, face_inside, hand / 255, inside, torch.from_numpy(directions)
    )
    change = (moved * 255 - hand) * params.strength
    sigma_px = params.smoothing_frac * float(np.sqrt(size.numel()))
    displacement = smooth_displacement_torch(
        change.unflatten(2, size), alpha[:, None] * inside.unflatten(1, size)[:, None], sigma_px
    )
    return apply_displacement_torch(hands, displacement)


def _sample(
    images: torch.Tensor, masks: torch.Tensor, downscale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Take every n-th pixel of images (B, 3, H, W) and masks (B, H, W), as the numpy version."""
    height, width = masks.shape[1:]
    rows, columns = grid_size(height, width, downscale)
    at = [
        torch.from_numpy(grid_indices(length, num)).to(images.device)
        for length, num in ((height, rows), (width, columns))
    ]
    return images[:, :, at[0][:, None], at[1]], masks[:, at[0][:, None], at[1]]


def apply_displacement_torch(images: torch.Tensor, displacement: torch.Tensor) -> torch.Tensor:
    """Add coarse changes of colour to images, as `apply_displacement`.

    Args:
        images: (B, 3, H, W) uint8; left unchanged.
        displacement: (B, 3, h, w) float, in levels of 255.

    Returns:
        (B, 3, H, W) uint8, rounded and clipped.
    """
    full = functional.interpolate(
        displacement, size=images.shape[2:], mode="bilinear", align_corners=False
    )
    return (images + full).round_().clamp_(0, 255).to(torch.uint8)


def prepare_faces_torch(
    source: torch.Tensor, mask: torch.Tensor, black_frac: torch.Tensor, keys: torch.Tensor
) -> torch.Tensor:
    """Apply Algorithm 1 to a batch, as `prepare_face` in its balanced reading.

    Args:
        source: (B, 3, M) uint8, the faces.
        mask: (B, M) bool, the pixels that count; at least one in each row.
        black_frac: (B,) share of each hand's pixels that are black.
        keys: (B, M) random numbers; the dark pixels of the smallest keys are replaced.

    Returns:
        (B, 3, M) float32 in 0-255, rounded.
    """
    inside = mask[:, None].float()
    count = inside.sum(dim=2, keepdim=True)
    colours = source.double()
    mean = (colours * inside).sum(dim=2, keepdim=True) / count
    variance = ((colours - mean).square() * inside).sum(dim=2, keepdim=True) / count
    dark = (colours < mean / 2).all(dim=1) & mask
    num_dark = dark.sum(dim=1)
    dark_frac = num_dark / mask.sum(dim=1)
    share = torch.where(dark_frac > black_frac, 1 - black_frac / dark_frac.clamp(min=1e-12), 0.0)
    rank = torch.where(dark, keys, torch.inf).argsort(dim=1).argsort(dim=1)
    chosen = dark & (rank < (share * num_dark).round()[:, None])
    other = (mask & ~dark)[:, None].double()
    replacement = (colours * other).sum(dim=2, keepdim=True) / other.sum(dim=2, keepdim=True)
    colours = torch.where(chosen[:, None] & replacement.isfinite(), replacement, colours)
    upper = mean + variance.sqrt()
    return torch.minimum(colours, upper).round().clamp(0, 255).float()
