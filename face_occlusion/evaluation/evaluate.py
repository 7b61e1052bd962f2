"""Score a trained run on the benchmarks, image by image, at the images' own resolution."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from tqdm import tqdm

from face_occlusion.evaluation.boundary import boundary_counts
from face_occlusion.evaluation.calibration import NUM_BINS, calibration_counts
from face_occlusion.evaluation.metrics import confusion_counts
from face_occlusion.evaluation.scores import BenchmarkScores, ViewCounts, fingerprint
from face_occlusion.imageset import ImageSet

CHECKPOINTS = ("last", "best")
READ_AHEAD = 4  # images decoded before the network asks for them


@dataclass(frozen=True, kw_only=True)
class EvaluateParams:
    """Section `evaluate` of params.yaml."""

    benchmarks: Sequence[str]
    checkpoints: Sequence[str]  # the first is the headline
    tta: bool  # score each checkpoint also with test-time augmentation
    device: str  # auto, cpu or cuda
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
        if not 0 <= self.preview_px <= 1024:
            raise ValueError(f"preview_px must lie in [0, 1024]; got {self.preview_px}")


class Segmenter(Protocol):
    """What evaluation asks of a trained model."""

    def predict(self, image: np.ndarray, *, tta: bool = False) -> np.ndarray:
        """Return the (H, W) float32 probability of face of an (H, W, 3) uint8 RGB image."""
        ...


def evaluate_run(
    segmenters: Mapping[str, Segmenter],
    benchmarks: Mapping[str, Path],
    *,
    tta: bool,
    preview_px: int,
) -> dict[str, BenchmarkScores]:
    """Score the checkpoints of a run on every benchmark.

    Args:
        segmenters: The model by name of its checkpoint; the first is the headline.
        benchmarks: Folder of each benchmark's image set, by name.
        tta: Score each checkpoint a second time with test-time augmentation, as `NAME_tta`.
        preview_px: Longer side of the headline's masks kept beside the counts; 0 keeps none.

    Returns:
        The scores by benchmark, in the given order.

    Raises:
        ValueError: If a folder is not an image set, or holds no images without saying why.
    """
    image_sets = {name: ImageSet(folder) for name, folder in benchmarks.items()}
    for name, image_set in image_sets.items():
        if not len(image_set) and image_set.absent is None:
            raise ValueError(f"{benchmarks[name]}: benchmark without images and without a reason")
    scores = {}
    total = sum(len(image_set) for image_set in image_sets.values())
    with tqdm(total=total, unit="image", mininterval=1) as progress:
        for name, image_set in image_sets.items():
            progress.set_description(name)
            scores[name] = evaluate_benchmark(
                segmenters, image_set, tta=tta, preview_px=preview_px, progress=progress
            )
    return scores


def evaluate_benchmark(
    segmenters: Mapping[str, Segmenter],
    image_set: ImageSet,
    *,
    tta: bool,
    preview_px: int,
    progress: tqdm | None = None,
) -> BenchmarkScores:
    """Score the checkpoints of a run on one benchmark; arguments as `evaluate_run`."""
    mark = fingerprint(image_set.folder)
    if image_set.absent is not None:
        return BenchmarkScores(fingerprint=mark, absent=image_set.absent)
    views = {
        f"{name}{'_tta' * augmented}": (segmenter, augmented)
        for augmented in ((False, True) if tta else (False,))
        for name, segmenter in segmenters.items()
    }
    headline = next(iter(views))
    tallies = {view: _Tally() for view in views}
    kinds: list[str | None] = []
    sizes: list[tuple[int, int]] = []
    previews: list[str | None] = []
    for key, image, target in _read_ahead(image_set):
        kinds.append(image_set.record(key).get("occluder_kind"))
        sizes.append((target.shape[0], target.shape[1]))
        for view, (segmenter, augmented) in views.items():
            probability = segmenter.predict(image, tta=augmented)
            _check_size(image_set, key, probability, target)
            pred = tallies[view].add(probability, target)
            if view == headline:
                previews.append(encode_preview(pred, preview_px) if preview_px else None)
        if progress is not None:
            progress.update()
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


def _read_ahead(image_set: ImageSet) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield key, image and target in order, decoding a few images ahead in a thread."""

    def read(key: str) -> tuple[str, np.ndarray, np.ndarray]:
        return key, image_set.image(key), image_set.seg_map(key)

    pending: deque[Future[tuple[str, np.ndarray, np.ndarray]]] = deque()
    with ThreadPoolExecutor(max_workers=1) as pool:
        for key in image_set.keys:
            pending.append(pool.submit(read, key))
            if len(pending) > READ_AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def encode_preview(pred: np.ndarray, longer_side_px: int) -> str:
    """Reduce a mask and encode it as a 1-bit PNG.

    Args:
        pred: (H, W) bool, True = face.
        longer_side_px: Longer side of the reduced mask; a smaller mask keeps its size.

    Returns:
        The PNG in base64, white = face.
    """
    scale = min(1.0, longer_side_px / max(pred.shape))
    size = (max(1, round(pred.shape[1] * scale)), max(1, round(pred.shape[0] * scale)))
    share = cv2.resize(pred.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    reduced = np.where(share >= 0.5, 255, 0).astype(np.uint8)
    done, data = cv2.imencode(
        ".png", reduced, [cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 9]
    )
    if not done:
        raise ValueError(f"a mask of {reduced.shape} could not be encoded as PNG")
    return base64.b64encode(data.tobytes()).decode("ascii")


def decode_preview(text: str) -> np.ndarray:
    """Decode `encode_preview`'s text to an (h, w) bool mask.

    Raises:
        ValueError: If the text is not such a PNG.
    """
    data = np.frombuffer(base64.b64decode(text), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise ValueError("preview is not a PNG in base64")
    return image > 127
