"""Names and shapes of ImageNet weights in the usual releases, turned into MMSegmentation's."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from face_occlusion.core.params import read_yaml

# The reason in weight_names.yaml for a stem that is not loaded and starts from random weights.
OTHER_STEM = "a stem of one 7x7 convolution, where ResNet-v1c has three of 3x3"


# How each release names its weights; the file says what its fields hold.
_RELEASES: list[dict[str, Any]] = read_yaml(Path(__file__).with_suffix(".yaml"))


@dataclass(frozen=True, kw_only=True)
class Converted:
    """Weights under MMSegmentation's names."""

    release: str  # where the file comes from, by its names
    state: dict[str, Tensor]
    left_out: dict[str, list[str]]  # keys of the file that were not converted, by reason
    unknown: list[str]  # keys of the file that no rule knows


def convert(state: Mapping[str, Tensor]) -> Converted:
    """Rename a release's weights, join queries, keys and values, and reshape what became 1x1.

    A state dict of none of the releases known here is a ValueError.
    """
    release = _recognise(state)
    parts: defaultdict[str, dict[str, Tensor]] = defaultdict(dict)
    left_out: defaultdict[str, list[str]] = defaultdict(list)
    unknown = []
    for key, value in state.items():
        reasons = (why for name, why in release["left_out"].items() if re.fullmatch(name, key))
        if reason := next(reasons, None):
            left_out[reason].append(key)
        elif target := _target(release, key):
            name, _, part = target.partition("#")
            parts[name][part] = value
        else:
            unknown.append(key)
    converted = {}
    for name, found in parts.items():
        values = [found[part] for part in sorted(found)]
        whole = torch.cat(values) if len(values) > 1 else values[0]
        if re.fullmatch(r".+\.ffn\.layers\.[04]\.weight", name) and whole.ndim == 2:
            whole = whole[:, :, None, None]  # a linear layer, here a 1x1 convolution
        converted[name] = whole
    return Converted(
        release=release["name"], state=converted, left_out=dict(left_out), unknown=unknown
    )


def _recognise(state: Mapping[str, Tensor]) -> dict[str, Any]:
    for release in _RELEASES:
        if any(re.fullmatch(release["marker"], key) for key in state):
            return release
    names = ", ".join(dict.fromkeys(release["name"] for release in _RELEASES))
    raise ValueError(f"is in none of the known formats ({names}); its keys: {list(state)[:5]}")


def _target(release: dict[str, Any], key: str) -> str | None:
    """Return MMSegmentation's name of a key, None if no rule knows it."""
    for pattern, target in release["rules"].items():
        if found := re.fullmatch(pattern, key):
            groups: dict[str, str | int] = dict(found.groupdict())
            if "stage" in groups:
                groups["stage"] = int(found["stage"]) - release.get("first_stage", 0)
            if "layer" in groups:
                groups["layer"] = int(found["layer"]) + 1
            return target.format(**groups)
    return None
