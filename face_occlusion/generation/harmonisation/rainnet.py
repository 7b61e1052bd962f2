"""RainNet's generator (Ling et al., CVPR 2021), key for key the published network, and its files.

A U-Net whose decoder normalises the foreground's features to the background's statistics (RAIN:
region-aware instance normalisation). Attribute names are those of the published state dict.
"""

import io
import pickle
from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from face_occlusion.core.files import atomic_write

EPSILON = 1e-5
NUM_DOWN = 8  # the image is halved eight times, so its sides are multiples of 256


class RegionAwareNorm(nn.Module):
    """Normalise background and foreground apart, then shift the foreground to the background."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.foreground_gamma = nn.Parameter(torch.zeros(num_features))
        self.foreground_beta = nn.Parameter(torch.zeros(num_features))
        self.background_gamma = nn.Parameter(torch.zeros(num_features))
        self.background_beta = nn.Parameter(torch.zeros(num_features))

    def forward(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (B, C, h, w) for features (B, C, h, w) and a mask (B, 1, H, W), 1 = foreground."""
        mask = functional.interpolate(mask, size=features.shape[2:], mode="nearest")
        back_mean, back_std = _region_statistics(features, 1 - mask)
        fore_mean, fore_std = _region_statistics(features, mask)
        background = (features - back_mean) / back_std
        background = background * (1 + _column(self.background_gamma))
        background = background + _column(self.background_beta)
        foreground = (features - fore_mean) / fore_std * back_std + back_mean
        foreground = foreground * (1 + _column(self.foreground_gamma))
        foreground = foreground + _column(self.foreground_beta)
        return foreground * mask + background * (1 - mask)


