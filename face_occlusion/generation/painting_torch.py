"""Paint occluders over faces on a GPU or the CPU, as `painting` does: to a level or two of 255.

Images are (3, H, W) uint8 RGB tensors. What is drawn, placed and labelled stays in numpy, so maps
and records are those of `painting`, to the byte.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch.nn import functional

from face_occlusion.generation.augmentation import apply_tone_layer, compress, gain_and_bias
from face_occlusion.generation.colour_transfer.colour_transfer import ColourTransferParams
from face_occlusion.generation.colour_transfer.pixel_grids import grid_covers, sample_premultiplied
from face_occlusion.generation.colour_transfer_torch import Grids, displacement_torch
from face_occlusion.generation.compositing import Layer, contact_weight
from face_occlusion.generation.occlusion import Drawn
from face_occlusion.generation.painting import colour_rng, paint, transfer


def apply_faces_torch(
    images: Sequence[torch.Tensor],
    records: Sequence[Mapping[str, Any]],
    parallel_map: Callable[..., Iterable[np.ndarray]] = map,
) -> list[torch.Tensor]:
    """Apply faces' changes to their images, as `apply_face`; compression runs on the CPU.

    Args:
        images: (3, H, W) uint8 RGB each; left unchanged.
        records: From `draw_face`.
        parallel_map: Maps the compression over images.
    """
    changed = [_apply_face(*one) for one in zip(images, records, strict=True)]
    rows = [row for row, record in enumerate(records) if record["jpeg_quality"] is not None]
    sharp = [to_numpy(changed[row]) for row in rows]
    qualities = [records[row]["jpeg_quality"] for row in rows]
    for row, image in zip(rows, parallel_map(compress, sharp, qualities), strict=True):
        changed[row] = to_device(image, changed[row].device)
    return changed


def _apply_face(image: torch.Tensor, record: Mapping[str, Any]) -> torch.Tensor:
    """Apply a face's affine and tone."""
    if record["matrix"] is not None:
        image = _warp(image, np.array(record["matrix"]))
    if record["contrast"] is not None:
        gain, bias = gain_and_bias(record)
        image = _to_levels(image * gain + bias)
    return image


def _warp(image: torch.Tensor, matrix: np.ndarray) -> torch.Tensor:
    """Warp by an affine from input to output pixels, bilinear, border pixels repeated."""
    height, width = image.shape[1:]
    inverse = cv2.invertAffineTransform(matrix)
    # grid_sample counts from -1 to 1 between the borders: x = ((x_n + 1) * width - 1) / 2.
    to_pixels = np.array([[width / 2, 0, (width - 1) / 2], [0, height / 2, (height - 1) / 2]])
    whole = np.vstack([inverse, [0, 0, 1]]) @ np.vstack([to_pixels, [0, 0, 1]])
    theta = np.linalg.inv(np.vstack([to_pixels, [0, 0, 1]])) @ whole
    grid = functional.affine_grid(
        torch.from_numpy(theta[np.newaxis, :2]).float().to(image.device),
        [1, 3, height, width],
        align_corners=False,
    )
    warped = functional.grid_sample(
        image[None].float(), grid, padding_mode="border", align_corners=False
    )
    return _to_levels(warped[0])


def paint_batch(
    images: Sequence[torch.Tensor], samples: Sequence[Drawn], seg_maps: Sequence[np.ndarray]
) -> list[torch.Tensor]:
    """Blend placed occluders over faces of one size, as `paint` does; maps are left alone.

    Args:
        images: (3, H, W) uint8 each, after the faces' changes; left unchanged.
        samples: What was drawn for each.
        seg_maps: (H, W) uint8 maps; read only where a network harmonises.

    Returns:
        The composites, (3, H, W) uint8 each.
    """
    if samples[0].record["harmonisation"] is not None:
        return [_paint_in_numpy(*one) for one in zip(images, samples, seg_maps, strict=True)]
    colours = _transferred(images, samples)
    return [
        _paint(image, sample, colour)
        for image, sample, colour in zip(images, samples, colours, strict=True)
    ]


def _paint_in_numpy(image: torch.Tensor, sample: Drawn, seg_map: np.ndarray) -> torch.Tensor:
    """Paint one sample with `paint`: harmonisation has no version of its own here."""
    painted = paint(
        to_numpy(image), seg_map.copy(), sample.face_mask, sample.layer, sample.record, 0
    )
    return to_device(painted, image.device)


def _transferred(images: Sequence[torch.Tensor], samples: Sequence[Drawn]) -> list[torch.Tensor]:
    """Return the occluders' premultiplied colours, (3, h, w) uint8, with the faces' if asked."""
    device = images[0].device
    settings = samples[0].record["colour_transfer"]
    if settings is None:
        return [to_device(sample.layer.colour, device) for sample in samples]
    params = ColourTransferParams(**settings)
    batched = params.mode in ("masked", "partial") and all(
        grid_covers(sample.face_mask, params.downscale) for sample in samples
    )
    if not batched:
        return [
            to_device(transfer(to_numpy(image), one.face_mask, one.layer, one.record), device)
            for image, one in zip(images, samples, strict=True)
        ]
    hands = [
        sample_premultiplied(sample.layer.colour, sample.layer.alpha, params.downscale)
        for sample in samples
    ]
    face_masks = torch.from_numpy(np.stack([sample.face_mask > 0 for sample in samples]))
    change = displacement_torch(
        torch.stack(list(images)),
        face_masks.to(device),
        padded(hands, device),
        [colour_rng(sample.record) for sample in samples],
        params,
    )
    return [
        _apply(sample.layer, one[:, : alpha.shape[0], : alpha.shape[1]])
        for sample, one, (_, alpha) in zip(samples, change, hands, strict=True)
    ]


