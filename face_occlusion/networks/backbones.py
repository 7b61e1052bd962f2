"""The backbones: SegFormer's with channels in the last place, ResNet-v1c block by block.

SegFormer's attention is `scaled_dot_product_attention`, which never writes the attention matrix;
the spatial reduction before it, a convolution whose kernel is its stride, is a matrix product; the
two linear convolutions of the feed-forward part are products too. The numbers that drop paths are
sampled once per step for all blocks, so that the blocks of a stage share one compiled program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from mmseg.models.backbones import MixVisionTransformer, ResNetV1c
from mmseg.models.backbones.mit import EfficientMultiheadAttention, MixFFN, TransformerEncoderLayer
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from face_occlusion.networks.products import linear

ATTENDING = 160  # heads, or parts of them, that attend at the same time on a GPU
Size = tuple[int, int]  # (height, width) of the token grid
Block = Callable[[TransformerEncoderLayer, Tensor, Size, Tensor | None], Tensor]


def attend(attention: EfficientMultiheadAttention, x: Tensor, size: Size) -> Tensor:
    """Attend from (N, H * W, C) normalised tokens to the spatially reduced ones; no shortcut.

    `attention` is the stock module, whose weights are used; `size` is (H, W).
    """
    mha: nn.MultiheadAttention = attention.attn
    num, _, channels = x.shape
    weight, bias = mha.in_proj_weight, mha.in_proj_bias
    query_bias, other_bias = (None, None) if bias is None else (bias[:channels], bias[channels:])
    reduced = x if attention.sr_ratio == 1 else reduce_tokens(attention, x, size)
    query = linear(x, weight[:channels], query_bias)
    pair = linear(reduced, weight[channels:], other_bias).view(num, 1, -1, channels * 2)
    if attention.training and torch.compiler.is_compiling():
        pair = pair.expand(-1, attention_parts(num * mha.num_heads, x.shape[1]), -1, -1)
    parts = num * pair.shape[1]
    query = query.view(parts, -1, mha.num_heads, mha.head_dim).transpose(1, 2)
    pair = pair.reshape(parts, -1, 2, mha.num_heads, mha.head_dim)
    key, value = pair.permute(2, 0, 3, 1, 4)
    attended = functional.scaled_dot_product_attention(query, key, value)
    attended = attended.transpose(1, 2).reshape(x.shape)
    return linear(attended, mha.out_proj.weight, mha.out_proj.bias)


def attention_parts(heads: int, queries: int) -> int:
    """Return into how many parts to split the queries of each head.

    PyTorch's gradient takes a head's 128 keys at a time, through all queries: few heads of many
    queries leave most of a GPU idle.
    """
    parts = 1
    while queries % (2 * parts) == 0 and 2 * parts * heads <= ATTENDING:
        parts *= 2
    return parts


def reduce_tokens(attention: EfficientMultiheadAttention, x: Tensor, size: Size) -> Tensor:
    """Return (N, H // r * W // r, C): each r x r patch of tokens as one, normalised."""
    ratio, channels = attention.sr_ratio, x.shape[2]
    rows, columns = size[0] // ratio, size[1] // ratio
    grid = x.view(-1, *size, channels)[:, : rows * ratio, : columns * ratio]
    patches = grid.reshape(-1, rows, ratio, columns, ratio, channels).permute(0, 1, 3, 2, 4, 5)
    kernel = attention.sr.weight.permute(0, 2, 3, 1).reshape(-1, ratio**2 * channels)
    patches = patches.reshape(-1, rows * columns, ratio**2 * channels)
    return attention.norm(linear(patches, kernel, attention.sr.bias))


def mix_feed_forward(ffn: MixFFN, x: Tensor, size: Size) -> Tensor:
    """Return linear, depthwise 3 x 3, GELU, linear of (N, H * W, C); without the shortcut."""
    layers: Any = ffn.layers
    first, position, activate, _, last, _ = layers
    hidden = linear(x, first.weight.flatten(1), first.bias)
    grid = hidden.view(-1, *size, hidden.shape[2]).permute(0, 3, 1, 2)  # channels-last
    hidden = activate(position(grid)).permute(0, 2, 3, 1).flatten(1, 2)
    return linear(hidden, last.weight.flatten(1), last.bias)


def mix_block(
    block: TransformerEncoderLayer, x: Tensor, size: Size, scales: Tensor | None
) -> Tensor:
    """Run one stock block's weights on (N, H * W, C) tokens.

    `scales` are (2, N, 1, 1) factors of the two branches, 0 where a sample's path is dropped; None
    keeps all.
    """
    attended = attend(block.attn, block.norm1(x), size)
    x = x + (attended if scales is None else attended * scales[0])
    mixed = mix_feed_forward(block.ffn, block.norm2(x), size)
    return x + (mixed if scales is None else mixed * scales[1])


@MODELS.register_module()
class LeanMixTransformer(MixVisionTransformer):
    """MixVisionTransformer, the same function of the same weights.

    `drop_rate` and `attn_drop_rate` must be 0, as SegFormer has them; else a ValueError.
    `run_block` is `mix_block`, `run_layer` is `run_module`; or compiled ones for training.
    """

    layers: Any
    keep_probs: Tensor

    def __init__(self, **arguments: Any) -> None:
        for name in ("drop_rate", "attn_drop_rate"):
            if arguments.get(name, 0.0):
                raise ValueError(f"{name} must be 0, as in SegFormer; got {arguments[name]}")
        super().__init__(**arguments)
        self.run_block: Block = mix_block
        self.run_layer: Callable[[nn.Module, Tensor], Any] = run_module
        all_blocks = [block for _, blocks, _ in self.layers for block in blocks]
        rates = [block.ffn.dropout_layer.drop_prob for block in all_blocks]
        self._drops_paths = any(rates)
        self.register_buffer("keep_probs", 1 - torch.tensor(rates), persistent=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the feature maps of the stages, each (N, C, H, W) and channels-last."""
        run, layer = (self.run_block, self.run_layer) if self.training else (mix_block, run_module)
        scales = iter(self._sample_scales(len(x)))
        outs = []
        for stage, (embed, blocks, norm) in enumerate(self.layers):
            x, size = layer(embed, x)
            for block in blocks:
                x = run(block, x, size, next(scales))
            # x.shape[0]: the tracer of an ONNX file would take len(x) for a constant
            x = layer(norm, x).view(x.shape[0], *size, -1).permute(0, 3, 1, 2)
            if stage in self.out_indices:
                outs.append(x)
        return outs

    def _sample_scales(self, num: int) -> Tensor | list[None]:
        """Return (blocks, 2, N, 1, 1): 0 with a block's rate, else 1 / (1 - rate)."""
        keep = self.keep_probs.view(-1, 1, 1, 1, 1)
        if not (self.training and self._drops_paths):
            return [None] * len(keep)
        sampled = torch.rand(len(keep), 2, num, 1, 1, device=keep.device)
        return (sampled < keep) / keep


def run_module(module: nn.Module, x: Any) -> Any:
    """Call a module; a function of it, so that torch.compile shares programs between modules."""
    return module(x)


@MODELS.register_module()
class BlockwiseResNetV1c(ResNetV1c):
    """ResNetV1c whose stem and blocks go through `run_block`: `run_module`, or a compiled one."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.run_block: Callable[[nn.Module, Tensor], Tensor] = run_module

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the feature maps of the stages, each (N, C, H, W)."""
        run = self.run_block if self.training else run_module
        x = self.maxpool(run(self.stem, x))
        outs = []
        for stage, name in enumerate(self.res_layers):
            for block in getattr(self, name):
                x = run(block, x)
            if stage in self.out_indices:
                outs.append(x)
        return tuple(outs)