def _region_statistics(
    features: torch.Tensor, region: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and deviation over a region, each (B, C, 1, 1); region is (B, 1, h, w)."""
    area = region.sum(dim=(2, 3), keepdim=True) + EPSILON
    mean = (features * region).sum(dim=(2, 3), keepdim=True) / area
    variance = (((features - mean) * region) ** 2).sum(dim=(2, 3), keepdim=True) / area
    return mean, torch.sqrt(variance + EPSILON)


def _column(parameter: torch.Tensor) -> torch.Tensor:
    """Shape (C,) as (1, C, 1, 1)."""
    return parameter[None, :, None, None]


class _NestedBlock(nn.Module):
    """One of the nested levels at the deepest width: down, the inner level, up, join."""

    def __init__(self, width: int, submodule: nn.Module) -> None:
        super().__init__()
        self.down = _encoder_level(width, width)
        self.submodule = submodule
        self.up = nn.Sequential(nn.ReLU(), _up_conv(2 * width, width))
        self.upnorm = RegionAwareNorm(width)

    def forward(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the features, already activated, and behind them the level's: (B, 2C, h, w)."""
        inner = self.submodule(_activate(self.down(features)), mask)
        return torch.cat([features, self.upnorm(self.up(inner), mask)], dim=1)


class _InnermostBlock(nn.Module):
    """The deepest level: no normalisation downward."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = _numbered({1: _down_conv(width, width), 2: nn.ReLU(), 3: _up_conv(width, width)})
        self.upnorm = RegionAwareNorm(width)

    def forward(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the features, already activated, and behind them the level's: (B, 2C, h, w)."""
        return torch.cat([features, self.upnorm(self.up(features), mask)], dim=1)


class RainNet(nn.Module):
    """The generator: a composite and its foreground mask in, a harmonised image out.

    `width` counts the channels after the first convolution; 64 in the published network
    (54,759,043 parameters).
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.width = width
        deep = 8 * width
        self.model_layer0 = _down_conv(3, width)
        self.model_layer1 = _encoder_level(width, 2 * width)
        self.model_layer2 = _encoder_level(2 * width, 4 * width)
        self.model_layer3 = _encoder_level(4 * width, deep)
        block: nn.Module = _InnermostBlock(deep)
        for _ in range(3):
            block = _NestedBlock(deep, block)
        self.unet_block = block
        self.model_layer11 = _decoder_level(2 * deep, 4 * width)
        self.model_layer11norm = RegionAwareNorm(4 * width)
        self.model_layer11att = _attention(8 * width)
        self.model_layer12 = _decoder_level(8 * width, 2 * width)
        self.model_layer12norm = RegionAwareNorm(2 * width)
        self.model_layer12att = _attention(4 * width)
        self.model_layer13 = _decoder_level(4 * width, width)
        self.model_layer13norm = RegionAwareNorm(width)
        self.model_layer13att = _attention(2 * width)
        self.model_out = nn.Sequential(
            nn.ReLU(), nn.ConvTranspose2d(2 * width, 3, 4, 2, 1), nn.Tanh()
        )

    def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Harmonise a batch.

        Args:
            image: (B, 3, H, W) float in [-1, 1]; H and W multiples of 256.
            mask: (B, 1, H, W) float, exactly 0 or 1; 1 = foreground.

        Returns:
            (B, 3, H, W) float in [-1, 1], all pixels generated: see `composite`.

        Raises:
            ValueError: If the sizes differ or are no multiples of 256.
        """
        batch, _, height, width = image.shape
        if image.shape[1] != 3 or mask.shape != (batch, 1, height, width):
            raise ValueError(
                "image and mask must be (B, 3, H, W) and (B, 1, H, W); "
                f"got {tuple(image.shape)} and {tuple(mask.shape)}"
            )
        check_side(height, width)
        first = _activate(self.model_layer0(image))
        second = _activate(self.model_layer1(first))
        third = _activate(self.model_layer2(second))
        features = self.unet_block(_activate(self.model_layer3(third)), mask)
        for skipped, level, norm, attention in (
            (third, self.model_layer11, self.model_layer11norm, self.model_layer11att),
            (second, self.model_layer12, self.model_layer12norm, self.model_layer12att),
            (first, self.model_layer13, self.model_layer13norm, self.model_layer13att),
        ):
            features = torch.cat([skipped, norm(level(features), mask)], dim=1)
            features = features * attention(features)
        return self.model_out(features)

    def composite(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the output inside the mask and the image outside; arguments as `forward`."""
        return self(image, mask) * mask + image * (1 - mask)


def check_side(height: int, width: int) -> None:
    """Check that a size can be halved eight times."""
    if height % 2**NUM_DOWN or width % 2**NUM_DOWN or not height or not width:
        raise ValueError(f"sides must be multiples of {2**NUM_DOWN}; got {height}x{width}")


def _down_conv(num_in: int, num_out: int) -> nn.Conv2d:
    """Halve the size."""
    return nn.Conv2d(num_in, num_out, 4, 2, 1, bias=False)


def _up_conv(num_in: int, num_out: int) -> nn.ConvTranspose2d:
    """Double the size."""
    return nn.ConvTranspose2d(num_in, num_out, 4, 2, 1, bias=False)


def _activate(features: torch.Tensor) -> torch.Tensor:
    """Apply LeakyReLU 0.2.

    The published code activates in place, so its skip connections carry activated features.
    """
    return functional.leaky_relu(features, 0.2)


def _encoder_level(num_in: int, num_out: int) -> nn.Sequential:
    """Halve the size and normalise, without affine parameters; the input is activated."""
    return _numbered({1: _down_conv(num_in, num_out), 2: nn.InstanceNorm2d(num_out)})


def _decoder_level(num_in: int, num_out: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), _up_conv(num_in, num_out))


def _attention(num_features: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(num_features, num_features, 1), nn.Sigmoid())


def _numbered(layers: dict[int, nn.Module]) -> nn.Sequential:
    """Chain layers under the numbers they have in the published state dict."""
    return nn.Sequential(OrderedDict((str(number), layer) for number, layer in layers.items()))


def load_rainnet(path: Path, device: str | torch.device = "cpu") -> RainNet:
    """Load a generator, published or trained here, in evaluation mode; its width is read off it.

    The file is the generator's state dict, `torch.save`d; one that is missing, is no checkpoint, or
    holds another network is a ValueError.
    """
    if not path.is_file():
        raise ValueError(
            f"{path}: no such RainNet checkpoint; train one with `face-occlusion train-rainnet`, "
            "or set harmonisation to mkl, reinhard or none"
        )
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: not a RainNet checkpoint: not a file of tensors") from error
    first = state.get("model_layer0.weight") if isinstance(state, dict) else None
    if not isinstance(first, torch.Tensor) or first.ndim != 4:
        raise ValueError(f"{path}: not a RainNet checkpoint: no tensor 'model_layer0.weight'")
    with torch.device("meta"):
        network = RainNet(width=first.shape[0])
    try:
        network.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        reason = "; ".join(str(error).split("\n\t")[1:3]) or str(error)
        raise ValueError(f"{path}: not a RainNet generator: {reason}") from error
    return network.to(device).float().eval().requires_grad_(False)


def save_rainnet(network: RainNet, path: Path) -> None:
    """Write a state dict atomically, as the published one: plain tensors under their names."""
    state = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    content = io.BytesIO()  # onto a full disk PyTorch raises an error of its own, without the path
    torch.save(state, content)
    atomic_write(path, content.getvalue())
