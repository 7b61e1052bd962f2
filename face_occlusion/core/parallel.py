"""Work on many items side by side: in order, in bounded memory, with a bar."""

from __future__ import annotations

import collections
import ctypes
import itertools
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import cv2
from tqdm import tqdm

Item = TypeVar("Item")
Result = TypeVar("Result")

_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1  # malloc.h of the GNU C library
_AHEAD = 4  # items in flight for each worker: enough to hide the parent's writing


def num_workers() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Let OpenCV use one thread meanwhile, for work that fills the cores itself.

    Its pool serves one caller at a time and waits busily: workers that share it slow each other.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def keep_freed_memory() -> None:
    """Let the C library keep what is freed instead of handing it back to the system.

    Images are allocated and freed by the dozen for each sample; pages that come back from the
    system are zeroed and mapped again, a sixth of the time of a generated sample. The peak stays
    as it is. For the whole process; does nothing where there is no GNU C library.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 2**30)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def ordered_map(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    desc: str,
    workers: int | None = None,
) -> Iterator[Result]:
    """Yield `function(item)` of each item, in order, computed by a pool of processes.

    The function travels to each process once, so it may carry a large index (a bound
    `functools.partial`). A few items for each worker are in flight, so memory does not grow
    with their number. The first error ends the map and is raised here.

    Args:
        function: Deterministic, picklable.
        items: What to map over.
        desc: Label of the progress bar.
        workers: Number of processes; None for one a core, 1 for none beside this one.

    Yields:
        The results, in the items' order.
    """
    workers = min(workers or num_workers(), len(items) or 1)
    results = map(function, items) if workers == 1 else _pool_map(function, items, workers)
    yield from tqdm(results, total=len(items), desc=desc, mininterval=0.5)


def _pool_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),  # forking after OpenCV's threads hangs
        initializer=_start_worker,
        initargs=(function,),
    )
    remaining = iter(items)
    pending: collections.deque[Future[Result]] = collections.deque()
    try:
        for item in itertools.islice(remaining, workers * _AHEAD):
            pending.append(pool.submit(_run, item))
        while pending:
            yield pending.popleft().result()
            for item in itertools.islice(remaining, 1):
                pending.append(pool.submit(_run, item))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_function: Callable[[Any], Any] | None = None  # of this worker process


def _start_worker(function: Callable[[Any], Any]) -> None:
    global _function
    cv2.setNumThreads(1)  # the pool already fills the cores
    _function = function


def _run(item: Any) -> Any:
    if _function is None:
        raise RuntimeError("the worker was started without a function")
    return _function(item)
