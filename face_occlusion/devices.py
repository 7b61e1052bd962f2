"""Devices that a user names, checked before any work."""

from __future__ import annotations

import torch


def check_device(name: str) -> None:
    """Check that PyTorch can compute on a device.

    Args:
        name: As for `torch.device`: cpu, cuda, cuda:1; or auto.

    Raises:
        ValueError: If there is no such device, or PyTorch was built without it.
    """
    if name == "auto":
        return
    try:
        torch.empty(0, device=name)
    except (AssertionError, RuntimeError) as error:  # built without CUDA; no such device
        reason = str(error).splitlines()[0]
        raise ValueError(f"--device {name} cannot be used: {reason}; cpu always can") from error
