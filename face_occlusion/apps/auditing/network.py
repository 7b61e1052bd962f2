"""A small network that says what is face: enough to disagree with a wrong mask."""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn import functional as F

_WIDTHS = (16, 32, 48, 64)
_CHANNELS = 5  # red, green, blue, x, y


def _conv(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )


class FaceFinder(nn.Module):
    """An hourglass of 154,000 weights with added skips; its finest features have half the size.

    Channels are x and y of each pixel beside its colours: faces are aligned, so that place says
    much, and a network this small could not find it out itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            nn.Sequential(_conv(before, after, 2), _conv(after, after))
            for before, after in itertools.pairwise((_CHANNELS, *_WIDTHS))
        )
        upwards = list(itertools.pairwise(_WIDTHS[::-1]))
        self.narrow = nn.ModuleList(nn.Conv2d(before, after, 1) for before, after in upwards)
        self.up = nn.ModuleList(_conv(after, after) for _, after in upwards)
        self.head = nn.Conv2d(_WIDTHS[0], 1, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return log odds of face.

        Args:
            images: (N, 3, H, W) float32 RGB in [0, 1].

        Returns:
            (N, H, W) float32.
        """
        size = images.shape[-2:]
        features = torch.cat([(images - 0.5) * 4, _places(images)], 1)
        skips = []
        for down in self.down:
            features = down(features)
            skips.append(features)
        for narrow, up, skip in zip(self.narrow, self.up, skips[-2::-1], strict=True):
            features = up(skip + _enlarged(narrow(features), skip.shape[-2:]))
        return _enlarged(self.head(features), size)[:, 0]


def _places(images: torch.Tensor) -> torch.Tensor:
    """Return (N, 2, H, W) x and y, -1 to 1."""
    count, _, height, width = images.shape
    grid = torch.meshgrid(
        torch.linspace(-1, 1, width), torch.linspace(-1, 1, height), indexing="xy"
    )
    return torch.stack(grid).expand(count, -1, -1, -1)


def _enlarged(features: torch.Tensor, size: torch.Size) -> torch.Tensor:
    return F.interpolate(features, size=size, mode="bilinear", align_corners=False)
