"""Apply a trained network to photographs of any size."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from face_occlusion.core.files import errors_name, read_json
from face_occlusion.core.images import resize_image
from face_occlusion.networks.checkpoint import read_weights
from face_occlusion.networks.loss import log_odds
from face_occlusion.networks.schema import CONFIG, check_config
from face_occlusion.networks.segmentor import FaceSegmentor, build_segmentor

TTA_SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)  # the published configuration's
NO_RUN = "no such file; a run's folder is written by the train stage"
LEAST_PX = 32  # SegFormer's first attention reduces by 4 x 8
FIRST_CALLS = 3  # of a shape that are not recorded: kernels are loaded and chosen in them
MOST_SHAPES = 32  # that are recorded: each keeps its input and its result

Size = TypeVar("Size", bound=tuple[int, ...])  # (height, width)


@dataclass(frozen=True, kw_only=True)
class PreparedBatch:
    """Images of a batch resized to one input size of the network."""

    pixels: Tensor  # (N, h, w, 3) uint8 RGB, on the network's device
    numbers: list[int]  # positions of these images in the batch
    mirrored: bool  # whether to predict their mirror images as well


def copy_to_host(results: Tensor, stream: torch.cuda.Stream | None) -> Callable[[int], np.ndarray]:
    """Copy a batch's results to the host meanwhile; return what waits for one of them, by index.

    Results of a GPU are copied into pinned memory as soon as they are computed, on a stream of
    their own: neither the copy nor a thread that waits for it delays the next batch. Without a
    stream, on the CPU, nothing is copied.
    """
    if stream is None:
        return lambda index: results[index].numpy()
    copied = torch.empty(results.shape, dtype=results.dtype, pin_memory=True)
    done = torch.cuda.Event(blocking=True)
    stream.wait_stream(torch.cuda.current_stream(results.device))
    with torch.cuda.stream(stream):
        copied.copy_(results, non_blocking=True)
        done.record()
    results.record_stream(stream)  # keeps the memory until the copy is done

    def wait_for(index: int) -> np.ndarray:
        done.synchronize()
        return copied[index].numpy()

    return wait_for


class Replay:
    """A function on the current GPU, recorded as a CUDA graph for each shape that comes often.

    Python launches a network's kernels one by one, and waits for the interpreter lock before each
    while other threads decode and count; a graph is launched at once. All graphs share one memory
    pool, so that together they take as much as the largest.

    The function, of one tensor, launches kernels without waiting for the GPU. Other tensors that it
    reads, such as weights, must keep their place in memory.
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self._function = function
        self._calls: Counter[torch.Size] = Counter()
        # of a shape: what its graph reads, the graph, what it writes
        self._recordings: dict[torch.Size, tuple[Tensor, torch.cuda.CUDAGraph, Tensor]] = {}
        self._memory = torch.cuda.graph_pool_handle()

    def __call__(self, values: Tensor) -> Tensor:
        """Compute the function; its result is the caller's own."""
        shape = values.shape
        if shape not in self._recordings:
            self._calls[shape] += 1
            if self._calls[shape] <= FIRST_CALLS or len(self._recordings) == MOST_SHAPES:
                return self._function(values)
            self._recordings[shape] = self._record(values)
        source, graph, result = self._recordings[shape]
        source.copy_(values)
        graph.replay()
        return result.clone()  # the next recording may use its memory

    def _record(self, like: Tensor) -> tuple[Tensor, torch.cuda.CUDAGraph, Tensor]:
        """Record the function for tensors like one; recording computes nothing."""
        values = torch.empty_like(like)
        graph = torch.cuda.CUDAGraph()
        # Other threads pin memory and wait for copies meanwhile; only this one must not.
        with torch.cuda.graph(graph, pool=self._memory, capture_error_mode="thread_local"):
            result = self._function(values)
        return values, graph, result


