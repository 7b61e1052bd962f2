"""Augmentation of whole batches on torch tensors, on the CPU or on a GPU.

Sampling is separate from applying: `sample_augmentation` makes one sample's numbers from its own
generator, the other functions are deterministic. The distribution is that of MMSegmentation's
RandomFlip, RandomRotate and PhotoMetricDistortion; each rounds down to whole levels where those do.
Other sizes and places of the face, images without colour and shadows are ours.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from face_occlusion.core.classes import IGNORED
from face_occlusion.networks.segmentor import InputScaling, normalise, per_channel
from face_occlusion.training.settings import AugmentParams

# PhotoMetricDistortion's defaults.
BRIGHTNESS_DELTA = 32.0
CONTRAST_RANGE = (0.5, 1.5)
SATURATION_RANGE = (0.5, 1.5)
HUE_DELTA = 18  # of OpenCV's 180 steps, 2 degrees each
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue, as in JPEG


class Augmentations(NamedTuple):
    """What was sampled for a batch, each an (N,) float32 tensor; neutral values do nothing."""

    flip: Tensor  # 1: mirrored left to right
    angle_deg: Tensor  # positive turns clockwise, as mmcv.imrotate; neutral 0
    brightness: Tensor  # added levels; neutral 0
    contrast: Tensor  # factor; neutral 1
    contrast_last: Tensor  # 1: contrast after saturation and hue, 0: before
    saturation: Tensor  # factor; neutral 1
    hue: Tensor  # degrees; neutral 0
    zoom: Tensor  # factor about the centre; neutral 1
    shift_x: Tensor  # in half widths, positive to the right; neutral 0
    shift_y: Tensor  # in half heights, positive downwards; neutral 0
    grey: Tensor  # 1: without colour
    light: Tensor  # factor in the shade; neutral 1
    shade_deg: Tensor  # direction from the centre to the shade; 0 right, 90 down
    shade_from: Tensor  # where it begins in that direction, in half sides
    shade_soft: Tensor  # width of its edge, in half sides
    shade_bend: Tensor  # curvature of its edge; 0 is straight, negative closes about the centre


def stack_samples(rows: Sequence[Sequence[float]]) -> Tensor:
    """Stack rows of `sample_augmentation` to (16, N) float32, for `Augmentations(*stacked)`."""
    return torch.tensor(np.asarray(rows, np.float32)).T.contiguous()


def sample_augmentation(rng: np.random.Generator, params: AugmentParams) -> list[float]:
    """Sample the augmentation of one image, in the order of `Augmentations`' fields."""
    flip = float(rng.random() < params.flip_prob)
    rotated = rng.random() < params.rotation_prob
    angle = rng.uniform(-params.rotation_deg, params.rotation_deg)
    chosen = rng.random(4) < 0.5  # brightness, contrast, saturation, hue
    brightness = rng.uniform(-BRIGHTNESS_DELTA, BRIGHTNESS_DELTA)
    contrast = rng.uniform(*CONTRAST_RANGE)
    contrast_last = float(rng.random() < 0.5)
    saturation = rng.uniform(*SATURATION_RANGE)
    hue = 2.0 * rng.integers(-HUE_DELTA, HUE_DELTA)
    chosen &= params.photometric
    low, high = np.log(params.zoom_range)
    zoom = math.exp(rng.uniform(low, high))
    shift = abs(zoom - 1) * rng.uniform(-1, 1, 2)  # a smaller image stays whole, a larger one fills
    grey = float(rng.random() < params.grey_prob)
    shaded = rng.random() < params.shadow_prob
    light, direction = rng.uniform(0.3, 1), rng.uniform(0, 360)
    start, soft, bend = rng.uniform(-0.6, 0.6), 0.02 * 50 ** rng.random(), rng.uniform(-0.5, 0.5)
    return [
        flip,
        angle if rotated else 0.0,
        brightness if chosen[0] else 0.0,
        contrast if chosen[1] else 1.0,
        contrast_last,
        saturation if chosen[2] else 1.0,
        hue if chosen[3] else 0.0,
        zoom,
        *shift,
        grey,
        light if shaded else 1.0,
        direction,
        start,
        soft,
        bend,
    ]


def augment(images: Tensor, seg_maps: Tensor, sampled: Augmentations) -> tuple[Tensor, Tensor]:
    """Flip, rotate and distort a batch: (N, 3, H, W) uint8 RGB and (N, H, W) uint8 class ids.

    Returns (N, 3, H, W) float32 RGB in whole levels 0-255, and (N, H, W) uint8 class ids with 255
    (ignored) where rotation brought in no pixel; the image is black there.
    """
    flipped = sampled.flip > 0
    image = torch.where(flipped[:, None, None, None], images.flip(-1), images).float()
    seg_map = torch.where(flipped[:, None, None], seg_maps.flip(-1), seg_maps)
    image, seg_map = move(image, seg_map, sampled)
    return distort(image, sampled), seg_map


