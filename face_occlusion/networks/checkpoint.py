"""Checkpoints to resume from and weights of finished runs, both read without running code.

Weights are safetensors files: names, shapes and numbers, the same bytes for the same weights.
"""

import hashlib
import io
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from face_occlusion.core.files import atomic_path, atomic_write, errors_name

FORMAT = "face-occlusion checkpoint 2"
_DIGEST_BYTES = 32  # the sha256 of what precedes it ends a checkpoint: PyTorch checks nothing
_METADATA = {"format": "pt"}  # one entry: more are written in any order


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write nested dicts and lists of tensors, numbers and text, in place of the former file.

    An interruption leaves that intact. The folder is made; what cannot be written, as on a full
    disk, is a ValueError.
    """
    free = "free space on its disk and run again, the run resumes from its last checkpoint"
    with atomic_path(path) as partial, partial.open("w+b") as file:
        with errors_name(f"{path}: could not be written; {free}", RuntimeError):  # the disk is full
            torch.save({"format": FORMAT, **content}, file)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").digest()
        file.seek(0, os.SEEK_END)
        file.write(digest)
        file.flush()
        os.fsync(file.fileno())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a file of `write_checkpoint`; one that is damaged or other is a ValueError."""
    data = path.read_bytes()
    if hashlib.sha256(data[:-_DIGEST_BYTES]).digest() != data[-_DIGEST_BYTES:]:
        raise ValueError(f"{path}: not a checkpoint of this project, or damaged")
    with errors_name(f"{path}: not a checkpoint of this project"):
        content = load_tensors(io.BytesIO(data[:-_DIGEST_BYTES]))
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{path}: not a checkpoint of this project (format '{FORMAT}')")
    return content


def load_tensors(file: io.BytesIO | Path) -> Any:
    """Read what `torch.save` wrote; anything but tensors and plain values is a ValueError.

    PyTorch's own message is left out: it advises to load such a file all the same, which would run
    the code in it.
    """
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, OSError, LookupError, ValueError) as e:
        raise ValueError("damaged, or it holds more than tensors and plain values") from e


def write_weights(path: Path, state: Mapping[str, Tensor]) -> str:
    """Write a network's weights as safetensors, atomically; return the file's sha256."""
    plain = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    data = save(plain, _METADATA)
    atomic_write(path, data)
    return hashlib.sha256(data).hexdigest()


def read_hashed(path: Path, sha256: object) -> bytes:
    """Read a file of a known sha256; ValueError if it is missing or has another."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    data = path.read_bytes()
    if (found := hashlib.sha256(data).hexdigest()) != sha256:
        raise ValueError(
            f"{path}: must have sha256 {sha256}; got {found}: the file was changed after it was "
            "written; fetch it again (`dvc pull`), or train the run again"
        )
    return data


def read_weights(path: Path, sha256: object, model: torch.nn.Module) -> dict[str, Tensor]:
    """Read a file of `write_weights`, and check it against the hash on its card and the network.

    Raises:
        ValueError: If the file is missing, was changed, or is no safetensors file; if a tensor is
            missing, foreign, of another shape or type, or not finite: names the tensor.
    """
    with errors_name(f"{path}: not a safetensors file, or damaged", SafetensorError):
        state = load(read_hashed(path, sha256))
    if problems := "; ".join(_problems(state, model.state_dict())):
        raise ValueError(f"{path}: does not fit the network of config.json: {problems}")
    return state


def _problems(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    """Describe each way in which weights do not fit, with the first tensors' names."""
    shared = sorted(state.keys() & wanted.keys())
    pairs = {name: (state[name], wanted[name]) for name in shared}
    kinds = {
        "missing": sorted(wanted.keys() - state.keys()),
        "foreign": sorted(state.keys() - wanted.keys()),
        "of another shape or type": [
            name for name, (a, b) in pairs.items() if (a.shape, a.dtype) != (b.shape, b.dtype)
        ],
        "not finite": [name for name in shared if not state[name].isfinite().all()],
    }
    return [f"{len(names)} {kind}: {names[:3]}" for kind, names in kinds.items() if names]
