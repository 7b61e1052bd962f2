"""Apply a trained network to photographs of any size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from face_occlusion.core.files import read_json
from face_occlusion.core.images import resize_image
from face_occlusion.evaluation.replay import Replay
from face_occlusion.networks.checkpoint import read_checkpoint
from face_occlusion.networks.loss import log_odds
from face_occlusion.networks.segmentor import FaceSegmentor, build_segmentor

TTA_SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)  # the published configuration's
LEAST_PX = 32  # SegFormer's first attention reduces by 4 x 8

Size = TypeVar("Size", bound=tuple[int, ...])  # (height, width)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Images of a batch as the network is shown them, all of one size.

    Attributes:
        pixels: (N, h, w, 3) uint8 RGB, on the network's device.
        numbers: Which images of the batch they are.
        mirrored: Whether their mirror images are seen too.
    """

    pixels: Tensor
    numbers: list[int]
    mirrored: bool


class Copy:
    """Results of a batch on their way to the host, or there already.

    A GPU's are copied into pinned memory as soon as they are computed, by a stream of their own:
    neither the copy nor whoever waits for it holds up the next batch.

    Args:
        results: On the network's device.
        stream: The GPU's stream that copies; None on the CPU.
    """

    def __init__(self, results: Tensor, stream: torch.cuda.Stream | None) -> None:
        self._results = results
        self._done = None
        if stream is None:
            return
        self._results = torch.empty(results.shape, dtype=results.dtype, pin_memory=True)
        self._done = torch.cuda.Event(blocking=True)
        stream.wait_stream(torch.cuda.current_stream(results.device))
        with torch.cuda.stream(stream):
            self._results.copy_(results, non_blocking=True)
            self._done.record()
        results.record_stream(stream)  # its memory is not given away before

    def wait(self) -> Tensor:
        """Wait for the results and return them, on the CPU."""
        if self._done is not None:
            self._done.synchronize()
        return self._results


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The probabilities of one image, perhaps still being computed on a GPU.

    Attributes:
        copy: (N, H, W) float32, of images of one size.
        place: Which of them.
    """

    copy: Copy
    place: int

    def numpy(self) -> np.ndarray:
        """Wait for the probabilities and return them, (H, W) float32."""
        return self.copy.wait()[self.place].numpy()


class Segmenter:
    """A network that tells face from everything else.

    An image is seen whole, resized so that its longer side is the input size of the training;
    its aspect is kept (MMSegmentation's `keep_ratio`), so that an aligned square face is seen as
    in training and a photograph is not squashed. Logits are resized back bilinearly, in two steps
    as MMSegmentation does: to the size seen, then to the image's own.

    Args:
        model: The network.
        input_px: Longer side of what it sees.
        device: Where it computes.
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
            if device.index in (None, torch.cuda.current_device()):  # another's is not recorded
                self._log_odds = Replay(self._compute_log_odds)

    def describe(self, *, tta: bool) -> dict[str, object]:
        """Say how images are seen, for score files."""
        seen = f"whole, longer side {self.input_px} px, aspect kept; no tiles"
        augmented = f"mean of {2 * len(TTA_SCALES)} views: scales {list(TTA_SCALES)}, each mirrored"
        return {
            "input_px": self.input_px,
            "image": seen,
            "scored_at": "the image's own size; log-odds resized bilinearly",
            "tta": augmented if tta else None,
        }

    def predict(self, image: np.ndarray, *, tta: bool = False) -> np.ndarray:
        """Return the probability of face per pixel.

        Args:
            image: (H, W, 3) uint8 RGB of any size.
            tta: Average over 6 scales and their mirror images, as the published configuration.

        Returns:
            (H, W) float32 in [0, 1].

        Raises:
            ValueError: If the image is not (H, W, 3) uint8.
        """
        return self.predict_batch([image], tta=tta)[0]

    def predict_batch(self, images: Sequence[np.ndarray], *, tta: bool = False) -> list[np.ndarray]:
        """Predict several images of any sizes at once; same results as one by one.

        Args:
            images: Each (H, W, 3) uint8 RGB.
            tta: As for `predict`.

        Returns:
            Per image (H, W) float32 in [0, 1].
        """
        return [prediction.numpy() for prediction in self.launch(images, tta=tta)]

    def launch(self, images: Sequence[np.ndarray], *, tta: bool = False) -> list[Prediction]:
        """Start to predict a batch; a GPU computes on while its results are fetched elsewhere.

        Args:
            images: Each (H, W, 3) uint8 RGB.
            tta: As for `predict`.

        Returns:
            Per image what becomes its (H, W) float32 probabilities.
        """
        for image in images:
            _check_image(image)
        return self.launch_seen(self.see(images, tta=tta), [image.shape[:2] for image in images])

    def see(self, images: Sequence[np.ndarray], *, tta: bool = False) -> list[Seen]:
        """Resize a batch to what the network is shown, images of one size together."""
        seen = []
        for scale in TTA_SCALES if tta else (1.0,):
            sizes = [self._seen_size(image, scale) for image in images]
            for size, numbers in _numbers_by(sizes).items():
                stack = np.stack([resize_image(images[number], size) for number in numbers])
                pixels = torch.from_numpy(stack)
                if self.device.type == "cuda":
                    pixels = pixels.pin_memory().to(self.device, non_blocking=True)
                seen.append(Seen(pixels=pixels, numbers=numbers, mirrored=tta))
        return seen

    def launch_seen(
        self, seen: Sequence[Seen], shapes: Sequence[tuple[int, ...]]
    ) -> list[Prediction]:
        """Start to predict what `see` made of a batch, for images of these (height, width)."""
        predictions = {}
        for numbers, probability in self.probabilities(seen, shapes):
            copy = Copy(probability, self._copier)
            for place, number in enumerate(numbers):
                predictions[number] = Prediction(copy=copy, place=place)
        return [predictions[number] for number in range(len(shapes))]

    def probabilities(
        self, seen: Sequence[Seen], shapes: Sequence[tuple[int, ...]]
    ) -> list[tuple[list[int], Tensor]]:
        """Compute what `launch_seen` returns.

        Args:
            seen: What `see` made of a batch.
            shapes: (height, width) of each image.

        Returns:
            For each (H, W) among the shapes which images have it, and their (N, H, W) float32
            probabilities of face on the network's device.
        """
        by_shape = _numbers_by(shapes)
        totals = {
            shape: torch.zeros((len(numbers), *shape), device=self.device)
            for shape, numbers in by_shape.items()
        }
        num_views = sum(1 + part.mirrored for part in seen if 0 in part.numbers)  # of each image
        with torch.inference_mode():
            for part in seen:
                views = [self._log_odds(part.pixels)]
                if part.mirrored:
                    views.append(self._log_odds(part.pixels.flip(2)).flip(-1))
                for shape, places in _numbers_by([shapes[n] for n in part.numbers]).items():
                    for view in views:
                        totals[shape] += _resized(_taken(view, places), shape).sigmoid_()
            return [(by_shape[shape], total.div_(num_views)) for shape, total in totals.items()]

    def _compute_log_odds(self, pixels: Tensor) -> Tensor:
        """Return the (N, h, w) log-odds of face of (N, h, w, 3) uint8 pixels."""
        inputs = self.model.data_preprocessor({"inputs": pixels}, False)["inputs"]
        logits = self.model(inputs).float()
        return log_odds(functional.interpolate(logits, size=inputs.shape[2:], mode="bilinear"))

    def _seen_size(self, image: np.ndarray, scale: float) -> tuple[int, int]:
        longer = max(image.shape[:2])
        height, width = (
            max(LEAST_PX, round(side * self.input_px * scale / longer)) for side in image.shape[:2]
        )
        return height, width


def load_model(folder: Path, device: torch.device | str = "cpu", which: str = "last") -> Segmenter:
    """Load a run's network.

    Args:
        folder: A run's folder, with `config.json` and `last.pth`.
        device: Where to compute; `auto` takes a GPU if there is one.
        which: `last`, the headline (Q34), or `best`, selected on RealOcc.

    Raises:
        ValueError: If a file is missing or is not what its name says.
    """
    if which not in ("last", "best"):
        raise ValueError(f"which must be last or best; got {which!r}")
    config = _read_config(folder / "config.json")
    model = build_segmentor(config["model"])
    path = folder / f"{which}.pth"
    if which == "best" and not path.is_file():
        raise ValueError(f"{path}: no such file; {folder / 'card.json'} says why none was selected")
    state = read_checkpoint(path)["model"]
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"{path}: does not fit {folder / 'config.json'}: {error}") from error
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return Segmenter(model, config["input_px"], torch.device(device))


def _numbers_by(sizes: Sequence[Size]) -> dict[Size, list[int]]:
    """List by size which images have it."""
    numbers = defaultdict(list)
    for number, size in enumerate(sizes):
        numbers[size].append(number)
    return numbers


def _taken(maps: Tensor, places: list[int]) -> Tensor:
    """Take some of (N, h, w) maps; a list as index would have a GPU wait for its copy."""
    return maps if len(places) == len(maps) else torch.stack([maps[place] for place in places])


def _resized(logits: Tensor, size: tuple[int, ...]) -> Tensor:
    """Resize (N, h, w) maps to (N, H, W) bilinearly."""
    return functional.interpolate(logits[:, None], size=size, mode="bilinear")[:, 0]


def _read_config(path: Path) -> dict:
    config = read_json(path, "no such file; a run's folder is written by the train stage")
    if missing := {"model", "input_px"} - set(config):
        raise ValueError(f"{path}: missing keys {sorted(missing)}")
    return config


def _check_image(image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"image must be (H, W, 3) uint8; got {image.shape} {image.dtype}")
