"""Checkpoints: written atomically, and read without running code that they contain."""

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from face_occlusion.core.files import atomic_path

FORMAT = "face-occlusion checkpoint 1"


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values; an interruption leaves the former file intact.

    Args:
        path: The file; its folder is made.
        content: Nested dicts and lists of tensors, numbers and text.
    """
    with atomic_path(path) as partial, partial.open("wb") as file:
        torch.save({"format": FORMAT, **content}, file)
        file.flush()
        os.fsync(file.fileno())


def read_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a file of `write_checkpoint`.

    Raises:
        ValueError: If the file is missing, damaged, or not a checkpoint of this project.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such checkpoint")
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, OSError, KeyError) as error:
        raise ValueError(f"{path}: not a checkpoint, or damaged: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{path}: not a checkpoint of this project (format '{FORMAT}')")
    return content
