"""ImageNet weights for a backbone: a file, a URL or a package, verified by the file's sha256."""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from face_occlusion.core.files import errors_name, file_sha256
from face_occlusion.core.params import read_yaml
from face_occlusion.networks.checkpoint import load_tensors
from face_occlusion.networks.efficientnet_lite import PACKAGED, WEIGHTS_SHA256, find_weights

RANDOM = "random: no ImageNet weights were given"
COUNTER = "num_batches_tracked"  # of batch normalisation: not every release has it
# The reason in weight_names.yaml for a stem that is not loaded and starts from random weights.
OTHER_STEM = "a stem of one 7x7 convolution, where ResNet-v1c has three of 3x3"
# How each release names its weights; the file says what its fields hold.
_RELEASES: list[dict[str, Any]] = read_yaml(Path(__file__).with_name("weight_names.yaml"))


def fetch_weights(source: str, sha256: str | None, variant: str = "") -> Path:
    """Return the local file of `source`, downloading a URL once into torch's cache.

    Args:
        source: A path, a URL, or `imagenet` for the file in the package of the backbone `variant`.
        sha256: The file's hash, or its start; None if its name ends on it.
        variant: See above.

    Raises:
        ValueError: If the file is missing, or nothing says its hash, or it has another.
    """
    if source == PACKAGED:
        if variant not in WEIGHTS_SHA256:
            raise ValueError(
                f"pretrained: {PACKAGED} means the weights in a package, which EfficientNet-Lite "
                f"has; got the backbone {variant}: give a path or a URL"
            )
        path = find_weights(variant)
        check_hash(path, WEIGHTS_SHA256[variant])
        return path
    if source.startswith(("http://", "https://")):
        path = Path(torch.hub.get_dir()) / "checkpoints" / source.rsplit("/", 1)[-1]
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                torch.hub.download_url_to_file(source, str(path))
            except OSError as error:
                raise ValueError(
                    f"pretrained: cannot download {source} ({error}); put the file at {path}, or "
                    "set pretrained to its path"
                ) from error
    else:
        path = Path(source)
    if not path.is_file():
        raise ValueError(
            f"pretrained: {path}: no such file; put the ImageNet weights there, give a URL, or "
            "set it to null to start from random weights"
        )
    check_hash(path, sha256)
    return path


def check_hash(path: Path, sha256: str | None) -> None:
    """Compare a file with its hash, by default the one its name ends on (`NET-e67eebb6.pth`).

    A sha256 that starts otherwise, or that neither key nor name says, is a ValueError.
    """
    found = file_sha256(path)
    named = re.search(r"-([0-9a-f]{8,64})\.\w+$", path.name)
    if sha256 is None and named is None:
        raise ValueError(
            f"pretrained_sha256: {path}: nothing says the hash of this file; if you trust it, "
            f"set pretrained_sha256 to {found}"
        )
    expected = sha256 or (named[1] if named else "")
    if not found.startswith(expected.lower()):
        whose = "pretrained_sha256" if sha256 else "its name"
        raise ValueError(
            f"pretrained: {path}: {whose} promises a sha256 that starts with {expected}; "
            f"got {found}: download it again"
        )


def _convert(
    state: Mapping[str, Tensor],
) -> tuple[str, dict[str, Tensor], dict[str, list[str]], list[str]]:
    """Rename a release's weights, join queries, keys and values, and reshape what became 1x1.

    Returns the release's name, the weights under MMSegmentation's names, the keys that were not
    converted, by reason, and those that no rule knows. A state dict of none of the releases known
    here is a ValueError.
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
    return release["name"], converted, dict(left_out), unknown


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


def load_backbone(backbone: nn.Module, path: Path) -> dict[str, Any]:
    """Load ImageNet weights into a backbone, accounting for every one of the file and of ours.

    The file is a state dict as MMSegmentation, torchvision, timm, SegFormer's authors or Hugging
    Face release it (`.pth`, `.bin`, `.safetensors`). One without ResNet-v1c's stem leaves the stem
    at random, and the record says so.

    Returns the record for the run's card: file, sha256, release, num_loaded, left_out (keys of the
    file by reason) and at_random (names in our backbone).

    Raises:
        ValueError: If the file is not a state dict, or keys or shapes differ.
    """
    with errors_name(f"pretrained: {path}"):
        release, state, left_out, unknown = _convert(_read_state(path))
    shapes = {key: value.shape for key, value in backbone.state_dict().items()}
    if backbone.num_stages == 3:  # the file has four
        num_blocks = len(getattr(backbone, "blocks", ()))
        beyond = [key for key in state if _is_in_fourth_stage(key, num_blocks)]
        left_out["the last stage, which this backbone leaves out"] = beyond
        for key in beyond:
            del state[key]
    wanted = {key: shape for key, shape in shapes.items() if not key.endswith(COUNTER)}
    at_random = []
    if OTHER_STEM in left_out:
        at_random = [key for key in wanted if key.startswith("stem.")]
    expected = {key: shape for key, shape in wanted.items() if key not in at_random}
    if problems := _differences(state, expected, unknown):
        raise ValueError(f"pretrained: {path} ({release}): does not fit this backbone: {problems}")
    backbone.load_state_dict(state, strict=False)
    return {
        "file": path.name,
        "sha256": file_sha256(path),
        "release": release,
        "num_loaded": len(expected),
        "left_out": left_out,
        "at_random": at_random,
    }


def describe(record: Mapping[str, Any] | None) -> str:
    """Say in one line what a backbone started from."""
    if record is None:
        return RANDOM
    text = f"ImageNet: {record['file']} ({record['release']})"
    if record["at_random"]:
        text += f"; stem at random ({len(record['at_random'])} tensors): the file has {OTHER_STEM}"
    return text


def _read_state(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = load_tensors(path)
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"not a state dict: {error}") from error
    if isinstance(content, dict) and "state_dict" in content:
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise ValueError("not a state dict")
    return {key.removeprefix("backbone."): value for key, value in content.items()}


def _is_in_fourth_stage(key: str, num_blocks: int) -> bool:
    """Return whether a weight is in a ResNet's `layer4`, or in a block after `num_blocks`."""
    found = re.match(r"layer4\.|blocks\.(\d+)\.", key)
    return found is not None and (found[1] is None or int(found[1]) >= num_blocks)


def _differences(
    state: Mapping[str, Tensor], shapes: Mapping[str, torch.Size], unknown: list[str]
) -> str:
    """Describe what is missing, unknown or of another shape; empty if all fits."""
    counters = {key for key in state if key.endswith(COUNTER)}
    missing = sorted(shapes.keys() - state.keys())
    unknown = sorted([*unknown, *(state.keys() - shapes.keys() - counters)])
    other = sorted(key for key in state.keys() & shapes.keys() if state[key].shape != shapes[key])
    named = {"missing": missing, "unknown": unknown, "of another shape": other}
    return "; ".join(f"{len(keys)} {what}: {keys[:3]}" for what, keys in named.items() if keys)
