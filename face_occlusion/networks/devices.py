"""Devices that a user names, and errors that say what to change where one cannot be used."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def check_device(name: str, key: str = "--device") -> None:
    """Check that PyTorch can compute on a device: cpu, cuda, cuda:1; or auto.

    `key` is what the user set, for the ValueError if there is no such device, or PyTorch lacks it.
    """
    if name == "auto":
        return
    try:
        torch.empty(0, device=name)
    except (AssertionError, RuntimeError) as error:  # built without CUDA; no such device
        reason = f"{str(error).splitlines()[0]}; cpu can always be used"
        raise ValueError(f"{key} {name} cannot be used: {reason}") from error


@contextmanager
def explain_cuda_oom(remedy: str) -> Iterator[None]:
    """Turn PyTorch's error for exhausted GPU memory into a ValueError that says what to do."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        asked, free = str(error).split(". ")[0], "free it (nvidia-smi lists who holds it)"
        raise ValueError(f"the GPU's memory ran out ({asked}): {free}, or {remedy}") from error
