"""Score somebody else's network, an ONNX file, on the benchmarks as the pipeline scores its own."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from face_occlusion.core.files import errors_name, file_sha256
from face_occlusion.core.params import FILLED, PAIR, Checked, Count, Meta, Natural, Positive
from face_occlusion.evaluation.evaluate import EvaluateParams, evaluate_run
from face_occlusion.evaluation.inference import LEAST_PX, Segmenter
from face_occlusion.evaluation.scores import RunScores
from face_occlusion.networks.segmentor import FaceSegmentor

TRIPLE = Meta(min_length=3, max_length=3)
Counted = Literal["face", "background", "unknown"]
TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
CERTAIN = 16.0  # log-odds of a label, which comes without a probability: float32 has no 1 above it
LEAST_PROBABILITY = 1e-7


@dataclass(frozen=True, kw_only=True)
class NetworkSpec(Checked):
    """What an ONNX file does not say of itself: the keys of the YAML next to it."""

    title: str
    licence: str  # of its weights
    trained_on: str = "unknown"
    hair: Counted = "unknown"  # what its labels count these as
    glasses: Counted = "unknown"
    ears: Counted = "unknown"
    size: Annotated[Sequence[Count], PAIR] | None = None  # [height, width]; null: the file's own
    keep_aspect: bool = False  # false squashes an image to `size`; true fits it into it
    channels: Literal["rgb", "bgr"] = "rgb"
    divide_by: Positive = 1.0  # levels 0-255 become (level / divide_by - mean) / std
    mean: Annotated[Sequence[float], TRIPLE] = (0.0, 0.0, 0.0)  # in the order of `channels`
    std: Annotated[Sequence[Positive], TRIPLE] = (1.0, 1.0, 1.0)
    output: str | None = None  # name of the output to read; null: the first
    values: Literal["logits", "probabilities", "labels"] = "logits"
    # Class ids that count as face. One channel is class 1, and what is left of it class 0.
    face: Annotated[Sequence[Natural], FILLED] = (1,)


class OnnxSegmenter(Segmenter):
    """A network of an ONNX file, which predicts images as the pipeline's own networks do.

    The file has one image input of three channels, in either layout; if it cannot be loaded, or
    does not fit its description, that is a ValueError. `threads` are those of onnxruntime on the
    CPU, 0 leaves their number to it.
    """

    def __init__(self, path: Path, spec: NetworkSpec, threads: int = 0) -> None:
        self.network = _OnnxNetwork(path, spec, threads)
        model = cast(FaceSegmentor, self.network)  # the two members that a segmenter uses
        super().__init__(model, max(self.network.size), torch.device("cpu"))

    def describe(self, *, tta: bool) -> dict[str, object]:
        """Describe for score files how images are predicted, and the network itself."""
        network, spec = self.network, self.network.spec
        height, width = network.size
        image = f"whole, squashed to {height} x {width} px"
        if spec.keep_aspect:
            image = f"whole, aspect kept, within {height} x {width} px"
            image += ", filled up by repeating its border" * network.is_fixed
        return {
            **super().describe(tta=tta),
            "image": f"{image}; no tiles",
            "network": asdict(spec) | {"file": network.path.name, "sha256": network.sha256},
        }

    def _input_size(self, image: np.ndarray, scale: float) -> tuple[int, int]:
        """Return the size of the network's input; there is no test-time augmentation."""
        (height, width), (rows, columns) = self.network.size, image.shape[:2]
        if not self.network.spec.keep_aspect:
            return height, width
        wanted, own = (height, rows) if height * columns <= width * rows else (width, columns)
        fitted_height, fitted_width = (
            max(LEAST_PX, round(side * wanted / own)) for side in (rows, columns)
        )
        return fitted_height, fitted_width