class Segmenter:
    """A network that segments the visible face.

    An image is predicted whole, resized so that its longer side, `input_px`, is that of the
    training and its aspect ratio stays (MMSegmentation's `keep_ratio`): an aligned square face is
    resized as in training, and a photograph is not distorted. Logits are resized back bilinearly in
    two steps, as in MMSegmentation: to the input size, then to the image's own size.
    """

    def __init__(self, model: FaceSegmentor, input_px: int, device: torch.device) -> None:
        self.model = model
        self.model.to(device, memory_format=torch.channels_last)
        self.model.eval()
        self.input_px = input_px
        self.device = device
        self._log_odds: Callable[[Tensor], Tensor] = self._compute_log_odds
        self._copier = None
        if device.type == "cuda":
            self._copier = torch.cuda.Stream(device)
            if device.index in (None, torch.cuda.current_device()):  # graphs are of this one
                self._log_odds = Replay(self._compute_log_odds)

    def describe(self, *, tta: bool) -> dict[str, object]:
        """Describe for score files how images are predicted."""
        image = f"whole, longer side {self.input_px} px, aspect kept; no tiles"
        augmented = f"mean of {2 * len(TTA_SCALES)} views: scales {list(TTA_SCALES)}, each mirrored"
        return {
            "input_px": self.input_px,
            "image": image,
            "scored_at": "the image's own size; log-odds resized bilinearly",
            "tta": augmented if tta else None,
        }

    def predict(self, image: np.ndarray, *, tta: bool = False) -> np.ndarray:
        """Return the probability of face per pixel, (H, W) float32 in [0, 1].

        The image is (H, W, 3) uint8 RGB of any size, else a ValueError. `tta` averages 6 scales and
        their mirror images, as the published configuration.
        """
        return self.predict_batch([image], tta=tta)[0]

    def predict_batch(self, images: Sequence[np.ndarray], *, tta: bool = False) -> list[np.ndarray]:
        """Predict (H, W, 3) uint8 RGB images of any sizes at once, each as `predict` does."""
        for image in images:
            if image.dtype != np.uint8 or image.shape[2:] != (3,) or not image.size:
                raise ValueError(f"image must be (H, W, 3) uint8; got {image.shape} {image.dtype}")
        prepared = self.preprocess(images, tta=tta)
        predictions = self.predict_async(prepared, [image.shape[:2] for image in images])
        return [wait() for wait in predictions]

    def preprocess(self, images: Sequence[np.ndarray], *, tta: bool = False) -> list[PreparedBatch]:
        """Resize a batch to the network's input, one result for each input size and scale."""
        prepared = []
        for scale in TTA_SCALES if tta else (1.0,):
            sizes = [self._input_size(image, scale) for image in images]
            for size, numbers in _numbers_by(sizes).items():
                stack = np.stack([resize_image(images[number], size) for number in numbers])
                pixels = torch.from_numpy(stack)
                if self.device.type == "cuda":
                    pixels = pixels.pin_memory().to(self.device, non_blocking=True)
                prepared.append(PreparedBatch(pixels=pixels, numbers=numbers, mirrored=tta))
        return prepared

    def predict_async(
        self, prepared: Sequence[PreparedBatch], shapes: Sequence[tuple[int, ...]]
    ) -> list[Callable[[], np.ndarray]]:
        """Start to predict a batch from `preprocess`, without waiting for the GPU.

        `shapes` are the images' (H, W). Returns what waits for each one's probability of face, (H,
        W) float32.
        """
        by_shape = _numbers_by(shapes)
        totals = {
            shape: torch.zeros((len(numbers), *shape), device=self.device)
            for shape, numbers in by_shape.items()
        }
        num_views = sum(1 + part.mirrored for part in prepared if 0 in part.numbers)
        with torch.inference_mode():
            for part in prepared:
                views = [self._log_odds(part.pixels)]
                if part.mirrored:
                    views.append(self._log_odds(part.pixels.flip(2)).flip(-1))
                for shape, places in _numbers_by([shapes[n] for n in part.numbers]).items():
                    for maps in views:
                        if len(places) != len(maps):  # a list as index would wait for the GPU
                            maps = torch.stack([maps[place] for place in places])
                        resized = functional.interpolate(maps[:, None], size=shape, mode="bilinear")
                        totals[shape] += resized[:, 0].sigmoid_()
        predictions = {}
        for shape, numbers in by_shape.items():
            wait_for = copy_to_host(totals[shape].div_(num_views), self._copier)
            predictions |= {n: partial(wait_for, index) for index, n in enumerate(numbers)}
        return [predictions[number] for number in range(len(shapes))]

    def _compute_log_odds(self, pixels: Tensor) -> Tensor:
        """Return the (N, h, w) log-odds of face of (N, h, w, 3) uint8 pixels."""
        inputs = self.model.data_preprocessor({"inputs": pixels}, False)["inputs"]
        logits = self.model(inputs).float()
        return log_odds(functional.interpolate(logits, size=inputs.shape[2:], mode="bilinear"))

    def _input_size(self, image: np.ndarray, scale: float) -> tuple[int, int]:
        longer = max(image.shape[:2])
        height, width = (
            max(LEAST_PX, round(side * self.input_px * scale / longer)) for side in image.shape[:2]
        )
        return height, width


def load_model(folder: Path, device: torch.device | str = "cpu", which: str = "last") -> Segmenter:
    """Load a run's network from its folder, onto a device; `auto` is a GPU if there is one.

    `which` is `last`, which the tables report, or `best`, selected on RealOcc. A file that is
    missing, damaged, or not what the card or the networks of this package ask for is a ValueError.
    No code of the folder is run.
    """
    path = folder / "config.json"
    config = read_json(path, NO_RUN)
    wrong = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError)
    with errors_name(path), errors_name("no network can be built from it", *wrong):
        check_config(config, CONFIG)
        model = build_segmentor(config["model"])
    name = f"{which}.safetensors"
    known = read_json(folder / "card.json", NO_RUN).get("sha256")
    if not isinstance(known, dict) or name not in known:
        raise ValueError(f"{folder / name}: no such file; {folder / 'card.json'} says why")
    model.load_state_dict(read_weights(folder / name, known[name], model))
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return Segmenter(model, config["input_px"], torch.device(device))


def _numbers_by(sizes: Sequence[Size]) -> dict[Size, list[int]]:
    """Return the positions of the images of each size."""
    numbers = defaultdict(list)
    for number, size in enumerate(sizes):
        numbers[size].append(number)
    return numbers
