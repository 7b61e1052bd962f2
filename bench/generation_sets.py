"""Whole sets, JPEG shards to JPEG shards: workers against one, images a second, memory.

Start-up (interpreters, imports) is stated apart: the rate without it counts
from the moment when each worker has finished its first shard, until the first has no more. Memory
is each worker's own (private pages) and what it shares with the others (the occluders mapped from
one file, libraries), at its largest.
"""

import contextlib
import dataclasses
import operator
import os
import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.parallel import pool_map
from face_occlusion.generation.generate import ShardTask, shard_tasks
from face_occlusion.generation.params import SOT, GenerateParams, paper_params
from face_occlusion.generation.store import OccluderStore, TextureStore


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
        startup_s: Until all workers had finished a shard.
        rate: Images a second from then on, while all workers were at work.
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
    """Run the tasks in a pool and measure it.

    Raises:
        ValueError: If there are fewer than three shards for each worker.
    """
    if len(tasks) < 3 * workers:
        least = 3 * workers * len(tasks[0].keys)
        raise ValueError(f"--images must be at least {least}: three shards for each worker")
    begun = time.monotonic()
    finished = list(pool_map(operator.call, [Timed(task) for task in tasks], workers))
    return summarise(finished, begun)


def summarise(finished: Sequence[Finished], begun: float) -> SetRun:
    """Reduce the shards of one run; shards that lie half in the common time count half."""
    by_worker: dict[int, list[Finished]] = {}
    for one in finished:
        by_worker.setdefault(one.worker, []).append(one)
    since = max(min(one.ended for one in shards) for shards in by_worker.values())
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
    faces: ImageSet,
    store: OccluderStore | TextureStore,
    params: GenerateParams,
    folder: Path,
) -> list[ShardTask]:
    """Cut a set into its shards, as `generate_set` does."""
    folder.mkdir(parents=True)
    return shard_tasks(folder, faces, store, params)


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
        f"workers: hand, no transfer, {one[0].images} images, {params.samples_per_shard} a shard; "
        f"images/s with 1 worker {spread([run.rate for run in one], 1)}, "
        f"{workers} workers {spread([run.rate for run in several], 1)}"
    )
    for name, value in (("start-up left out", "rate"), ("start-up included", "whole_rate")):
        ratios = [getattr(more, value) / getattr(less, value) for less, more in pairs]
        yield f"  {workers} against one, {name:<17} {spread(ratios, 2)} x   must 1.8, goal 1.95"
    yield f"  start-up {spread([run.startup_s for run in several], 2)} s"
    yield memory_row(max((run.memory for run in several), key=lambda memory: memory.peak_mb))


def end_to_end_rows(
    faces: ImageSet,
    store: OccluderStore | TextureStore,
    workers: int,
    rounds: int,
    scratch: Path,
) -> Iterator[str]:
    """Make a NatOcc-SOT set several times; yield images a second and memory."""
    params = paper_params("hands", colour_transfer=SOT)
    params = dataclasses.replace(params, samples_per_shard=32)
    runs = []
    for number in range(rounds):
        tasks = make_tasks(faces, store, params, scratch / f"set_{number}")
        runs.append(run_set(tasks, workers))
        shutil.rmtree(scratch / f"set_{number}")
    yield f"NatOcc-SOT, {runs[0].images} images, {workers} processes; images/s"
    yield f"  start-up left out {spread([run.rate for run in runs], 0)}   must 200, goal 600"
    yield f"  start-up included {spread([run.whole_rate for run in runs], 0)}"
    yield f"  start-up {spread([run.startup_s for run in runs], 1)} s"
    yield memory_row(max((run.memory for run in runs), key=lambda memory: memory.peak_mb))


def spread(values: Sequence[float], digits: int) -> str:
    """Write the median of several values, with the smallest and the largest."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def memory_row(memory: Memory) -> str:
    """Write a worker's memory."""
    return (
        f"  memory of a worker: {memory.own_mb:.0f} MB its own, {memory.shared_mb:.0f} MB shared "
        f"(resident at most {memory.peak_mb:.0f} MB)"
    )