def padded(hands: Sequence[tuple[np.ndarray, np.ndarray]], device: torch.device) -> Grids:
    """Put hands of several sizes, (gh, gw, 3) uint8 and (gh, gw) float32, into one batch."""
    sizes = [(alpha.shape[0], alpha.shape[1]) for _, alpha in hands]
    height, width = np.max(sizes, axis=0)
    colours = np.zeros((len(hands), 3, height, width), np.uint8)
    alphas = np.zeros((len(hands), height, width), np.float32)
    for row, ((rows, columns), (colour, alpha)) in enumerate(zip(sizes, hands, strict=True)):
        colours[row, :, :rows, :columns] = colour.transpose(2, 0, 1)
        alphas[row, :rows, :columns] = alpha
    return Grids(torch.from_numpy(colours).to(device), torch.from_numpy(alphas).to(device), sizes)


def _apply(layer: Layer, displacement: torch.Tensor) -> torch.Tensor:
    """Add a coarse change of colour to a layer, as `apply_to_premultiplied`."""
    device = displacement.device
    alpha = torch.from_numpy(layer.alpha).to(device)
    full = functional.interpolate(
        displacement[None], size=alpha.shape, mode="bilinear", align_corners=False
    )[0]
    moved = _to_levels(to_device(layer.colour, device) + full * (alpha / 255))
    return torch.minimum(moved, alpha)


def _paint(image: torch.Tensor, sample: Drawn, colour: torch.Tensor) -> torch.Tensor:
    """Change an occluder's tone and opacity, blend it, soften the contact."""
    layer, record = sample.layer, sample.record
    image = image.clone()
    canvas, part = layer.inside(sample.face_mask.shape)
    if not sample.face_mask[canvas].size:
        return image
    alpha = torch.from_numpy(layer.alpha).to(image.device)
    colour = _change_tone(colour, alpha, layer, record["occluder_changes"])
    if record["opacity"] < 1:
        colour = _to_levels(colour * record["opacity"])
        alpha = _to_levels(alpha * record["opacity"])
    target = image[(slice(None), *canvas)]
    rest = _to_levels(target * ((255 - alpha[part].float()) / 255))
    target.copy_(_to_levels(colour[(slice(None), *part)] + rest.float()))
    soften_contact_torch(
        target, sample.face_mask[canvas], layer.alpha[part], record["contact_sigma_px"]
    )
    return image


def _change_tone(
    colour: torch.Tensor, alpha: torch.Tensor, layer: Layer, record: Mapping[str, Any]
) -> torch.Tensor:
    """Change brightness and contrast, as `apply_tone_layer`; compression runs on the CPU."""
    if record["jpeg_quality"] is not None:
        moved = Layer(to_numpy(colour), layer.alpha, layer.x, layer.y)
        return to_device(apply_tone_layer(moved, record).colour, colour.device)
    if record["contrast"] is None:
        return colour
    gain, bias = gain_and_bias(record)
    return torch.minimum(_to_levels(colour * gain + alpha * (bias / 255)), alpha)


def soften_contact_torch(
    target: torch.Tensor, face_mask: np.ndarray, alpha: np.ndarray, sigma_px: float
) -> None:
    """Blur where the occluder's edge meets the face, in place, as `soften_contact`."""
    if sigma_px <= 0:
        return
    weight = contact_weight(face_mask, alpha)
    x, y, width, height = cv2.boundingRect(weight)
    if not width:
        return
    margin = math.ceil(3 * sigma_px)
    top, left = max(y - margin, 0), max(x - margin, 0)
    around = target[:, top : y + height + margin, left : x + width + margin].float()
    inner = np.s_[:, y - top : y - top + height, x - left : x - left + width]
    sharp, smooth = around[inner], blur_torch(around, sigma_px)[inner]
    share = torch.from_numpy(weight[y : y + height, x : x + width]).to(target.device) / 255
    mixed = _to_levels(sharp + share * (smooth - sharp))
    target[:, y : y + height, x : x + width] = mixed


def blur_torch(image: torch.Tensor, sigma_px: float) -> torch.Tensor:
    """Blur (C, H, W) float with a Gaussian cut at three sigma; borders are repeated."""
    radius = math.ceil(3 * sigma_px)
    offsets = torch.arange(-radius, radius + 1, device=image.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offsets / sigma_px) ** 2)
    kernel = kernel / kernel.sum()
    padded = functional.pad(image[:, None], (radius,) * 4, mode="replicate")
    across = functional.conv2d(padded, kernel.reshape(1, 1, 1, -1))
    return functional.conv2d(across, kernel.reshape(1, 1, -1, 1))[:, 0]


def _to_levels(values: torch.Tensor) -> torch.Tensor:
    """Round to nearest, clip to 0-255."""
    return values.round().clamp(0, 255).to(torch.uint8)


def to_device(image: np.ndarray, device: torch.device) -> torch.Tensor:
    """Copy an (H, W, 3) array to a (3, H, W) tensor on a device."""
    return torch.from_numpy(image).to(device).permute(2, 0, 1).contiguous()


def to_numpy(image: torch.Tensor) -> np.ndarray:
    """Copy a (3, H, W) tensor to an (H, W, 3) array."""
    return image.permute(1, 2, 0).contiguous().cpu().numpy()
