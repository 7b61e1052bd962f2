"""Work on many items at once: one pool of processes, one prefetcher, bounded memory."""

import collections
import contextlib
import ctypes
import itertools
import multiprocessing
import operator
import os
import queue
import threading
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any, TypeVar

import cv2
import numpy as np
from tqdm import tqdm

from face_occlusion.core.ray_cluster import ray_session

Item = TypeVar("Item")
Result = TypeVar("Result")
EXECUTORS = ("process", "ray")

_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1  # malloc.h of the GNU C library
_HEAP_BYTES = 2**26  # more than the images of a sample need
_AHEAD = 4  # results held for each worker: enough to hide the parent's writing


def num_workers() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Limit OpenCV to one thread within the block, for work that already uses all cores.

    Its pool serves one caller at a time and waits busily: workers that share it slow each other.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for reuse instead of returning it to the system.

    Images are allocated and freed by the dozen for each sample; pages that come back from the
    system are zeroed and mapped again, a sixth of the time of a generated sample. They lie on huge
    pages, which saves another fortieth. The peak stays as it is. For the whole process, best at
    its beginning; does nothing where there is no GNU C library.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 2**30)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        np.empty(_HEAP_BYTES, np.uint8)  # for which NumPy asks for huge pages; the heap keeps them


def prefetch(
    function: Callable[[Item], Result], items: Iterable[Item], *, threads: int, ahead: int
) -> Generator[Result, None, None]:
    """Yield `function(item)` of each item, in order, computed by threads ahead of the consumer.

    Items are taken in this thread, one at a time; `ahead` results are computed or being computed
    before they are asked for. The first error ends the iteration and is raised here.
    """
    remaining = iter(items)
    pending: collections.deque[Future[Result]] = collections.deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for item in itertools.islice(remaining, ahead):
            pending.append(pool.submit(function, item))
        while pending:
            result = pending.popleft().result()
            for item in itertools.islice(remaining, 1):
                pending.append(pool.submit(function, item))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def ordered_map(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    desc: str,
    workers: int | None = None,
) -> Iterator[Result]:
    """Yield `function(item)` of each item, in order, computed by a pool of processes.

    The function, deterministic and picklable, is sent to each process once, so it may carry a large
    index (a bound `functools.partial`). A few results for each worker are held, so memory does not
    grow with the number of items. `desc` labels the progress bar.

    `workers` is the number of processes, which changes no result: None for one per core, 1 to
    compute in this process. One that dies is a ValueError; the first error of the function is
    raised as it is.
    """
    workers = min(workers or num_workers(), len(items) or 1)
    with tqdm(total=len(items), desc=desc, mininterval=0.5) as bar:
        results = map(function, items) if workers == 1 else pool_map(function, items, workers)
        for result in results:
            yield result
            bar.update()


def pool_map(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Iterator[Result]:
    """Do what `ordered_map` does, without its progress bar, and in other processes always."""
    with _processes(function, workers) as call:
        ahead = prefetch(call, items, threads=workers, ahead=workers * _AHEAD)
        with contextlib.closing(ahead):  # its threads end before the processes
            yield from ahead


def run_tasks(
    tasks: Sequence[Callable[[], Result]], workers: int, executor: str = "process"
) -> Iterator[Result]:
    """Run tasks in a pool of processes, or through Ray, and yield their results.

    Tasks are picklable, unless there is one worker, which runs them in this process. The executor
    `ray` needs the extra `ray`, and uses a running cluster if the environment names one.

    An executor that is unknown or not installed, and a worker process that dies, are a ValueError;
    after that of a task, tasks not yet begun are dropped.
    """
    if executor not in EXECUTORS:
        raise ValueError(f"executor must be one of {', '.join(EXECUTORS)}; got {executor!r}")
    if executor == "ray":
        yield from _run_on_ray(tasks, workers)
    elif workers == 1 or len(tasks) <= 1:
        keep_freed_memory()
        for task in tasks:
            with one_opencv_thread():
                result = task()
            yield result
    else:
        yield from pool_map(operator.call, tasks, min(workers, len(tasks)))


def _run_on_ray(tasks: Sequence[Callable[[], Result]], workers: int) -> Iterator[Result]:
    """Run one Ray task each; a ValueError of a task is raised as it was, not wrapped by Ray."""
    with ray_session(workers) as ray:
        remote = ray.remote(num_cpus=1, max_retries=2)(_call_prepared)
        waiting = [remote.remote(task) for task in tasks]
        while waiting:
            ready, waiting = ray.wait(waiting)
            try:
                yield from ray.get(ready)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error


def _call_prepared(task: Callable[[], Result]) -> Result:
    _prepare_worker()
    return task()


def _prepare_worker() -> None:
    cv2.setNumThreads(1)  # the workers already fill the cores
    keep_freed_memory()


@contextlib.contextmanager
def _processes(
    function: Callable[[Item], Result], workers: int
) -> Iterator[Callable[[Item], Result]]:
    """Start worker processes, and yield `function` to be called in them from as many threads.

    Each worker has a pipe of its own. With one shared queue, as in `concurrent.futures`, a worker
    killed while it writes a large result leaves half a message, and its reader waits forever.
    """
    idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
    started: list[_Worker] = []

    def call(item: Item) -> Result:
        worker = idle.get()
        try:
            return worker.call(item)
        finally:
            idle.put(worker)

    try:
        for _ in range(workers):
            started.append(_Worker(function))
            idle.put(started[-1])
        yield call
    finally:
        for worker in started:
            worker.close()


class _Worker:
    """A process that computes one item at a time; used by one thread at a time."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        context = multiprocessing.get_context("spawn")  # forking after OpenCV's threads hangs
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()  # so that the pipe ends with the process
        self._unsent: list[Callable[[Any], Any]] = [function]

    def call(self, item: Any) -> Any:
        messages = [ForkingPickler.dumps(part) for part in (*self._unsent, item)]
        try:
            for message in messages:
                self._connection.send_bytes(message)
            self._unsent.clear()
            succeeded, outcome = self._connection.recv()
        except (EOFError, OSError) as error:
            raise ValueError(
                "a worker process died (killed, or out of memory); run again with fewer workers: "
                "what is finished on disk is kept where the stage can resume"
            ) from error
        if not succeeded:
            raise outcome
        return outcome

    def close(self) -> None:
        self._connection.close()  # ends its loop
        self._process.join()


def _serve(connection: Connection) -> None:
    """Receive a function, then compute items with it until the parent closes the pipe."""
    _prepare_worker()
    exit_with_parent()
    try:
        function = connection.recv()
        while True:
            connection.send(_outcome(function, connection.recv()))
    except (EOFError, OSError, KeyboardInterrupt):  # the parent is done or was interrupted
        return


def _outcome(function: Callable[[Any], Any], item: Any) -> tuple[bool, Any]:
    """Return (True, the result) or (False, the error, with the worker's traceback as a note)."""
    try:
        return True, function(item)
    except Exception as error:  # noqa: BLE001  # whatever it is, the parent raises it
        error.add_note(f"In a worker process:\n{traceback.format_exc()}")
        return False, error


def exit_with_parent() -> None:
    """Exit as soon as the parent ends, even by `kill -9`: an item in progress is not finished."""

    def wait(parent: BaseProcess) -> None:
        parent.join()
        os._exit(1)

    if parent := multiprocessing.parent_process():
        threading.Thread(target=wait, args=(parent,), daemon=True).start()
