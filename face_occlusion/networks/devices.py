"""Devices that a user names, and errors that say what to change where one cannot be used."""

from collections.abc import Iterator
from contextlib import contextmanager

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
        raise ValueError(
            f"{key} {name} cannot be used: {reason}; cpu can always be used"
        ) from error


@contextmanager
def explain_cuda_oom(remedy: str) -> Iterator[None]:
    """Turn PyTorch's error for exhausted GPU memory into one that says what to do.

    Raises:
        ValueError: In place of `torch.OutOfMemoryError`.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        asked = str(error).split(". ")[0]
        raise ValueError(
            f"the GPU's memory ran out ({asked}): free it (nvidia-smi lists who holds it), "
            f"or {remedy}"
        ) from error
