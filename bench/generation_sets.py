"""Speed and memory of whole sets, JPEG shards to JPEG shards: `python -m bench.generation_sets`.

Two measurements, each over several runs:

- `--row workers`: as many workers as `--workers` against one, alternating, each run pinned to as
  many cores as it has workers, so that "one" has one core and no more. Run it alone: whatever else
  runs takes from the two workers first.
- `--row end-to-end`: images a second of a NatOcc-SOT set with every core, on `--device`.

Start-up (interpreters, imports, on a GPU the context) is stated apart: the rate without it counts
the images made while all workers were at work, shards in part where they began earlier or ended
later. Memory is each worker's own (private pages) and what it shares with the others (the occluders
mapped from one file, libraries), at its largest.

Reads the image sets that the pipeline made; faces are enlarged to `--size`, hands to `--hand-mpx`.

Examples:
    python -m bench.generation_sets --row workers
    python -m bench.generation_sets --row end-to-end --device cuda --images 4096 --workers 16
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import logging
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.enlarged import HAND_MPX, enlarge_faces, enlarge_hands, repeat_faces
from bench.machine import machine
from face_occlusion.generation.executors import run_tasks
from face_occlusion.generation.generate import ShardTask
from face_occlusion.generation.params import DEVICES, GenerateParams
from face_occlusion.generation.presets import SOT, paper_params
from face_occlusion.generation.store import OccluderStore, TextureStore, open_store
from face_occlusion.imageset import ImageSet
from face_occlusion.parallel import num_workers


@dataclasses.dataclass(frozen=True)
class Memory:
    """A worker's memory in MB: the largest it had, its own and shared at the last look."""

    peak_mb: float
    own_mb: float
    shared_mb: float


@dataclasses.dataclass(frozen=True)
class Finished:
    """One shard: who made it, when (system-wide seconds), how many images."""

    worker: int
    started: float
    ended: float
    images: int
    memory: Memory


@dataclasses.dataclass(frozen=True)
class Timed:
    """A shard's task that says when it ran and what memory its process had."""

    task: ShardTask

    def __call__(self) -> Finished:
        """Write the shard."""
        started = time.monotonic()
        entry = self.task()
        images = len(entry["samples"])
        return Finished(os.getpid(), started, time.monotonic(), images, worker_memory())


@dataclasses.dataclass(frozen=True)
class SetRun:
    """One run of a set.

    Attributes:
        seconds: From the first process' start to the last shard's end.
        startup_s: Until all workers were at work.
        rate: Images a second while all workers were at work.
        memory: Of the worker with the largest peak.
    """

    seconds: float
    startup_s: float
    rate: float
    images: int
    memory: Memory

    @property
    def whole_rate(self) -> float:
        """Images a second, start-up and the last shards included."""
        return self.images / self.seconds


def worker_memory() -> Memory:
    """Read this process' memory (Linux): smaps_rollup and the peak of its resident set."""
    fields = {}
    for name in ("smaps_rollup", "status"):
        for line in Path(f"/proc/self/{name}").read_text().splitlines():
            key, _, value = line.partition(":")
            if value.endswith("kB"):
                fields[key] = int(value.split()[0]) / 1024
    own = fields["Private_Clean"] + fields["Private_Dirty"]
    return Memory(fields["VmHWM"], own, fields["Rss"] - own)


def run_set(tasks: Sequence[ShardTask], workers: int) -> SetRun:
    """Run the tasks in a pool and measure it."""
    begun = time.monotonic()
    finished = list(run_tasks([Timed(task) for task in tasks], workers, always_pool=True))
    return summarise(finished, begun)


def summarise(finished: Sequence[Finished], begun: float) -> SetRun:
    """Reduce the shards of one run; shards that lie half in the common time count half."""
    by_worker: dict[int, list[Finished]] = {}
    for one in finished:
        by_worker.setdefault(one.worker, []).append(one)
    since = max(min(one.started for one in shards) for shards in by_worker.values())
    until = min(max(one.ended for one in shards) for shards in by_worker.values())
    made = sum(
        one.images * max(min(one.ended, until) - max(one.started, since), 0)
        / (one.ended - one.started)
        for one in finished
    )  # fmt: skip
    return SetRun(
        seconds=max(one.ended for one in finished) - begun,
        startup_s=since - begun,
        rate=made / (until - since) if until > since else float("nan"),
        images=sum(one.images for one in finished),
        memory=max((one.memory for one in finished), key=lambda memory: memory.peak_mb),
    )


def make_tasks(
    faces: ImageSet, store: OccluderStore | TextureStore, params: GenerateParams, folder: Path
) -> list[ShardTask]:
    """Cut a set into its shards, as `generate_set` does."""
    folder.mkdir(parents=True)
    size = params.samples_per_shard
    chunks = [tuple(faces.keys[at : at + size]) for at in range(0, len(faces), size)]
    return [
        ShardTask(folder, number, keys, faces, store, params) for number, keys in enumerate(chunks)
    ]