def move(images: Tensor, seg_maps: Tensor, sampled: Augmentations) -> tuple[Tensor, Tensor]:
    """Rotate, zoom and shift (N, 3, H, W) float32 images bilinearly, (N, H, W) uint8 maps by pixel.

    About their centres, the shift last; 0 and 255 where nothing was.
    """
    height, width = images.shape[-2:]
    radians = sampled.angle_deg * (math.pi / 180)
    cos, sin = radians.cos() / sampled.zoom, radians.sin() / sampled.zoom
    # From output to source, in grid_sample's coordinates, where both sides span [-1, 1].
    x, y = sampled.shift_x, sampled.shift_y
    right, down = sin * height / width, -sin * width / height
    rows = ([cos, right, -(cos * x + right * y)], [down, cos, -(down * x + cos * y)])
    theta = torch.stack([torch.stack(row, -1) for row in rows], 1)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, "bilinear", "zeros", align_corners=False)
    shifted = seg_maps[:, None].float() - IGNORED  # so that "nothing" is grid_sample's zero
    labels = functional.grid_sample(shifted, grid, "nearest", "zeros", align_corners=False)
    return moved.round(), (labels[:, 0] + IGNORED).round().to(torch.uint8)


def distort(images: Tensor, sampled: Augmentations) -> Tensor:
    """Apply shade, brightness, contrast, saturation and hue to (N, 3, H, W) float32 levels."""
    column = Augmentations(*(values[:, None, None, None] for values in sampled))
    one, last = torch.ones_like(column.contrast), column.contrast_last > 0
    image = _levels(images * shade(images, column) + column.brightness)
    image = _levels(image * torch.where(last, one, column.contrast))
    image = shift_hue(saturate(image, column.saturation), column.hue)
    image = _levels(image * torch.where(last, column.contrast, one))
    luma = (image * per_channel(LUMA, image.device)).sum(1, keepdim=True)
    return torch.where(column.grey > 0, _levels(luma), image)


def shade(images: Tensor, column: Augmentations) -> Tensor:
    """Return the light that falls on (N, 3, H, W) images, (N, 1, H, W) float32: below 1 in shade.

    `column` has (N, 1, 1, 1) tensors. A shadow covers the picture beyond an edge, straight or bent,
    hard or soft: a hat's on a forehead, the side of a face that turns away from the light.
    """
    height, width = images.shape[-2:]
    y = torch.linspace(-1, 1, height, device=images.device)[:, None]
    x = torch.linspace(-1, 1, width, device=images.device)
    radians = column.shade_deg * (math.pi / 180)
    cos, sin = radians.cos(), radians.sin()
    along, across = x * cos + y * sin, y * cos - x * sin
    beyond = along - column.shade_from - column.shade_bend * across * across
    return 1 - (1 - column.light) * (beyond / column.shade_soft + 0.5).clamp(0, 1)


def saturate(images: Tensor, factor: Tensor) -> Tensor:
    """Scale HSV saturation by `factor`, at most to full saturation; value and hue stay."""
    value = images.amax(1, keepdim=True)
    chroma = value - images.amin(1, keepdim=True)
    most = value / chroma.clamp(min=1e-6)  # factor at which saturation reaches 1
    return value - (value - images) * torch.minimum(factor, most)


def shift_hue(images: Tensor, degrees: Tensor) -> Tensor:
    """Turn HSV hue by `degrees`; value and saturation stay."""
    value, argmax = images.max(1, keepdim=True)
    chroma = value - images.amin(1, keepdim=True)
    red, green, blue = images.split(1, 1)
    safe = chroma.clamp(min=1e-6)
    sector = torch.where(argmax == 1, 2 + (blue - red) / safe, 4 + (red - green) / safe)
    sector = torch.where(argmax == 0, (green - blue) / safe, sector)
    offsets = per_channel((5.0, 3.0, 1.0), images.device)
    k = (offsets + sector + degrees / 60).remainder(6)
    return value - chroma * torch.minimum(k, 4 - k).clamp(0, 1)


def augment_normalised(
    images: Tensor, seg_maps: Tensor, stacked: Tensor, scaling: InputScaling
) -> tuple[Tensor, Tensor]:
    """Augment and normalise a batch; one function, so that it compiles to few kernels.

    Takes `augment`'s batch, (16, N) float32 of `stack_samples` and the scaling of the network's
    inputs; returns (N, 3, H, W) float32, channels-last, and (N, H, W) uint8.
    """
    images, seg_maps = augment(images, seg_maps, Augmentations(*stacked))
    return normalise(images, scaling).contiguous(memory_format=torch.channels_last), seg_maps


def _levels(images: Tensor) -> Tensor:
    """Clip to 0-255 and round down to whole levels; 1e-3 absorbs float32's error."""
    return (images.clamp(0, 255) + 1e-3).floor()
