"""Run one task per shard: in this process, in a pool of processes, or through Ray.

A task is a picklable callable without arguments; results come as they are ready, in any order.
"""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import cv2

from face_occlusion.core.parallel import keep_freed_memory, one_opencv_thread
from face_occlusion.core.ray_cluster import connect, require_ray

Result = TypeVar("Result")
EXECUTORS = ("process", "ray")


def run_tasks(
    tasks: Sequence[Callable[[], Result]],
    workers: int,
    executor: str = "process",
    *,
    always_pool: bool = False,
) -> Iterator[Result]:
    """Run tasks, and yield their results as they are ready.

    Args:
        tasks: What to run; must be picklable unless there is one worker.
        workers: Processes at a time; one runs the tasks here.
        executor: `process` or `ray` (needs the extra `ray`; uses a running cluster if the
            environment names one).
        always_pool: Start a process for a single worker, too.

    Raises:
        ValueError: If the executor is unknown or not installed, or a task raises it; tasks not
            yet begun are then dropped.
    """
    if executor not in EXECUTORS:
        raise ValueError(f"executor must be one of {', '.join(EXECUTORS)}; got {executor!r}")
    if executor == "ray":
        yield from _run_on_ray(tasks, workers)
    elif not always_pool and (workers == 1 or len(tasks) <= 1):
        keep_freed_memory()
        for task in tasks:
            with one_opencv_thread():
                result = task()
            yield result
    else:
        yield from _run_in_pool(tasks, min(workers, len(tasks)))


def _run_in_pool(tasks: Sequence[Callable[[], Result]], workers: int) -> Iterator[Result]:
    pool = concurrent.futures.ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker
    )
    try:
        futures = [pool.submit(task) for task in tasks]
        for future in concurrent.futures.as_completed(futures):
            yield future.result()
    except concurrent.futures.process.BrokenProcessPool as error:
        raise ValueError(
            "a worker process died (killed, or out of memory); run again with fewer workers: "
            "finished shards are kept"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    """Prepare a worker: one thread, and an end when the parent ends, however it ends."""
    cv2.setNumThreads(1)
    keep_freed_memory()
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """Wait for the parent's end. After `kill -9` of the parent nobody else stops a worker."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run_on_ray(tasks: Sequence[Callable[[], Result]], workers: int) -> Iterator[Result]:
    """Run one Ray task per shard, on this machine or on the cluster that RAY_ADDRESS names."""
    ray = require_ray("executor: ray")
    started = not ray.is_initialized()
    if started:
        address = os.environ.get("RAY_ADDRESS")
        if address:
            connect(ray, address, f"RAY_ADDRESS={address}")
        else:
            ray.init(num_cpus=workers, log_to_driver=False)
    try:
        remote = ray.remote(num_cpus=1, max_retries=2)(_run_remotely)
        waiting = [remote.remote(task) for task in tasks]
        while waiting:
            ready, waiting = ray.wait(waiting)
            yield from _unwrap(ray, ready)
    finally:
        if started:
            ray.shutdown()


def _run_remotely(task: Callable[[], Result]) -> Result:
    cv2.setNumThreads(1)
    keep_freed_memory()
    return task()


def _unwrap(ray: Any, ready: list[Any]) -> Iterator[Any]:
    """Yield results; a ValueError of a task is raised as it was, without Ray's wrapping."""
    try:
        yield from ray.get(ready)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
