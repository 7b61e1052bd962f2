"""A GPU whose memory runs out: an error that names what to change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def advise(remedy: str) -> Iterator[None]:
    """Turn PyTorch's error into one that says what to do.

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
