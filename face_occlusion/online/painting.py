"""Paint occlusions on whole batches with PyTorch, from what the reading processes sampled.

The steps and their order are those of `generation.occlusion.paint_occlusion`, whose arithmetic
uint8 images pass through; here levels are whole numbers in float32, so that warps, blurs and blends
are the same but for colour fits. Shapes are fixed and nothing asks the host: the painter can be
part of a CUDA graph. A JPEG of the occluder alone is left out.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from face_occlusion.core.classes import BACKGROUND, FACE
from face_occlusion.core.images.resampling import BAND_ROWS
from face_occlusion.generation.compositing import HALF
from face_occlusion.generation.harmonisation.statistics import (
    FROM_LAB,
    FROM_XYZ,
    MAX_COLOURS,
    MAX_GAIN,
    MAX_SHIFT_LAB,
    SURROUNDINGS_FRAC,
    TO_LAB,
    TO_XYZ,
)
from face_occlusion.online.drawing import GRID, Sizes

Numbers = Mapping[str, Tensor]  # (N, k) float64 each


def compile_painter(painter: "Painter") -> Callable[..., tuple[Tensor, Tensor]]:
    """Return a painter whose steps are fused by `torch.compile`, for batches of one size.

    Without persistent reductions: for some batch sizes PyTorch 2.11 fails to write those for a GPU.
    """
    return torch.compile(painter, dynamic=False, options={"triton.persistent_reductions": False})


class Painter:
    """Paints the occlusions of a batch; the atlas' pixels, (M,) int32, are on its device."""

    def __init__(self, atlas: Tensor, sizes: Sizes) -> None:
        self.atlas, self.sizes, self._fields = atlas, sizes, sizes.fields()
        self._colour = [
            torch.from_numpy(matrix).to(atlas.device, torch.float32)
            for matrix in (TO_XYZ, TO_LAB, FROM_XYZ, FROM_LAB)
        ]

    def __call__(
        self, images: Tensor, seg_maps: Tensor, drawn: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Occlude (N, 3, H, W) uint8 RGB and (N, H, W) uint8 class ids; returns new tensors.

        `drawn` are the samples' `drawing.pack`, stacked, on the atlas' device.
        """
        n = {name: drawn["numbers"][:, part] for name, part in self._fields.items()}
        image, face = images.float(), seg_maps == FACE
        wide = soften(self.warp(n), n["edge"].float())
        pad = self.sizes.padding
        layer = wide[:, :, pad:-pad, pad:-pad]
        if self.sizes.has_shapes:
            coverage = drawn["coverage"][:, None].float()
            shape = torch.cat([(layer[:, :3] * coverage / 255).round(), coverage], 1)
            layer = torch.where(_per_image(n["is_shape"]) > 0, shape, layer)
        layer = layer * _per_image(n["painted"])
        colour, alpha = layer[:, :3], layer[:, 3:]
        occluded = torch.where(alpha[:, 0] >= HALF, BACKGROUND, seg_maps)
        if self.sizes.steps:
            change = self.transfer(wide, n, drawn["face_colours"])
            colour = torch.minimum(_levels(colour + change * alpha / 255), alpha)
        contrast, shift = (_per_image(value) for value in n["tone"].float().unbind(1))
        colour = torch.minimum(_levels(colour * contrast + alpha * shift), alpha)
        if self.sizes.has_statistics:
            colour = self.harmonise(image, colour, alpha, n["harmonisation"].float())
        opacity = _per_image(n["opacity"])
        cover = (alpha * opacity).round()
        composite = (colour * opacity).round() + (image * (255 - cover) / 255).round()
        composite = self.soften_contact(composite.clamp(max=255), face, alpha, n["contact"])
        return composite.to(torch.uint8), occluded

    def warp(self, n: Numbers) -> Tensor:
        """Look the occluders up in the atlas: (N, 4, H + 2q, W + 2q) levels, q = padding + radius.

        Positions are rounded as in `core.images.warp_affine`.
        """
        device, margin = self.atlas.device, self.sizes.padding + self.sizes.radius
        height, width = (side + 2 * margin for side in self.sizes.shape)
        left, top = (n["window"][:, k, None] for k in (0, 1))
        column = torch.arange(width, device=device, dtype=torch.float64) - margin - left
        row = torch.arange(height, device=device, dtype=torch.float64) - margin - top
        xx, xy, x0, yx, yy, y0 = (value[:, None] for value in n["inverse"].unbind(1))
        in_band = row.remainder(BAND_ROWS)
        x, y = (
            ((of_column[:, None] + of_row[:, :, None]) * 32).round() / 32
            for of_column, of_row in (
                (_fine(a * column), _fine(b * in_band) + _fine(b * (row - in_band) + c))
                for a, b, c in ((xx, xy, x0), (yx, yy, y0))
            )
        )
        start, (rows, columns) = n["start"].long()[:, :, None], n["size"].long().T[:, :, None, None]
        is_shape = n["is_shape"][:, :, None] > 0
        left, top = x.floor(), y.floor()
        planes = [torch.zeros_like(x) for _ in range(4)]
        for step_y, step_x in ((0, 0), (0, 1), (1, 0), (1, 1)):
            weight = (1 - (x - left - step_x).abs()) * (1 - (y - top - step_y).abs())
            at_x, inside_x = _within(left.long() + step_x, columns, is_shape, self.sizes.has_shapes)
            at_y, inside_y = _within(top.long() + step_y, rows, is_shape, self.sizes.has_shapes)
            pixel = self.atlas[start + at_y * columns + at_x]
            weight = torch.where(inside_x & inside_y, weight, 0)
            for channel in range(4):
                planes[channel] = planes[channel] + weight * ((pixel >> 8 * channel) & 255)
        return torch.stack(planes, 1).round()

    def transfer(self, wide: Tensor, n: Numbers, face_colours: Tensor) -> Tensor:
        """Return the (N, 3, H, W) change of the hands' colours, in levels, by sliced transport.

        `wide` (N, 4, H + 2p, W + 2p) levels are the soft layers with their padding, and
        `face_colours` (N, F, 3) uint8.
        """
        rows, columns = n["grid"].long()[..., None].unbind(1)  # (N, 1)
        x, y, width, height = n["window"][..., None].unbind(1)
        cell = torch.arange(self.sizes.hand_pixels, device=wide.device)[None]
        in_row, in_column = cell // columns, cell % columns
        place_x = ((in_column + 0.5) * (width / columns)).long() + x.long() + self.sizes.padding
        place_y = ((in_row + 0.5) * (height / rows)).long() + y.long() + self.sizes.padding
        place = place_y.clamp(0, wide.shape[2] - 1) * wide.shape[3]
        place = place + place_x.clamp(0, wide.shape[3] - 1)
        pixels = wide.flatten(2).gather(2, place[:, None].expand(-1, 4, -1))  # (N, 4, K)
        share = pixels[:, 3:] / 255
        straight = (pixels[:, :3] / share.clamp(min=1e-3)).round().clamp(max=255) / 255
        inside = (cell < rows * columns)[:, None] & (share >= 0.5)  # (N, 1, K)
        moved = self.transport(straight, inside, n, face_colours) - straight
        change = moved * (255 * n["transfer"].float()[..., None])
        weight = torch.where(inside, share, 0)
        # The list of cells becomes a grid, and is averaged over a Gaussian neighbourhood.
        line = torch.arange(GRID, device=wide.device)
        of_cell = (line[:, None] * columns[..., None] + line).clamp(max=cell.shape[1] - 1)
        valid = (line[:, None] < rows[..., None]) & (line < columns[..., None])
        weighted = torch.cat([change * weight, weight], 1)
        grid = weighted.gather(2, of_cell.flatten(1)[:, None].expand(-1, 4, -1))
        grid = grid.view(-1, 4, GRID, GRID) * valid[:, None]
        apart = (line[:, None] - line).abs()
        sigma = n["sigma"].float()[..., None]
        kernel = torch.exp(-0.5 * (apart / sigma) ** 2) / (math.sqrt(2 * math.pi) * sigma)
        kernel = torch.where(apart <= (3 * sigma).ceil(), kernel, 0)[:, None]
        smooth = kernel @ grid @ kernel
        known = smooth[:, 3:] > 1e-6
        change = torch.where(known, smooth[:, :3] / smooth[:, 3:].clamp(min=1e-6), 0)
        change = (change.clamp(-255, 255) * 32).round() / 32
        # Enlarged bilinearly, at positions in steps of 1/32 cell.
        down = _places(self.sizes.shape[0], y, height / rows, rows)
        right = _places(self.sizes.shape[1], x, width / columns, columns)
        return _between(_between(change, down[:, None, :, None], 2), right[:, None, None], 3)

    def transport(
        self, colours: Tensor, inside: Tensor, n: Numbers, face_colours: Tensor
    ) -> Tensor:
        """Move colours (N, 3, K) in 0-1 to the face's by their quantiles along directions.

        As `colour_transfer.transport.quantile_transport`, each pixel on its own.
        """
        num, steps, batch = len(colours), self.sizes.steps, self.sizes.directions
        directions = n["directions"].float().view(num, steps, batch, 3)
        inverses = n["inverses"].float().view(num, steps, 3, batch)
        num_face = n["num_face"].long()[..., None]  # (N, 1, 1)
        wanted = face_colours.float().mT / 255  # (N, 3, F)
        place = torch.arange(wanted.shape[2], device=wanted.device)
        along = _product(directions.flatten(1, 2), wanted)
        along = torch.where(place < num_face, along, math.inf).sort(-1).values
        along = torch.where(place < num_face, along, 0).view(num, steps, batch, -1)
        integral = functional.pad(along.cumsum(-1, dtype=torch.float64), (1, 0))
        num_hand = inside.sum(-1, keepdim=True).clamp(min=1)  # (N, 1, 1)
        end = torch.arange(inside.shape[2] + 1, device=wanted.device)
        ends = torch.minimum(end, num_hand) * (num_face / num_hand.double())
        below = torch.minimum(ends.long(), num_face - 1).expand(-1, batch, -1)
        part = ends - below
        for step in range(steps):
            ordered, sums = along[:, step], integral[:, step]
            reached = part * ordered.gather(2, below) + sums.gather(2, below)
            means = reached.diff(dim=-1) * (num_hand / num_face)
            projected = torch.where(inside, _product(directions[:, step], colours), math.inf)
            values, order = projected.sort(-1)
            change = torch.where(end[:-1] < num_hand, means.float() - values, 0)
            shift = torch.zeros_like(values).scatter(2, order, change)
            colours = colours + _product(inverses[:, step], shift)
        return colours

    def harmonise(self, image: Tensor, colour: Tensor, alpha: Tensor, strength: Tensor) -> Tensor:
        """Fit premultiplied (N, 3, H, W) colours to the image around them, as Reinhard et al."""
        step = math.ceil(max(self.sizes.shape) / self.sizes.statistics_px)
        scene, cover = image[..., ::step, ::step], alpha[:, 0, ::step, ::step]
        inside = cover >= HALF
        straight = (colour[..., ::step, ::step] * 255 / cover.clamp(min=1)[:, None]).round()
        scene = torch.where(inside[:, None], straight, scene).flatten(2)  # (N, 3, P)
        near = _surroundings(inside)
        fore, back = (_subsample(part & near) for part in (inside, cover == 0))  # (N, 1, P)
        known = (fore.sum(-1) > 0) & (back.sum(-1) > 0)
        lab = self.to_lab(scene)
        mean, deviation = _moments(lab, fore)
        back_mean, back_deviation = _moments(lab, back)
        gain = ((back_deviation + 1) / (deviation + 1)).clamp(1 / MAX_GAIN, MAX_GAIN)
        shift = back_mean - mean
        longest = MAX_SHIFT_LAB / shift.norm(dim=1, keepdim=True).clamp(min=1e-9)
        change = self.to_rgb((lab - mean) * gain + mean + shift * longest.clamp(max=1)) - scene
        total = fore.sum(-1, keepdim=True).clamp(min=1)
        centre, mean_change = (
            (fore * one).sum(-1, keepdim=True) / total for one in (scene, change)
        )
        apart = ((scene - centre) * fore)[:, :, None]
        covariance = (apart * (scene - centre)[:, None]).sum(-1) / total
        cross = (apart * (change - mean_change)[:, None]).sum(-1) / total
        linear = _inverse(covariance + torch.eye(3, device=image.device)) @ cross  # from the right
        offset = mean_change[..., 0] - (centre * linear).sum(1)
        scale = strength * known
        linear = scale[..., None] * linear + torch.eye(3, device=image.device)
        moved = _product(linear.mT, colour.flatten(2)).view_as(colour)
        moved = moved + (scale * offset)[..., None, None] * alpha / 255
        return torch.minimum(_levels(moved), alpha)

    def to_lab(self, colours: Tensor) -> Tensor:
        """Convert (N, 3, P) levels of sRGB to CIELAB under D65."""
        unit = colours / 255
        curve = ((unit.clamp(min=0) + 0.055) / 1.055) ** 2.4
        xyz = _product(self._colour[0], torch.where(unit <= 0.04045, unit / 12.92, curve))
        roots = xyz.clamp(min=1e-9) ** (1 / 3)
        roots = torch.where(xyz > 216 / 24389, roots, (24389 / 27 * xyz + 16) / 116)
        lab = _product(self._colour[1], roots)
        return torch.cat([lab[:, :1] - 16, lab[:, 1:]], 1)

    def to_rgb(self, colours: Tensor) -> Tensor:
        """Convert CIELAB (N, 3, P) to levels of sRGB."""
        lab = torch.cat([colours[:, :1] + 16, colours[:, 1:]], 1)
        roots = _product(self._colour[3], lab)
        xyz = torch.where(roots > 6 / 29, roots**3, (116 * roots - 16) * 27 / 24389)
        linear = _product(self._colour[2], xyz).clamp(0, 1)
        curve = 1.055 * linear.clamp(min=1e-9) ** (1 / 2.4) - 0.055
        return torch.where(linear <= 0.0031308, 12.92 * linear, curve) * 255

    def soften_contact(self, image: Tensor, face: Tensor, alpha: Tensor, taps: Tensor) -> Tensor:
        """Blur a composite (N, 3, H, W) where the occluder's edge meets the face."""
        weight = (4 * alpha * (255 - alpha) / 255).round() * face[:, None]
        weight = weight * (_per_image(taps[:, :1]) < 256)
        pad = [self.sizes.radius] * 4
        smooth = blur(functional.pad(image, pad, mode="replicate"), taps.float())
        kept = (image * (255 - weight) / 255).round()
        return (kept + (smooth * weight / 255).round()).clamp(max=255)


def _per_image(values: Tensor) -> Tensor:
    """Return (N,) or (N, 1) numbers as (N, 1, 1, 1) float32."""
    return values.float().reshape(-1, 1, 1, 1)


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Multiply (..., A, 3) by (..., 3, P): fused with what surrounds it, as no library's product.

    For such shapes those took half of the painting's time on an H200.
    """
    return (left[..., None] * right[..., None, :, :]).sum(-2)


def _fine(positions: Tensor) -> Tensor:
    return ((positions * 256).round() / 256).float()


def _levels(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255)


def _within(
    at: Tensor, length: Tensor, is_shape: Tensor, has_shapes: bool
) -> tuple[Tensor, Tensor]:
    """Return indices within [0, length), reflected for shapes, and whether a pixel is there."""
    inside, clamped = (at >= 0) & (at < length), torch.minimum(at.clamp(min=0), length - 1)
    if not has_shapes:
        return clamped, inside
    turned = at.remainder(2 * length)
    reflected = torch.minimum(turned, 2 * length - 1 - turned)
    return torch.where(is_shape, reflected, clamped), inside | is_shape


def blur(padded: Tensor, taps: Tensor) -> Tensor:
    """Blur levels (N, C, H + 2r, W + 2r) with each image's (N, r + 1) taps in 1/256, rounded.

    All sums are whole numbers below 2**24: the same as OpenCV's.
    """
    radius = taps.shape[1] - 1
    for axis in (2, 3):
        length = padded.shape[axis] - 2 * radius
        total = _per_image(taps[:, 0]) * padded.narrow(axis, radius, length)
        for k in range(1, radius + 1):
            pair = padded.narrow(axis, radius - k, length) + padded.narrow(axis, radius + k, length)
            total = total + _per_image(taps[:, k]) * pair
        padded = total
    return (padded / 2**16).round()


def soften(layer: Tensor, taps: Tensor) -> Tensor:
    """Blur the edges of layers (N, 4, ...), whose inside keeps its colour; see `compositing`."""
    radius = taps.shape[1] - 1
    blurred, sharp = blur(layer, taps), layer[:, :, radius:-radius, radius:-radius]
    alpha = blurred[:, 3:]
    own = (sharp[:, :3] * alpha / 255).round()
    return torch.cat([torch.where(sharp[:, 3:] == 255, own, blurred[:, :3]), alpha], 1)


def _places(length: int, start: Tensor, scale: Tensor, cells: Tensor) -> Tensor:
    """Return (N, length) places of pixels in a grid's cells, in steps of 1/32 cell."""
    pixel = torch.arange(length, device=start.device) - start + 0.5
    place = ((pixel / scale - 0.5) * 32).round() / 32
    return torch.minimum(place.clamp(min=0), cells - 1.0).float()


def _between(cells: Tensor, place: Tensor, axis: int) -> Tensor:
    """Interpolate linearly between the cells of one axis, at places that broadcast to the rest."""
    first = place.long()
    last, part = (first + 1).clamp(max=cells.shape[axis] - 1), place - first
    return cells.take_along_dim(first, axis) * (1 - part) + cells.take_along_dim(last, axis) * part


def _surroundings(inside: Tensor) -> Tensor:
    """Return (N, H, W) bool: the window about a foreground in which its surroundings lie."""
    reach = (SURROUNDINGS_FRAC * inside.sum((1, 2)).float().sqrt()).floor().clamp(min=3)[:, None]
    near = []
    for axis in (1, 2):
        used = inside.any(3 - axis).float()  # (N, length)
        place = torch.arange(used.shape[1], device=used.device)
        first = torch.where(used > 0, place, used.shape[1]).amin(1, keepdim=True)
        last = torch.where(used > 0, place, -1).amax(1, keepdim=True)
        near.append((place >= first - reach) & (place <= last + reach))
    return near[0][:, :, None] & near[1][:, None]


def _subsample(part: Tensor) -> Tensor:
    """Return (N, 1, P) float: at most `MAX_COLOURS` pixels of a part (N, H, W), evenly spaced."""
    # Summed by products: PyTorch 2.11 cannot compile for a GPU what it fuses with a scan.
    counts = part.float()
    in_row = counts.sum(2)
    height, width = counts.shape[1:]
    before = in_row @ torch.ones(height, height, device=part.device).triu(1)
    along = counts @ torch.ones(width, width, device=part.device).triu()
    rank = along + before[..., None] - 1
    num = in_row.sum(1)[:, None, None]
    step = ((num + MAX_COLOURS - 1) / MAX_COLOURS).floor()
    return (part & (rank % step.clamp(min=1) == 0)).float().flatten(1)[:, None]


def _moments(colours: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation, (N, 3, 1), of the weighted colours (N, 3, P)."""
    total = weight.sum(-1, keepdim=True).clamp(min=1)
    mean = (weight * colours).sum(-1, keepdim=True) / total
    return mean, ((weight * (colours - mean) ** 2).sum(-1, keepdim=True) / total).sqrt()


def _inverse(matrices: Tensor) -> Tensor:
    """Return the inverses of (N, 3, 3) matrices, by cofactors."""
    first, second, third = matrices.unbind(1)
    cofactors = torch.stack(
        [second.cross(third, -1), third.cross(first, -1), first.cross(second, -1)], 2
    )
    return cofactors / (first * cofactors[..., 0]).sum(-1)[:, None, None]


class PaintingPreprocessor(nn.Module):
    """Paints a training batch before a network's own preprocessing augments it."""

    def __init__(
        self, preprocessor: nn.Module, paint: Callable[..., tuple[Tensor, Tensor]]
    ) -> None:
        super().__init__()
        self.preprocessor, self.paint = preprocessor, paint

    def forward(self, batch: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Prepare a batch; for training it holds what `drawing.pack` returns, stacked."""
        return self.preprocessor(self.paint_batch(batch) if training else batch, training)

    def paint_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return a training batch, painted on the network's device, for the own preprocessing."""
        device = next(self.preprocessor.buffers()).device
        batch = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
        images = batch["inputs"].permute(0, 3, 1, 2)
        images, seg_maps = self.paint(images, batch["seg_maps"], batch)
        inputs = images.permute(0, 2, 3, 1)
        return {"inputs": inputs, "seg_maps": seg_maps, "augmentations": batch["augmentations"]}
