"""Score a trained run on the benchmarks, image by image, at the images' own resolution."""

import contextlib
import itertools
import logging
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from tqdm import tqdm

from face_occlusion.core.files import read_json
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.parallel import keep_freed_memory, one_opencv_thread, prefetch
from face_occlusion.core.params import FILLED, Checked, Count, Meta
from face_occlusion.evaluation.counting import Columns, Counted, Sample, count_sample
from face_occlusion.evaluation.inference import NO_RUN, PreparedBatch, Segmenter, load_model
from face_occlusion.evaluation.measures import ViewCounts
from face_occlusion.evaluation.scores import BenchmarkScores
from face_occlusion.networks.devices import check_device, explain_cuda_oom


@dataclass(frozen=True, kw_only=True)
class EvaluateParams(Checked):
    """Section `evaluate` of params.yaml."""

    benchmarks: Annotated[Sequence[str], FILLED]
    checkpoints: Annotated[Sequence[Literal["last", "best"]], FILLED]  # the first is the headline
    tta: bool  # score each checkpoint also with test-time augmentation
    device: Literal["auto", "cpu", "cuda"]
    batch_size: Count  # images that go through the network together
    num_threads: Annotated[int, Meta(ge=1, le=64)]  # that decode, and as many more that count
    cpu_threads: Count  # that a network computes with on the CPU: their number decides bits
    # portable: the same bits on every x86-64 CPU with AVX2.
    cpu_kernels: Literal["portable", "fast"]
    # Longer side of the masks kept in the score file; 0 keeps none.
    preview_px: Annotated[int, Meta(ge=0, le=1024)]


# Images that go through the network together, and the network's input by test-time augmentation.
Batch = tuple[list[Sample], dict[bool, list[PreparedBatch]]]


def load_checkpoints(folder: Path, params: EvaluateParams) -> dict[str, Segmenter]:
    """Load the checkpoints that a run has: the network by name, in the parameters' order.

    A run without a benchmark to select on has no `best`. Where `best` is the last iteration, both
    names share one network, so that it is loaded and applied only once. ValueError if the folder
    does not hold a run, or there is no such device.
    """
    check_device(params.device, "evaluate.device")
    card = read_json(folder / "card.json", NO_RUN)
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


def evaluate_run(
    networks: Mapping[str, Segmenter], benchmarks: Mapping[str, Path], params: EvaluateParams
) -> dict[str, BenchmarkScores]:
    """Score the checkpoints of a run on every benchmark.

    Takes the model by name of its checkpoint, the first being the headline, and the folder of each
    benchmark's image set by name. With `tta` each checkpoint is scored twice, as the view
    `NAME_tta`. A folder that is not an image set, or too little memory of a GPU, is a ValueError.
    """
    smaller = f"lower evaluate.batch_size in params.yaml; it is {params.batch_size}"
    image_sets = {name: ImageSet(folder) for name, folder in benchmarks.items()}
    scores = {}
    total = sum(len(image_set) for image_set in image_sets.values())
    with tqdm(total=total, unit="image", mininterval=1) as progress, explain_cuda_oom(smaller):
        for name, image_set in image_sets.items():
            progress.set_description(name)
            scores[name] = evaluate_benchmark(networks, image_set, params, progress)
    return scores


def evaluate_benchmark(
    networks: Mapping[str, Segmenter],
    image_set: ImageSet,
    params: EvaluateParams,
    progress: tqdm | None = None,
) -> BenchmarkScores:
    """Score the checkpoints of a run on one benchmark; arguments as `evaluate_run`.

    The calling thread only feeds the network. Other threads decode and resize images ahead of it,
    and measure them and count their predictions after it.
    """
    if image_set.absent is not None:
        return BenchmarkScores(fingerprint=image_set.sha256, absent=image_set.absent)
    views = {  # what is scored, the headline first: the network, and whether with augmentation
        f"{name}{'_tta' * augmented}": (network, augmented)
        for augmented in ((False, True) if params.tta else (False,))
        for name, network in networks.items()
    }
    counted_as: dict[tuple[Segmenter, bool], str] = {}
    for view, source in views.items():  # of views with one network and input the first is counted
        counted_as.setdefault(source, view)
    first = next(iter(networks.values()))  # the checkpoints of a run have the same input
    augmentations = {augmented for _, augmented in counted_as}
    keep_freed_memory()
    counted: list[Counted] = []
    with ThreadPoolExecutor(params.num_threads) as counters, one_opencv_thread():
        pending: deque[Future[Counted]] = deque()
        for samples, prepared in read_batches(image_set, first, augmentations, params):
            while len(pending) > 2 * params.batch_size:  # bounds what waits in memory
                counted.append(pending.popleft().result())
            shapes = [sample.target.shape for sample in samples]
            results = {
                view: network.predict_async(prepared[augmented], shapes)
                for (network, augmented), view in counted_as.items()
            }
            for index, sample in enumerate(samples):
                mine = {view: found[index] for view, found in results.items()}
                pending.append(counters.submit(count_sample, sample, mine, params.preview_px))
            if progress is not None:
                progress.update(len(samples))
        counted += [future.result() for future in pending]
    counts = {
        source: _stack([columns[view] for _, columns, _ in counted])
        for source, view in counted_as.items()
    }
    return BenchmarkScores(
        fingerprint=image_set.sha256,
        images=[facts for facts, _, _ in counted],
        views={view: counts[source] for view, source in views.items()},
        previews=[preview for _, _, preview in counted],
    )


def read_batches(
    image_set: ImageSet, network: Segmenter, augmentations: Collection[bool], params: EvaluateParams
) -> Iterator[Batch]:
    """Yield a benchmark in order, in batches that threads decode and prepare ahead of the consumer.

    The network prepares the images, for each of `augmentations`: with and without test-time ones.
    """

    def prepare(samples: list[Sample]) -> Batch:
        images = [sample.image for sample in samples]
        prepared = {tta: network.preprocess(images, tta=tta) for tta in augmentations}
        return samples, prepared

    size, threads = params.batch_size, params.num_threads
    read = partial(Sample.read, image_set)
    with contextlib.closing(
        prefetch(read, image_set.keys, threads=threads, ahead=size + threads)
    ) as samples:
        groups = iter(lambda: list(itertools.islice(samples, size)), [])
        with contextlib.closing(prefetch(prepare, groups, threads=1, ahead=2)) as batches:
            yield from batches


def _stack(rows: Sequence[Columns]) -> ViewCounts:
    return ViewCounts(**{name: np.stack([row[name] for row in rows]) for name in rows[0]})
