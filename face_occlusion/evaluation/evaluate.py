"""Score a trained run on the benchmarks, image by image, at the images' own resolution."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from face_occlusion.evaluation.boundary import boundary_counts
from face_occlusion.evaluation.calibration import NUM_BINS, calibration_counts
from face_occlusion.evaluation.inference import Segmenter, load_model
from face_occlusion.evaluation.metrics import confusion_counts
from face_occlusion.evaluation.previews import encode_preview
from face_occlusion.evaluation.scores import BenchmarkScores, ViewCounts, fingerprint
from face_occlusion.imageset import ImageSet

CHECKPOINTS = ("last", "best")
Sample = tuple[str, np.ndarray, np.ndarray]  # key, (H, W, 3) uint8 RGB, (H, W) uint8 seg_map


@dataclass(frozen=True, kw_only=True)
class EvaluateParams:
    """Section `evaluate` of params.yaml."""

    benchmarks: Sequence[str]
    checkpoints: Sequence[str]  # the first is the headline
    tta: bool  # score each checkpoint also with test-time augmentation
    device: str  # auto, cpu or cuda
    batch_size: int  # images that go through the network together
    preview_px: int  # longer side of the masks kept in the score file; 0 keeps none

    def __post_init__(self) -> None:
        if not self.benchmarks:
            raise ValueError("benchmarks must name at least one benchmark")
        if not self.checkpoints or set(self.checkpoints) - set(CHECKPOINTS):
            raise ValueError(
                f"checkpoints must be taken from {list(CHECKPOINTS)}; got {self.checkpoints}"
            )
        if self.device not in ("auto", "cpu", "cuda"):
            raise ValueError(f"device must be auto, cpu or cuda; got {self.device!r}")
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1; got {self.batch_size}")
        if not 0 <= self.preview_px <= 1024:
            raise ValueError(f"preview_px must lie in [0, 1024]; got {self.preview_px}")


class Network(Protocol):
    """What evaluation asks of a trained model; `inference.Segmenter` is one."""

    def predict_batch(self, images: Sequence[np.ndarray], *, tta: bool = False) -> list[np.ndarray]:
        """Return per (H, W, 3) uint8 RGB image the (H, W) float32 probability of face."""
        ...


def load_checkpoints(folder: Path, params: EvaluateParams) -> dict[str, Segmenter]:
    """Load the checkpoints of a run that there are.

    A run without a benchmark to select on has no `best`; one selected at the last iteration has
    the same weights twice, loaded once, and is predicted once.

    Args:
        folder: The run's folder.
        params: Which checkpoints, and where to compute.

    Returns:
        The network by name of its checkpoint, in the order of `params.checkpoints`.

    Raises:
        ValueError: If the folder is no run's.
    """
    card = _read_card(folder)
    networks: dict[str, Segmenter] = {}
    selected = card.get("selected") or {}
    for name in params.checkpoints:
        if name == "best" and not selected:
            logging.info("%s: no checkpoint 'best': %s", folder, card.get("not_selected"))
        elif name == "best" and "last" in networks and selected["iteration"] == card["iterations"]:
            networks[name] = networks["last"]
        else:
            networks[name] = load_model(folder, params.device, name)
    return networks


def _read_card(folder: Path) -> dict[str, Any]:
    path = folder / "card.json"
    if not path.is_file():
        raise ValueError(f"{path}: no such file; a run's folder is written by the train stage")
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from error


def evaluate_run(
    networks: Mapping[str, Network],
    benchmarks: Mapping[str, Path],
    params: EvaluateParams,
) -> dict[str, BenchmarkScores]:
    """Score the checkpoints of a run on every benchmark.

    Args:
        networks: The model by name of its checkpoint; the first is the headline.
        benchmarks: Folder of each benchmark's image set, by name.
        params: With `tta` each checkpoint is scored a second time, as the view `NAME_tta`.

    Returns:
        The scores by benchmark, in the given order.

    Raises:
        ValueError: If a folder is not an image set.
    """
    image_sets = {name: ImageSet(folder) for name, folder in benchmarks.items()}
    scores = {}
    total = sum(len(image_set) for image_set in image_sets.values())
    with tqdm(total=total, unit="image", mininterval=1) as progress:
        for name, image_set in image_sets.items():
            progress.set_description(name)
            scores[name] = evaluate_benchmark(networks, image_set, params, progress)
    return scores


def evaluate_benchmark(
    networks: Mapping[str, Network],
    image_set: ImageSet,
    params: EvaluateParams,
    progress: tqdm | None = None,
) -> BenchmarkScores:
    """Score the checkpoints of a run on one benchmark; arguments as `evaluate_run`."""
    mark = fingerprint(image_set.folder)
    if image_set.absent is not None:
        return BenchmarkScores(fingerprint=mark, absent=image_set.absent)
    views = {
        f"{name}{'_tta' * augmented}": (network, augmented)
        for augmented in ((False, True) if params.tta else (False,))
        for name, network in networks.items()
    }
    headline = next(iter(views))
    tallies = {view: _Tally() for view in views}
    kinds: list[str | None] = []
    sizes: list[tuple[int, int]] = []
    previews: list[str | None] = []
    for batch in _read_ahead(image_set, params.batch_size):
        images = [image for _, image, _ in batch]
        predicted: dict[tuple[int, bool], list[np.ndarray]] = {}
        for view, (network, augmented) in views.items():
            source = (id(network), augmented)
            if source not in predicted:
                predicted[source] = network.predict_batch(images, tta=augmented)
            for (key, _, target), probability in zip(batch, predicted[source], strict=True):
                _check_size(image_set, key, probability, target)
                pred = tallies[view].add(probability, target)
                if view == headline:
                    previews.append(
                        encode_preview(pred, params.preview_px) if params.preview_px else None
                    )
        for key, _, target in batch:
            kinds.append(image_set.record(key).get("occluder_kind"))
            sizes.append((target.shape[0], target.shape[1]))
        if progress is not None:
            progress.update(len(batch))
    return BenchmarkScores(
        fingerprint=mark,
        keys=list(image_set.keys),
        occluder_kinds=kinds,
        sizes=sizes,
        views={view: tally.finish() for view, tally in tallies.items()},
        previews=previews,
    )


class _Tally:
    """Counts of one view, image by image."""

    def __init__(self) -> None:
        self.counts: list[np.ndarray] = []
        self.boundary: list[np.ndarray] = []
        self.calibration = np.zeros((NUM_BINS, 3))

    def add(self, probability: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Count one image; returns its (H, W) bool prediction, face from a probability of 0.5."""
        pred = probability >= 0.5
        self.counts.append(confusion_counts(pred, target))
        self.boundary.append(boundary_counts(pred, target))
        self.calibration += calibration_counts(probability, target)
        return pred

    def finish(self) -> ViewCounts:
        return ViewCounts(
            counts=np.stack(self.counts),
            boundary=np.stack(self.boundary),
            calibration=self.calibration,
        )


def _check_size(image_set: ImageSet, key: str, probability: np.ndarray, target: np.ndarray) -> None:
    if probability.shape != target.shape:
        raise ValueError(
            f"{image_set.folder}: {key}: mask is {target.shape}, the image's prediction "
            f"{probability.shape}; image and mask must share one size"
        )


def _read_ahead(image_set: ImageSet, batch_size: int) -> Iterator[list[Sample]]:
    """Yield the images in order, in batches, decoding the next batch in a thread meanwhile."""

    def read(key: str) -> Sample:
        return key, image_set.image(key), image_set.seg_map(key)

    pending: deque[Future[Sample]] = deque()
    with ThreadPoolExecutor(max_workers=1) as pool:
        for key in image_set.keys:
            pending.append(pool.submit(read, key))
            if len(pending) == 2 * batch_size:
                yield [pending.popleft().result() for _ in range(batch_size)]
        while pending:
            size = min(batch_size, len(pending))
            yield [pending.popleft().result() for _ in range(size)]
