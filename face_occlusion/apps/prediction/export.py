"""Export a run as an ONNX file with a model card, checked against PyTorch."""

import importlib.util
import io
import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ruamel.yaml import YAML
from torch import Tensor, nn
from torch.nn import functional

from face_occlusion.apps.pages import page_template
from face_occlusion.apps.prediction.inputs import only_drawings, releases_of
from face_occlusion.core.files import atomic_path, read_json
from face_occlusion.evaluation.inference import NO_RUN, Segmenter
from face_occlusion.networks.loss import log_odds
from face_occlusion.networks.segmentor import FaceSegmentor, normalise

INPUT, OUTPUT = "image", "face_probability"
TOLERANCE = 1e-3  # largest difference of a probability from PyTorch's
_NEEDED = ("onnx", "onnxruntime", "onnxscript")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """An ONNX file."""

    path: Path
    shape: tuple[int, int, int, int]  # of its input: (N, H, W, 3)
    num_bytes: int  # the file's size
    difference: float  # largest difference from PyTorch's probabilities, on random pixels


class _BytesToProbability(nn.Module):
    """The network with its pre- and postprocessing, so that the file needs neither."""

    def __init__(self, model: FaceSegmentor) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        """Return (N, H, W) float32 probabilities of face of (N, H, W, 3) uint8 RGB."""
        inputs = normalise(image.permute(0, 3, 1, 2), self.model.data_preprocessor.scaling)
        logits = self.model(inputs).float()
        resized = functional.interpolate(logits, size=image.shape[1:3], mode="bilinear")
        return log_odds(resized).sigmoid()


def export_onnx(
    segmenter: Segmenter, path: Path, size: tuple[int, int], batch_size: int
) -> Exported:
    """Write a network as ONNX with a fixed input size, and compare it with PyTorch.

    The file, written atomically after it was checked, takes `batch_size` images of `size` (height,
    width) in one call.

    Raises:
        ValueError: If a package of the extra `export` is missing, an argument is out of range, or
            the probabilities differ from PyTorch's by more than 1e-3: nothing is written.
    """
    _check(path, size, batch_size)
    network = _BytesToProbability(segmenter.model).cpu().eval()
    rng = np.random.default_rng(0)
    shape = (batch_size, *size, 3)
    example = torch.from_numpy(rng.integers(0, 256, shape, dtype=np.uint8))
    with atomic_path(path) as partial:
        _write_onnx(network, example, partial)
        difference = _largest_difference(network, example, partial)
        if not difference <= TOLERANCE:
            raise ValueError(
                f"{path}: not written, because its probabilities differ from PyTorch's by "
                f"{difference:.2g}, more than {TOLERANCE:g}"
            )
    return Exported(path=path, shape=shape, num_bytes=path.stat().st_size, difference=difference)


def _check(path: Path, size: tuple[int, int], batch_size: int) -> None:
    if path.suffix != ".onnx":
        raise ValueError(f"--out must end in .onnx, its card gets .md, its YAML .yaml; got {path}")
    check_packages(*_NEEDED)
    if any(side < 32 or side % 32 for side in size):
        raise ValueError(f"--size must be multiples of 32; got {size[0]} {size[1]}")
    if batch_size < 1:
        raise ValueError(f"--batch must be at least 1; got {batch_size}")


def check_packages(*names: str) -> None:
    """Check that packages of the extra `export` are installed; ValueError names those missing."""
    if missing := [name for name in names if importlib.util.find_spec(name) is None]:
        raise ValueError(
            f"ONNX needs {', '.join(missing)}; install with pip install 'face-occlusion[export]'"
        )


def _write_onnx(network: nn.Module, example: Tensor, path: Path) -> None:
    quiet = logging.getLogger("torch.onnx")  # warns about torchvision's operators, unused here
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            torch.onnx.export(
                network,
                (example,),
                path,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    finally:
        quiet.setLevel(level)


def _largest_difference(network: nn.Module, example: Tensor, path: Path) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (probability,) = session.run(None, {INPUT: example.numpy()})
    with torch.inference_mode():
        expected = network(example).numpy()
    return float(np.abs(np.asarray(probability) - expected).max())


def model_card(
    folder: Path, exported: Exported, which: str, input_px: int, scores: Mapping[str, float]
) -> str:
    """Return the model card of an exported run as Markdown: use, training, scores, licences.

    `input_px` is the side of the images that it was trained on, and `scores` its mean IoU by
    benchmark, empty if it was not evaluated.

    Raises:
        ValueError: If the run's card, or a set that it was trained on, is missing or damaged.
    """
    card = read_json(folder / "card.json", NO_RUN)
    sources = releases_of(folder)
    text = page_template("model_card.md").render(
        folder=folder,
        card=card,
        combination=card.get("combination", {}),
        exported=exported,
        input=INPUT,
        output=OUTPUT,
        input_px=input_px,
        miniature=only_drawings(sources),
        scores=scores,
        which=which,
        sources=[{"licence_url": None, **source} for source in sources],
    )
    return f"{text}\n"


def describe_export(folder: Path) -> str:
    """Return as YAML what `scoring.NetworkSpec` asks of the ONNX file of a run in a folder."""
    card = read_json(folder / "card.json", NO_RUN)
    licences = dict.fromkeys(source["licence"] for source in releases_of(folder))
    text = io.StringIO()
    described = {
        "title": card.get("run", folder.resolve().name),
        "licence": "; ".join(licences) or "see its card",
        "trained_on": card.get("combination", {}).get("title", "unknown"),
        **dict.fromkeys(("hair", "glasses", "ears"), "background"),
        "keep_aspect": True,
        "values": "probabilities",
    }
    YAML().dump(described, text)
    return text.getvalue()
