"""Export a run as an ONNX file with a model card, checked against PyTorch."""

import copy
import importlib
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import torch
from mmseg.models import decode_heads
from ruamel.yaml import YAML
from torch import Tensor, nn
from torch.nn import functional

from face_occlusion.apps.pages import TEMPLATES
from face_occlusion.apps.prediction.inputs import mean_ious, only_drawings, releases_of
from face_occlusion.apps.prediction.mmseg import STOCK
from face_occlusion.core.files import atomic_path, read_json
from face_occlusion.evaluation.inference import LEAST_PX, NO_RUN, Segmenter
from face_occlusion.networks.efficientnet_lite import SameConv2d
from face_occlusion.networks.loss import log_odds
from face_occlusion.networks.products import pooling_members
from face_occlusion.networks.segmentor import FaceSegmentor, normalise

INPUT, OUTPUT = "image", "face_probability"
FREE = ("N", "height", "width", 3)  # shape of an input that takes any number and size
TOLERANCE = 1e-4  # largest difference of a probability from PyTorch's
Shape = tuple[int, int, int]  # number, height, width


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


def export_onnx(segmenter: Segmenter, path: Path, fixed: Shape | None = None) -> float:
    """Write a network as ONNX, and compare it with PyTorch.

    The file, written atomically after it was checked, takes any number of images of any size from
    32 px, or with `fixed` = (number, height, width) those only. Returns the largest difference from
    PyTorch's probabilities, on random pixels.

    Nothing is written if an argument is out of range or the probabilities differ from PyTorch's by
    more than 1e-4, a ValueError, or a package of the extra `export` is missing.
    """
    if path.suffix != ".onnx":
        raise ValueError(f"--out must end in .onnx, its card gets .md, its YAML .yaml; got {path}")
    if fixed and any(side < 32 or side % 32 for side in fixed[1:]):
        raise ValueError(f"--size must be multiples of 32; got {fixed[1]} {fixed[2]}")
    for package in ("onnx", "onnxruntime"):  # not after the network was traced
        importlib.import_module(package)
    side = segmenter.input_px
    shapes = [fixed] if fixed else [(2, side, 2 * side // 3), (1, side, side), (3, 33, side + 2)]
    shapes = [(num, max(rows, LEAST_PX), max(columns, LEAST_PX)) for num, rows, columns in shapes]
    rng = np.random.default_rng(0)
    examples = [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]
    network = _BytesToProbability(segmenter.model).cpu().eval()
    with atomic_path(path) as partial:
        traced = _BytesToProbability(traceable(segmenter.model))
        _write_onnx(traced, torch.from_numpy(examples[0]), partial, is_free=fixed is None)
        difference = _largest_difference(network, examples, partial)
        if not difference <= TOLERANCE:
            raise ValueError(
                f"{path}: not written, because its probabilities differ from PyTorch's by "
                f"{difference:.2g}, more than {TOLERANCE:g}"
            )
    return difference


def _write_onnx(network: nn.Module, example: Tensor, path: Path, *, is_free: bool) -> None:
    free = {number: name for number, name in enumerate(FREE[:3]) if is_free}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of constants, which the comparison finds
        torch.onnx.export(
            network,
            (example,),
            path,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: free, OUTPUT: free},
            dynamo=False,  # 6 s for PSPNet of any size; with torch.export 170 s, the same values
        )


def _largest_difference(network: nn.Module, examples: Sequence[np.ndarray], path: Path) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    differences = []
    for example in examples:
        (probability,) = session.run(None, {INPUT: example})
        with torch.inference_mode():
            expected = network(torch.from_numpy(example)).numpy()
        differences.append(float(np.abs(np.asarray(probability) - expected).max()))
    return max(differences)


def model_card(
    folder: Path, which: str, path: Path, fixed: Shape | None, difference: float, input_px: int
) -> str:
    """Return the model card of an exported run as Markdown: use, training, scores, licences.

    `path`, `fixed` and `difference` are those of `export_onnx`, and `input_px` is the side of the
    images that it was trained on. For errors see `releases_of` and `mean_ious`.
    """
    card = read_json(folder / "card.json", NO_RUN)
    sources = releases_of(folder)
    text = TEMPLATES.get_template("model_card.md").render(
        folder=folder,
        card=card,
        combination=card.get("combination", {}),
        file=path.name,
        num_bytes=path.stat().st_size,
        shape=(*fixed, 3) if fixed else FREE,
        is_free=fixed is None,
        difference=difference,
        input=INPUT,
        output=OUTPUT,
        input_px=input_px,
        least_px=LEAST_PX,
        miniature=only_drawings(sources),
        scores=mean_ious(folder, which),
        which=which,
        sources=[{"licence_url": None, **source} for source in sources],
    )
    return f"{text}\n"


def describe_export(folder: Path, size: tuple[int, int]) -> str:
    """Return as YAML what `scoring.NetworkSpec` asks of the ONNX file of a run in a folder.

    Images are fitted into `size`, (height, width).
    """
    card = read_json(folder / "card.json", NO_RUN)
    licences = dict.fromkeys(source["licence"] for source in releases_of(folder))
    text = io.StringIO()
    described = {
        "title": card.get("run", folder.resolve().name),
        "licence": "; ".join(licences) or "see its card",
        "trained_on": card.get("combination", {}).get("title", "unknown"),
        **dict.fromkeys(("hair", "glasses", "ears"), "background"),
        "size": list(size),
        "keep_aspect": True,
        "values": "probabilities",
    }
    YAML().dump(described, text)
    return text.getvalue()


def traceable(model: FaceSegmentor) -> FaceSegmentor:
    """Return a copy on the CPU for inference: the same function, for inputs of any size.

    A tracer records operations on tensors. What our networks compute of an image's size in Python
    (which pixels a cell averages, how much a convolution pads, the matrix of a resize) would stay
    that of the traced example. The copy computes it with operations that are recorded: resizes
    are MMSegmentation's, of which our heads are faster forms, and pooling is two products.
    """
    made = copy.deepcopy(model)
    made.cpu().eval()
    for module in made.modules():
        if stock := getattr(decode_heads, STOCK.get(type(module).__name__, ""), None):
            module.forward = MethodType(stock.forward, module)
        elif isinstance(module, SameConv2d):
            module.forward = MethodType(_convolve, module)
        elif isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size != 1:
            module.forward = MethodType(_pool, module)  # ONNX pools to one cell only
    return made


def _convolve(conv: SameConv2d, x: Tensor) -> Tensor:
    """Convolve (N, C, H, W) with TensorFlow's "same" padding."""
    (kernel, _), (stride, _), (dilation, _) = conv.kernel_size, conv.stride, conv.dilation
    reach = (kernel - 1) * dilation  # which a kernel needs beside the pixel under its first tap
    padding = reach // 2
    if stride > 1:
        pads = []
        for size in (x.shape[3], x.shape[2]):
            total = reach + 1 - stride + -size % stride
            pads += [total // 2, total - total // 2]
        x, padding = functional.pad(x, pads), 0
    return functional.conv2d(x, conv.weight, None, stride, padding, dilation, conv.groups)


def _pool(pool: nn.AdaptiveAvgPool2d, x: Tensor) -> Tensor:
    """Average (N, C, H, W) over a square grid of cells."""
    cells: Any = pool.output_size  # along a side

    def averages(size: int) -> Tensor:  # (cells, size)
        members = pooling_members(size, cells, x.device).to(x.dtype)
        return members / members.sum(1, keepdim=True)

    return torch.matmul(torch.matmul(averages(x.shape[2]), x), averages(x.shape[3]).T)