@contextlib.contextmanager
def pinned(cores: int) -> Iterator[None]:
    """Keep this process, and those it starts, on so many of its cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def worker_rows(
    faces: ImageSet,
    store: OccluderStore | TextureStore,
    workers: int,
    rounds: int,
    scratch: Path,
) -> Iterator[str]:
    """Alternate one worker on one core with several on as many; yield the ratios."""
    params = dataclasses.replace(paper_params("hands"), samples_per_shard=16)
    pairs: list[tuple[SetRun, SetRun]] = []
    for number in range(rounds + 1):  # the first warms the page cache up and does not count
        pair = []
        for count in (1, workers):
            with pinned(count):
                tasks = make_tasks(faces, store, params, scratch / f"{number}_{count}")
                pair.append(run_set(tasks, count))
        shutil.rmtree(scratch / f"{number}_1")
        shutil.rmtree(scratch / f"{number}_{workers}")
        pairs += [(pair[0], pair[1])] if number else []
    one, several = ([pair[side] for pair in pairs] for side in (0, 1))
    yield (
        f"hand, no transfer, {one[0].images} images in shards of {params.samples_per_shard}; "
        f"images/s with 1 worker {spread([run.rate for run in one], 1)}, "
        f"{workers} workers {spread([run.rate for run in several], 1)}"
    )
    for name, value in (("start-up left out", "rate"), ("start-up included", "whole_rate")):
        ratios = [getattr(more, value) / getattr(less, value) for less, more in pairs]
        yield f"{workers} workers against one, {name:<18} {spread(ratios, 2)} x   >= 1.8"
    yield f"start-up: {spread([run.startup_s for run in several], 2)} s"
    yield memory_row(max((run.memory for run in several), key=lambda memory: memory.peak_mb))


def end_to_end_rows(
    faces: ImageSet, hands: ImageSet, args: argparse.Namespace, scratch: Path
) -> Iterator[str]:
    """Make a NatOcc-SOT set several times; yield images a second and memory."""
    params = paper_params("hands", colour_transfer=SOT)
    params = dataclasses.replace(params, device=args.device, samples_per_shard=args.shard)
    begun = time.monotonic()
    store = open_store(hands, "natocc", scratch / "hands.bin", args.workers)
    yield f"{len(hands)} hands decoded in {time.monotonic() - begun:.1f} s"
    runs = []
    for number in range(args.rounds):
        tasks = make_tasks(faces, store, params, scratch / f"set_{number}")
        runs.append(run_set(tasks, args.workers))
        shutil.rmtree(scratch / f"set_{number}")
    name = f"NatOcc-SOT on {args.device}, {args.workers} workers, {runs[0].images} images"
    yield f"{name}, start-up left out: {spread([run.rate for run in runs], 0)} images/s   >= 200"
    yield f"{name}, start-up included: {spread([run.whole_rate for run in runs], 0)} images/s"
    yield f"start-up: {spread([run.startup_s for run in runs], 1)} s"
    yield memory_row(max((run.memory for run in runs), key=lambda memory: memory.peak_mb))


def spread(values: Sequence[float], digits: int) -> str:
    """Write the median of several values, with the smallest and the largest."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def memory_row(memory: Memory) -> str:
    """Write a worker's memory."""
    return (
        f"memory of a worker: {memory.own_mb:.0f} MB its own, {memory.shared_mb:.0f} MB shared "
        f"(resident at most {memory.peak_mb:.0f} MB)"
    )


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--row", choices=("workers", "end-to-end"), required=True)
    parser.add_argument("--data", type=Path, default=Path("data"), help="the pipeline's data")
    parser.add_argument("--images", type=int, default=384, help="images of a set")
    parser.add_argument("--distinct", type=int, default=96, help="different faces among them")
    parser.add_argument("--size", type=int, default=1024, help="side of the faces, pixels")
    parser.add_argument("--hands", type=int, default=24, help="different hands")
    parser.add_argument("--hand-mpx", type=float, default=HAND_MPX, help="their median size")
    parser.add_argument("--workers", type=int, default=num_workers(), help="processes")
    parser.add_argument("--rounds", type=int, default=5, help="runs, or pairs of runs")
    parser.add_argument("--shard", type=int, default=64, help="samples a shard, end to end")
    parser.add_argument("--device", choices=DEVICES, default="cpu", help="of row end-to-end")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.info("%s", machine())
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        scratch = Path(folder)
        few = enlarge_faces(args.data / "faces/wo", args.distinct, args.size, scratch / "few")
        faces = repeat_faces(few, args.images, scratch / "faces")
        hands_folder = args.data / "occluders/hands"
        hands = enlarge_hands(hands_folder, args.hands, args.hand_mpx, scratch / "hands")
        if args.row == "workers":
            store = open_store(hands, "natocc", scratch / "hands.bin")
            rows = worker_rows(faces, store, args.workers, args.rounds, scratch)
        else:
            rows = end_to_end_rows(faces, hands, args, scratch)
        for row in rows:
            logging.info("%s", row)


if __name__ == "__main__":
    main()
