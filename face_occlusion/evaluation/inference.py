"""Apply a trained network to photographs of any size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from face_occlusion.json_files import read_json
from face_occlusion.resizing import resize_image
from face_occlusion.training.checkpoint import read_checkpoint
from face_occlusion.training.loss import margin
from face_occlusion.training.segmentor import FaceSegmentor, build_segmentor

TTA_SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)  # the published configuration's
LEAST_PX = 32  # SegFormer's first attention reduces by 4 x 8


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


class Prediction:
    """The probabilities of one image, perhaps still being computed on a GPU.

    Their copy is queued behind them at once, into pinned memory: one that the reader asked for
    would hold up the launches of the next batch until this one is computed.

    Args:
        probability: (H, W) float32.
    """

    def __init__(self, probability: Tensor) -> None:
        self._copied = None
        if probability.is_cuda:
            self._copied = torch.cuda.Event(blocking=True)
            copy = torch.empty(probability.shape, dtype=probability.dtype, pin_memory=True)
            probability = copy.copy_(probability, non_blocking=True)
            self._copied.record()
        self._probability = probability

    def numpy(self) -> np.ndarray:
        """Wait for the probabilities and return them, (H, W) float32."""
        if self._copied is not None:
            self._copied.synchronize()
        return self._probability.numpy()


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
            by_size: dict[tuple[int, int], list[int]] = defaultdict(list)
            for number, image in enumerate(images):
                by_size[self._seen_size(image, scale)].append(number)
            for size, numbers in by_size.items():
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
        return [Prediction(probability) for probability in self.probabilities(seen, shapes)]

    def probabilities(
        self, seen: Sequence[Seen], shapes: Sequence[tuple[int, ...]]
    ) -> list[Tensor]:
        """Compute what `launch_seen` returns, on the network's device: each (H, W) float32."""
        totals = [torch.zeros(shape, device=self.device) for shape in shapes]
        num_views = [0] * len(shapes)
        with torch.inference_mode():
            for part in seen:
                inputs = self.model.data_preprocessor({"inputs": part.pixels}, False)["inputs"]
                views = [self._log_odds(inputs)]
                if part.mirrored:
                    views.append(self._log_odds(inputs.flip(-1)).flip(-1))
                for place, number in enumerate(part.numbers):
                    for view in views:
                        totals[number] += _resized(view[place], shapes[number]).sigmoid()
                    num_views[number] += len(views)
            for total, number in zip(totals, num_views, strict=True):
                total /= number
        return totals

    def _log_odds(self, inputs: Tensor) -> Tensor:
        """Return the (N, h, w) log-odds of face at the size of the (N, 3, h, w) inputs."""
        logits = self.model(inputs).float()
        return margin(functional.interpolate(logits, size=inputs.shape[2:], mode="bilinear"))

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


def _resized(logit: Tensor, size: tuple[int, ...]) -> Tensor:
    """Resize an (h, w) map to (H, W) bilinearly."""
    return functional.interpolate(logit[None, None], size=size, mode="bilinear")[0, 0]


def _read_config(path: Path) -> dict:
    config = read_json(path, "no such file; a run's folder is written by the train stage")
    if missing := {"model", "input_px"} - set(config):
        raise ValueError(f"{path}: missing keys {sorted(missing)}")
    return config


def _check_image(image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"image must be (H, W, 3) uint8; got {image.shape} {image.dtype}")
