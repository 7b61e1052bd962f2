"""Every mode of the colour transfer in batches, on a GPU or the CPU: the numpy version's results.

Each sample has its own generator and draws what numpy draws, in the same order, so a batch's
make-up changes no sample. Against numpy a result differs by at most 1 level of 255 in the modes
`masked`, `faithful` and `published`, but for single pixels where near ties of a sort change
places; in `partial`, whose matching of single colours amplifies ties, by 0.5 levels on average.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from face_occlusion.generation.algorithm1_torch import Pixels, prepare_faces_torch, thresholds_torch
from face_occlusion.generation.colour_transfer.algorithm1 import Reading
from face_occlusion.generation.colour_transfer.colour_transfer import (
    NUM_PARTIAL,
    ColourTransferParams,
)
from face_occlusion.generation.colour_transfer.pixel_grids import grid_indices, grid_size
from face_occlusion.generation.colour_transfer.transport import random_directions, random_frames
from face_occlusion.generation.partial_transport_torch import (
    sliced_partial_transport_torch,
    spread_torch,
)
from face_occlusion.generation.transport_torch import (
    quantile_transport_torch,
    sliced_transport_torch,
    smooth_displacement_published_torch,
    smooth_displacement_torch,
)

Generators = Sequence[np.random.Generator]


class Grids(NamedTuple):
    """Hands on coarse grids, each in the upper left corner of its own.

    Attributes:
        colours: (B, 3, gh, gw) uint8.
        alphas: (B, gh, gw) float in 0-1; 0 beyond a hand's grid.
        sizes: (rows, columns) of each hand's grid.
    """

    colours: torch.Tensor
    alphas: torch.Tensor
    sizes: Sequence[tuple[int, int]]


def transfer_colours_torch(
    faces: torch.Tensor,
    face_masks: torch.Tensor,
    hands: torch.Tensor,
    alphas: torch.Tensor,
    rngs: Generators,
    params: ColourTransferParams,
) -> torch.Tensor:
    """Recolour a batch of hands like their faces, as `transfer_colours`.

    Args:
        faces: (B, 3, H, W) uint8.
        face_masks: (B, H, W) bool.
        hands: (B, 3, h, w) uint8, straight colours; left unchanged.
        alphas: (B, h, w) uint8 coverage in 0-255.
        rngs: One generator for each sample.
        params: The mode and its settings.

    Returns:
        (B, 3, h, w) uint8.

    Raises:
        ValueError: If a face's mask or a hand is empty on the coarse grid.
    """
    if params.mode == "published":
        return _published(faces, face_masks, hands, alphas, rngs, params)
    grid, alpha = sample_torch(hands, alphas.float() / 255, params.downscale)
    size = (int(alpha.shape[1]), int(alpha.shape[2]))
    grids = Grids(grid, alpha, [size] * len(rngs))
    change = displacement_torch(faces, face_masks, grids, rngs, params)
    return apply_displacement_torch(hands, change)


def displacement_torch(
    faces: torch.Tensor,
    face_masks: torch.Tensor,
    hands: Grids,
    rngs: Generators,
    params: ColourTransferParams,
) -> torch.Tensor:
    """Compute the changes of colour on coarse grids, as `colour_displacement`.

    Args:
        faces: (B, 3, H, W) uint8.
        face_masks: (B, H, W) bool.
        hands: The hands; of one size in mode `faithful`.
        rngs: One generator for each sample.
        params: The mode, any but `published`.

    Returns:
        (B, 3, gh, gw) float32 in levels of 255.

    Raises:
        ValueError: If a face's mask or a hand is empty on its grid.
    """
    inside = hands.alphas >= 0.5
    move = _move_whole if params.mode == "faithful" else _move_masked
    moved = move(faces, face_masks, Pixels(hands.colours, inside), rngs, params)
    sigmas = [params.smoothing_frac * math.sqrt(math.prod(size)) for size in hands.sizes]
    weight = (hands.alphas * inside)[:, None]
    return smooth_displacement_torch(moved * (255 * params.strength), weight, sigmas)


def sample_torch(
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


def _move_masked(
    faces: torch.Tensor,
    face_masks: torch.Tensor,
    hands: Pixels,
    rngs: Generators,
    params: ColourTransferParams,
) -> torch.Tensor:
    """Return (B, 3, gh, gw) float32 on the scale 0-1: modes `masked` and `partial`."""
    directions = _draw(random_frames, rngs, params)
    face = _flat(*sample_torch(faces, face_masks, params.downscale))
    hand, wanted = _flat(*hands), face.colours
    if params.algorithm1 != "off":
        wanted = prepare_faces_torch(face, hand, thresholds_torch(face), rngs, params.algorithm1)
    wanted, start = wanted.float() / 255, hand.colours.float() / 255
    if params.mode == "masked":
        moved = quantile_transport_torch(wanted, face.inside, start, hand.inside, directions)
        return (moved - start).reshape(hands.colours.shape)
    change = torch.zeros_like(start)
    for row, rng in enumerate(rngs):
        change[row, :, hand.inside[row]] = _partial_change(
            wanted[row, :, face.inside[row]].T,
            start[row, :, hand.inside[row]].T,
            directions[row],
            rng,
            params.partial_share,
        ).T
    return change.reshape(hands.colours.shape)


def _flat(images: torch.Tensor, masks: torch.Tensor) -> Pixels:
    """Take images (B, 3, H, W) and masks (B, H, W) as sets of pixels."""
    return Pixels(images.flatten(2), masks.flatten(1))


def _partial_change(
    wanted: torch.Tensor,
    start: torch.Tensor,
    directions: torch.Tensor,
    rng: np.random.Generator,
    share: float,
) -> torch.Tensor:
    """Match a sample of (N, 3) hand colours one to one; return the change of all, (N, 3)."""
    num_hand = min(NUM_PARTIAL, len(start))
    num_face = math.ceil(num_hand / share)
    chosen = rng.permutation(len(start))[:num_hand]
    sample = start[torch.from_numpy(chosen).to(start.device)]
    picked = np.resize(rng.permutation(len(wanted)), num_face)
    face_sample = wanted[torch.from_numpy(picked).to(start.device)]
    moved = sliced_partial_transport_torch(face_sample, sample, directions)
    return spread_torch(sample, moved - sample, start)


def _move_whole(
    faces: torch.Tensor,
    face_masks: torch.Tensor,
    hands: Pixels,
    rngs: Generators,
    params: ColourTransferParams,
) -> torch.Tensor:
    """Return (B, 3, gh, gw) float32 on the scale 0-1: mode `faithful`."""
    directions = _draw(random_directions, rngs, params)
    source = faces_on_black_torch(faces, face_masks, hands.inside.shape[1:])
    target = hands.colours * hands.inside[:, None]
    if params.algorithm1 != "off":
        thresholds = thresholds_torch(_flat(*sample_torch(faces, face_masks, params.downscale)))
        source = _prepare_whole(source, target, thresholds, rngs, params.algorithm1)
    start = target.float() / 255
    return sliced_transport_torch(source.float() / 255, start, directions) - start


def _published(
    faces: torch.Tensor,
    face_masks: torch.Tensor,
    hands: torch.Tensor,
    alphas: torch.Tensor,
    rngs: Generators,
    params: ColourTransferParams,
) -> torch.Tensor:
    """Transfer colours as `transfer_published`, hands without a face unchanged (D5)."""
    directions = _draw(random_directions, rngs, params)
    with_face = face_masks.flatten(1).any(dim=1)
    if not with_face.all():
        moved = hands.clone()
        rows = with_face.nonzero()[:, 0]
        if len(rows):
            chosen = [rngs[row] for row in rows.tolist()]
            batch = (faces[rows], face_masks[rows], hands[rows], alphas[rows])
            moved[rows] = _published_moved(*batch, chosen, directions[rows.cpu()])
        return moved
    return _published_moved(faces, face_masks, hands, alphas, rngs, directions)


def _published_moved(
    faces: torch.Tensor,
    face_masks: torch.Tensor,
    hands: torch.Tensor,
    alphas: torch.Tensor,
    rngs: Generators,
    directions: torch.Tensor,
) -> torch.Tensor:
    covered = (alphas >= 128)[:, None]
    target = hands * covered
    source = faces_on_black_torch(faces, face_masks, alphas.shape[1:])
    thresholds = thresholds_torch(_flat(faces, face_masks))
    source = _prepare_whole(source, target, thresholds, rngs, "published")
    start = target.float() / 255
    change = sliced_transport_torch(source.float() / 255, start, directions) - start
    moved = ((start + smooth_displacement_published_torch(change)) * 255).clamp(0, 255)
    return torch.where(covered, moved.to(torch.uint8), hands)


def _draw(
    draw: Callable[[np.random.Generator, int, int], np.ndarray],
    rngs: Generators,
    params: ColourTransferParams,
) -> torch.Tensor:
    """Draw the directions of each sample, (B, steps, batch, 3)."""
    drawn = [draw(rng, params.steps, params.directions_per_step) for rng in rngs]
    return torch.from_numpy(np.stack(drawn))


def _prepare_whole(
    source: torch.Tensor,
    target: torch.Tensor,
    thresholds: tuple[torch.Tensor, torch.Tensor],
    rngs: Generators,
    reading: Reading,
) -> torch.Tensor:
    """Apply Algorithm 1 to whole images, (B, 3, H, W) uint8, black around the face included."""
    every = torch.ones_like(source[:, 0], dtype=torch.bool)
    prepared = prepare_faces_torch(
        _flat(source, every), _flat(target, every), thresholds, rngs, reading
    )
    return prepared.reshape(source.shape)


def faces_on_black_torch(
    faces: torch.Tensor, face_masks: torch.Tensor, size: Sequence[int]
) -> torch.Tensor:
    """Sample the faces' bounding boxes to one size, black around the faces, as `face_on_black`.

    Raises:
        ValueError: If a mask is empty.
    """
    sampled = []
    along = [face_masks.any(dim=axis).cpu().numpy() for axis in (2, 1)]  # rows, columns in use
    for row, (face, mask) in enumerate(zip(faces, face_masks, strict=True)):
        used = [np.flatnonzero(lines[row]) for lines in along]
        if not len(used[0]):
            raise ValueError(f"face_masks must hold a pixel in each row; row {row} is empty")
        at = [
            torch.from_numpy(ends[0] + grid_indices(ends[-1] + 1 - ends[0], num)).to(faces.device)
            for ends, num in zip(used, size, strict=True)
        ]
        inside = mask[at[0][:, None], at[1]]
        sampled.append(face[:, at[0][:, None], at[1]] * inside)
    return torch.stack(sampled)
