"""Names and shapes of ImageNet weights in the usual releases, turned into MMSegmentation's."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from face_occlusion.core.params import Checked, build, read_yaml

# The reason in weight_names.yaml for a stem that is not loaded and starts from random weights.
OTHER_STEM = "a stem of one 7x7 convolution, where ResNet-v1c has three of 3x3"


@dataclass(frozen=True, kw_only=True)
class Release(Checked):
    """How a release names its weights; weight_names.yaml says what each field holds."""

    name: str  # for messages and cards
    marker: str
    first_stage: int = 0
    rules: Mapping[str, str]
    left_out: Mapping[str, str]


@cache
def known_releases() -> list[Release]:
    """Read the releases whose names are known."""
    path = Path(__file__).with_suffix(".yaml")
    return [build(f"{path.name}: {entry['name']}", entry, Release) for entry in read_yaml(path)]


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
        reasons = (why for name, why in release.left_out.items() if re.fullmatch(name, key))
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
        converted[name] = _as_convolution(name, whole)
    others = {"left_out": dict(left_out), "unknown": unknown}
    return Converted(release=release.name, state=converted, **others)


def _recognise(state: Mapping[str, Tensor]) -> Release:
    for release in known_releases():
        if any(re.fullmatch(release.marker, key) for key in state):
            return release
    names = ", ".join(dict.fromkeys(release.name for release in known_releases()))
    raise ValueError(f"is in none of the known formats ({names}); its keys: {list(state)[:5]}")


def _target(release: Release, key: str) -> str | None:
    """Return MMSegmentation's name of a key, None if no rule knows it."""
    for pattern, target in release.rules.items():
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