class _OnnxNetwork(nn.Module):
    """What a segmenter asks of a network: bytes in, log-odds of face out."""

    def __init__(self, path: Path, spec: NetworkSpec, threads: int) -> None:
        super().__init__()
        self.path, self.spec = path, spec
        self.session = _open(path, threads)
        self.sha256 = file_sha256(path)
        if len(inputs := self.session.get_inputs()) != 1:
            raise ValueError(f"{path}: must have one input; got {[one.name for one in inputs]}")
        self.input, shape = inputs[0].name, inputs[0].shape
        if len(shape) != 4 or 3 not in (shape[1], shape[3]):
            raise ValueError(f"{path}: input must be (N, 3, H, W) or (N, H, W, 3); got {shape}")
        if inputs[0].type not in TYPES:
            raise ValueError(f"{path}: input must be one of {list(TYPES)}; got {inputs[0].type}")
        self.dtype = TYPES[inputs[0].type]
        self.channels_first = shape[1] == 3
        self.batch = shape[0] if isinstance(shape[0], int) else None
        own = tuple(shape[2:] if self.channels_first else shape[1:3])
        self.is_fixed = all(isinstance(side, int) for side in own)
        self.size = self._agreed_size(own)
        scales = spec.divide_by != 1 or any(spec.mean) or set(spec.std) != {1}
        if self.dtype == np.uint8 and scales:
            raise ValueError(f"{path}: takes bytes, so leave out divide_by, mean and std")
        names = [one.name for one in self.session.get_outputs()]
        self.output = spec.output or names[0]
        if self.output not in names:
            raise ValueError(f"{path}: output: must be one of {names}; got {self.output!r}")

    def _agreed_size(self, own: tuple[Any, ...]) -> tuple[int, int]:
        asked = self.spec.size and tuple(self.spec.size)
        if asked and self.is_fixed and asked != own:
            raise ValueError(f"{self.path}: size: the file takes {own} only; got {asked}")
        if not asked and not self.is_fixed:
            raise ValueError(f"{self.path}: size: must be given, as the file takes any")
        height, width = asked or own
        return height, width

    def data_preprocessor(self, batch: dict[str, Tensor], training: bool) -> dict[str, Tensor]:
        """Return `inputs` (N, 3, h, w) uint8 RGB; `forward` scales them."""
        return {"inputs": batch["inputs"].permute(0, 3, 1, 2)}

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the log-odds of face, (N, 1, h, w) float32, of (N, 3, h, w) uint8 RGB."""
        height, width = inputs.shape[2:]
        pixels = inputs.numpy()[:, :: 1 if self.spec.channels == "rgb" else -1]
        if self.is_fixed:
            rows, columns = self.size[0] - height, self.size[1] - width
            pixels = np.pad(pixels, ((0, 0), (0, 0), (0, rows), (0, columns)), mode="edge")
        if self.dtype != np.uint8:
            mean, std = (
                np.asarray(part, np.float32)[:, None, None]
                for part in (self.spec.mean, self.spec.std)
            )
            pixels = (pixels / np.float32(self.spec.divide_by) - mean) / std
        if not self.channels_first:
            pixels = pixels.transpose(0, 2, 3, 1)
        found = self._log_odds(self._run(np.ascontiguousarray(pixels, self.dtype)))
        size = self.size if self.is_fixed else (height, width)
        resized = functional.interpolate(found[:, None], size=size, mode="bilinear")
        return resized[..., :height, :width]

    def _run(self, pixels: np.ndarray) -> np.ndarray:
        """Run the file, in batches of the number that it takes."""
        num, step = len(pixels), self.batch or len(pixels)
        filled = np.concatenate([pixels, pixels[[-1] * (-num % step)]])
        parts = np.split(filled, len(filled) // step)
        with errors_name(f"{self.path}: size {self.size}: onnxruntime cannot run it", *_failures()):
            return np.concatenate(
                [np.asarray(self.session.run([self.output], {self.input: p})[0]) for p in parts]
            )[:num]

    def _log_odds(self, output: np.ndarray) -> Tensor:
        """Return the log-odds of face, (N, h, w) float32, of what the file gave."""
        where = f"{self.path}: output '{self.output}'"
        if output.ndim not in (3, 4):
            raise ValueError(f"{where}: must be a map of 3 or 4 axes; got {output.shape}")
        if output.ndim == 3:
            output = output[:, None]
        elif not self.channels_first:
            output = output.transpose(0, 3, 1, 2)
        spec, num_classes = self.spec, output.shape[1]
        if spec.values == "labels":
            if num_classes != 1:
                raise ValueError(f"{where}: labels must have one channel; got {num_classes}")
            is_face = np.isin(output[:, 0], spec.face)
            return torch.from_numpy(np.where(is_face, CERTAIN, -CERTAIN).astype(np.float32))
        scores = torch.from_numpy(np.ascontiguousarray(output, np.float32))
        if not scores.isfinite().all():
            raise ValueError(
                f"{where}: holds values that are not finite; check divide_by, mean, std"
            )
        if spec.values == "probabilities":
            scores = self._as_logits(scores, where)
        if num_classes == 1:
            scores = torch.cat([torch.zeros_like(scores), scores], 1)
        others = set(range(scores.shape[1])) - set(spec.face)
        if not others or max(spec.face) >= scores.shape[1]:
            raise ValueError(
                f"{where}: face: must be some, not all, of its {scores.shape[1]} classes, counted "
                f"from 0; got {list(spec.face)}"
            )
        return scores[:, list(spec.face)].logsumexp(1) - scores[:, sorted(others)].logsumexp(1)

    def _as_logits(self, scores: Tensor, where: str) -> Tensor:
        low, high = scores.min().item(), scores.max().item()
        if low < -LEAST_PROBABILITY or high > 1 + 1e-3:
            raise ValueError(
                f"{where}: holds values from {low:.3g} to {high:.3g}, which are not probabilities; "
                "set values: logits"
            )
        if scores.shape[1] == 1:
            return scores.logit(LEAST_PROBABILITY)
        return scores.clamp(min=LEAST_PROBABILITY).log()


def _open(path: Path, threads: int) -> Any:
    """Load an ONNX file, on a GPU if this onnxruntime has one."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    known = onnxruntime.get_available_providers()
    wanted = [one for one in ("CUDAExecutionProvider", "CPUExecutionProvider") if one in known]
    with errors_name(f"{path}: onnxruntime cannot load it", *_failures()):
        return onnxruntime.InferenceSession(path, options, providers=wanted)


def _failures() -> list[type[Exception]]:
    """Return the kinds of onnxruntime's errors, which have no common class of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # pyright: ignore

    return [one for one in vars(state).values() if isinstance(one, type) and Exception in one.mro()]


def score_network(
    path: Path,
    spec: NetworkSpec,
    benchmarks: Mapping[str, Path],
    params: EvaluateParams,
    profile: str,
) -> RunScores:
    """Score an ONNX file on benchmarks, as the stage `evaluate` scores a run.

    The file's stem becomes the run's name, and one view, `last`, is scored, without test-time
    augmentation. `benchmarks` are the folders of the image sets by name. What cannot be used of
    file, description and benchmarks is a ValueError.
    """
    segmenter = OnnxSegmenter(path, spec, params.cpu_threads)
    return RunScores(
        profile=profile,
        run=path.stem,
        model=spec.title,
        combination=spec.trained_on,
        seed=0,
        headline="last",
        inference=segmenter.describe(tta=False),
        benchmarks=evaluate_run({"last": segmenter}, benchmarks, params),
    )
