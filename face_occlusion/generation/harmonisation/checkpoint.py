"""Read and write RainNet checkpoints: a plain state dict, as the published one."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch

from face_occlusion.core.writing import file_aside
from face_occlusion.generation.harmonisation.rainnet import RainNet


def load_rainnet(path: Path, device: str | torch.device = "cpu") -> RainNet:
    """Load a generator, published or trained here; its width is read off the weights.

    Args:
        path: State dict of the generator, `torch.save`d.
        device: Where the network shall live.

    Returns:
        The network in evaluation mode.

    Raises:
        ValueError: If the file is missing, is no checkpoint, or holds another network.
    """
    check_checkpoint(path)
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: no RainNet checkpoint: not a file of tensors") from error
    first = state.get("model_layer0.weight") if isinstance(state, dict) else None
    if not isinstance(first, torch.Tensor) or first.ndim != 4:
        raise ValueError(f"{path}: no RainNet checkpoint: no tensor 'model_layer0.weight'")
    with torch.device("meta"):
        network = RainNet(width=first.shape[0])
    try:
        network.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        reason = "; ".join(str(error).split("\n\t")[1:3]) or str(error)
        raise ValueError(f"{path}: no RainNet generator: {reason}") from error
    return network.to(device).float().eval().requires_grad_(False)


def check_checkpoint(path: Path) -> None:
    """Check that a checkpoint is there, before any work is done.

    Raises:
        ValueError: If it is not.
    """
    if not path.is_file():
        raise ValueError(
            f"{path}: no such RainNet checkpoint; train one with `face-occlusion train-rainnet`, "
            "or set harmonisation to mkl, reinhard or none"
        )


def save_rainnet(network: RainNet, path: Path) -> None:
    """Write a state dict, aside first: a file under its final name is whole.

    Args:
        network: The generator, on any device.
        path: The checkpoint's name; its folder is made.
    """
    state = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    with file_aside(path) as partial:
        torch.save(state, partial)
