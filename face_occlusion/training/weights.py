"""ImageNet weights for a backbone: a file or a URL whose name ends on its sha256's start."""

from __future__ import annotations

import hashlib
import pickle
import re
from pathlib import Path

import torch
from torch import Tensor, nn

CLASSIFIER = ("fc.", "head.")  # ImageNet's 1000 classes: dropped


def fetch_weights(source: str) -> Path:
    """Return the local file of `source`, downloading a URL once into torch's cache.

    Raises:
        ValueError: If the file is missing, or its hash is not the one in its name.
    """
    if source.startswith(("http://", "https://")):
        path = Path(torch.hub.get_dir()) / "checkpoints" / source.rsplit("/", 1)[-1]
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            _download(source, path)
    else:
        path = Path(source)
    if not path.is_file():
        raise ValueError(
            f"pretrained: {path}: no such file; put the ImageNet weights there, give a URL, or "
            "set it to null to start from random weights"
        )
    check_hash(path)
    return path


def _download(url: str, path: Path) -> None:
    try:
        torch.hub.download_url_to_file(url, str(path))
    except OSError as error:
        raise ValueError(
            f"pretrained: cannot download {url} ({error}); put the file at {path}, or set "
            "pretrained to its path"
        ) from error


def check_hash(path: Path) -> None:
    """Compare a file with the hash its name announces (`resnet101_v1c-e67eebb6.pth`).

    Raises:
        ValueError: If the sha256 starts otherwise. A name without a hash is left unchecked.
    """
    announced = re.search(r"-([0-9a-f]{8,64})\.\w+$", path.name)
    if announced is None:
        return
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(announced[1]):
        raise ValueError(
            f"pretrained: {path}: its name promises a sha256 that starts with {announced[1]}; "
            f"got {digest}: download it again"
        )


def load_backbone(backbone: nn.Module, path: Path) -> None:
    """Load ImageNet weights into a backbone, all of them and nothing else.

    Args:
        backbone: MMSegmentation's ResNetV1c or MixVisionTransformer.
        path: A state dict, or a checkpoint with one under `state_dict`; keys may be prefixed
            `backbone.`. A classifier's weights are left out.

    Raises:
        ValueError: If the file is not a state dict, or keys or shapes differ.
    """
    state = _read_state(path)
    wanted = backbone.state_dict()
    if problems := _differences(state, {key: value.shape for key, value in wanted.items()}):
        raise ValueError(f"pretrained: {path}: does not fit this backbone: {problems}")
    backbone.load_state_dict(state, strict=False)


def _read_state(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"pretrained: {path}: not a state dict: {error}") from error
    if isinstance(content, dict) and "state_dict" in content:
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise ValueError(f"pretrained: {path}: not a state dict")
    state = {key.removeprefix("backbone."): value for key, value in content.items()}
    return {key: value for key, value in state.items() if not key.startswith(CLASSIFIER)}


def _differences(state: dict[str, Tensor], shapes: dict[str, torch.Size]) -> str:
    """Describe what is missing, unknown or of another shape; empty if all fits."""
    counters = {key for key in shapes if key.endswith("num_batches_tracked")}
    missing = sorted(shapes.keys() - state.keys() - counters)
    unknown = sorted(state.keys() - shapes.keys())
    other = sorted(key for key in state.keys() & shapes.keys() if state[key].shape != shapes[key])
    named = {"missing": missing, "unknown": unknown, "of another shape": other}
    return "; ".join(f"{len(keys)} {what}: {keys[:3]}" for what, keys in named.items() if keys)
