"""The one process pool and the one prefetcher: order, errors, and processes that are killed."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest

from face_occlusion.core.parallel import num_workers, ordered_map, prefetch, run_tasks
from tests.conftest import ROOT
from tests.programs import call, user_environment
from tests.tables import refuses


def square(number):
    return number * number


def process_of(_):
    return os.getpid()


def refuse_seven(number):
    if number == 7:
        raise ValueError("item 7: refused")
    return number


@pytest.mark.parametrize("workers", [1, 3])
def test_order_is_kept_and_the_first_error_is_raised(workers):
    items = list(range(50))
    assert list(ordered_map(square, items, desc="x", workers=workers)) == [i * i for i in items]
    done = []
    with pytest.raises(ValueError, match="item 7: refused"):
        done.extend(ordered_map(refuse_seven, items, desc="x", workers=workers))
    assert done == list(range(7))


def test_one_worker_stays_in_this_process():
    assert set(ordered_map(process_of, [1, 2], desc="x", workers=1)) == {os.getpid()}
    assert os.getpid() not in set(ordered_map(process_of, [1, 2, 3], desc="x", workers=2))
    assert list(ordered_map(square, [], desc="x")) == []
    assert num_workers() >= 1


def large_result(number):
    """Take the worker's time for sending, not for computing."""
    return np.full(20_000_000, number, np.uint8)


def kill_one(number):
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return large_result(number)


def test_a_killed_worker_is_an_error_and_not_a_hang():
    killed = ordered_map(kill_one, range(20), desc="x", workers=2)
    for dying in (run_tasks([os.abort, os.abort], workers=2), killed):
        refuses("a worker process died", list, dying)


@pytest.mark.parametrize("delay_s", [0, 0.013, 0.04])
def test_a_worker_killed_while_it_sends_a_large_result_is_an_error(delay_s):
    results = ordered_map(large_result, range(2000), desc="x", workers=2)
    next(results)
    threading.Timer(delay_s, multiprocessing.active_children()[0].kill).start()
    refuses("a worker process died", list, results)
    assert not multiprocessing.active_children()


def test_leaving_early_ends_the_processes():
    results = ordered_map(square, range(1000), desc="x", workers=2)
    assert next(results) == 0
    results.close()
    assert not multiprocessing.active_children()


MAP_SLOWLY = """
import time
from face_occlusion.core.parallel import ordered_map

if __name__ == "__main__":
    for _ in ordered_map(time.sleep, [0.01] * 4 + [60] * 8, desc="x", workers=2):
        print("done", flush=True)
"""


def test_no_worker_outlives_a_killed_parent(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(MAP_SLOWLY)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, script], env=user_environment(), **pipes) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        workers = psutil.Process(parent.pid).children()
        parent.kill()
    assert len(workers) >= 2
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive, "workers outlive their parent"


def test_prefetching_keeps_order_and_stays_a_bounded_number_ahead():
    taken = []
    items = (taken.append(number) or number for number in range(20))
    results = prefetch(square, items, threads=3, ahead=4)
    assert next(results) == 0
    assert len(taken) == 5
    assert list(results) == [number**2 for number in range(1, 20)]
    refuses("item 7", list, prefetch(refuse_seven, range(30), threads=3, ahead=4))


@pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage").is_dir(), reason="no huge pages here"
)
def test_freed_memory_is_kept_and_huge_pages_are_asked_for():
    code = """
import re, resource, numpy as np
from pathlib import Path
from face_occlusion.core.parallel import keep_freed_memory
keep_freed_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
images = [np.ones(2**20, np.uint8) for _ in range(32)]
for area in re.split(r"^(?=[0-9a-f]+-)", Path("/proc/self/smaps").read_text(), flags=re.M)[1:]:
    start, end = (int(limit, 16) for limit in re.match(r"(\\w+)-(\\w+)", area).groups())
    if start <= images[-1].ctypes.data < end:
        print(" hg" in area)
del images
before = faults()
images = [np.ones(2**20, np.uint8) for _ in range(32)]
print(faults() - before < 10)
"""
    said = call(ROOT, "python", "-c", code).splitlines()
    assert said[:2] == ["True", "True"]  # before what OpenCV may warn of
