"""Devices that a user names, checked before any work."""

from __future__ import annotations

import torch


def check_device(name: str, key: str = "--device") -> None:
    """Check that PyTorch can compute on a device.

    Args:
        name: As for `torch.device`: cpu, cuda, cuda:1; or auto.
        key: What the user set, for the error.

    Raises:
        ValueError: If there is no such device, or PyTorch was built without it.
    """
    if name == "auto":
        return
    try:
        torch.empty(0, device=name)
    except (AssertionError, RuntimeError) as error:  # built without CUDA; no such device
        reason = str(error).splitlines()[0]
        raise ValueError(f"{key} {name} cannot be used: {reason}; cpu always can") from error
