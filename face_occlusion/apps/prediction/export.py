"""A run as an ONNX file that anything can run, checked against PyTorch."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from face_occlusion.core.writing import file_aside
from face_occlusion.evaluation.inference import Segmenter
from face_occlusion.networks.loss import log_odds
from face_occlusion.networks.segmentor import FaceSegmentor, normalise

INPUT, OUTPUT = "image", "face_probability"
TOLERANCE = 1e-3  # largest difference of a probability from PyTorch's
_NEEDED = ("onnx", "onnxruntime", "onnxscript")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """An ONNX file.

    Attributes:
        path: The file.
        shape: Of its input: (N, H, W, 3).
        num_bytes: The file's size.
        difference: Largest difference from PyTorch's probabilities, on random pixels.
    """

    path: Path
    shape: tuple[int, int, int, int]
    num_bytes: int
    difference: float


class _Whole(nn.Module):
    """From bytes as decoders give them to probabilities: nothing is left to whoever runs it."""

    def __init__(self, model: FaceSegmentor) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        """Return (N, H, W) float32 probabilities of face of (N, H, W, 3) uint8 RGB."""
        logits = self.model(normalise(image.permute(0, 3, 1, 2))).float()
        resized = functional.interpolate(logits, size=image.shape[1:3], mode="bilinear")
        return log_odds(resized).sigmoid()


def export_onnx(
    segmenter: Segmenter, path: Path, size: tuple[int, int], batch_size: int
) -> Exported:
    """Write a network as ONNX, of a fixed input size, and compare it with PyTorch.

    Args:
        segmenter: The run's.
        path: The file; written aside and renamed once it is checked.
        size: (height, width) of the images it takes.
        batch_size: Images at once.

    Raises:
        ValueError: If a package of the extra `export` is missing, the name does not end in
            `.onnx`, a size is no multiple of 32, or the file's probabilities leave PyTorch's
            by more than 1e-3: nothing is written.
    """
    _check(path, size, batch_size)
    whole = _Whole(segmenter.model).cpu().eval()
    rng = np.random.default_rng(0)
    shape = (batch_size, *size, 3)
    seen = torch.from_numpy(rng.integers(0, 256, shape, dtype=np.uint8))
    with file_aside(path) as partial:
        _write_onnx(whole, seen, partial)
        difference = _largest_difference(whole, seen, partial)
        if not difference <= TOLERANCE:
            raise ValueError(
                f"{path}: not written, its probabilities leave PyTorch's by {difference:.2g}, "
                f"more than {TOLERANCE:g}"
            )
    return Exported(path=path, shape=shape, num_bytes=path.stat().st_size, difference=difference)


def _check(path: Path, size: tuple[int, int], batch_size: int) -> None:
    if path.suffix != ".onnx":
        raise ValueError(f"--out must end in .onnx, its card gets .md; got {path}")
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        raise ValueError(
            f"ONNX needs {', '.join(missing)}; install with pip install 'face-occlusion[export]'"
        )
    if any(side < 32 or side % 32 for side in size):
        raise ValueError(f"--size must be multiples of 32; got {size[0]} {size[1]}")
    if batch_size < 1:
        raise ValueError(f"--batch must be at least 1; got {batch_size}")


def _write_onnx(whole: nn.Module, seen: Tensor, path: Path) -> None:
    quiet = logging.getLogger("torch.onnx")  # names torchvision's operators, which are not needed
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            torch.onnx.export(
                whole,
                (seen,),
                path,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    finally:
        quiet.setLevel(level)


def _largest_difference(whole: nn.Module, seen: Tensor, path: Path) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (probability,) = session.run(None, {INPUT: seen.numpy()})
    with torch.inference_mode():
        expected = whole(seen).numpy()
    return float(np.abs(np.asarray(probability) - expected).max())
