"""Stages that are killed, run twice at once, or meet a full disk or a folder they may not write."""

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from face_occlusion.core.stage import LOCKS, sole_process
from tests.faults.chain import (
    CHAIN,
    ONE_OF_EACH,
    RUN,
    Stage,
    clear,
    copy_inputs,
    finished,
    last_line,
    out_of,
    seeded,
    write_params,
)

REPEATS = int(os.environ.get("FAULTS_REPEATS", "1"))
WITHOUT_WORKERS = ["download", "combine", "evaluate", "reports"]
PLACES = r"data|models|scores|overlap|reports|\.scratch"


def kill_parent(stage: Stage, rng: random.Random, seconds: float) -> str:
    time.sleep(rng.uniform(0, 0.9) * seconds)
    os.kill(stage.pid, signal.SIGKILL)
    status, _ = stage.finish()  # its workers end with it
    assert status in (0, -signal.SIGKILL)
    return "killed" if status else "had ended"


def kill_worker(stage: Stage, rng: random.Random, seconds: float) -> str:
    while stage.is_running() and not stage.workers():
        time.sleep(0.005)
    time.sleep(rng.uniform(0, 0.3) * seconds)
    killed = rng.sample(workers, 1) if (workers := stage.workers()) else []
    for worker in killed:
        worker.kill()
    status, errors = stage.finish()
    if status:
        check_refusal(errors, "process .*died .*run again")
    return f"{len(killed)} killed, {'stopped' if status else 'finished'}"


def fill_disk(stage: Stage, *_: object) -> str:
    status, errors = stage.finish()
    if status:
        check_refusal(errors, rf"({PLACES})\S*: .*free space on its disk")
    return "stopped" if status else "finished"


def check_refusal(errors: str, pattern: str) -> None:
    """Errors end with one line of this pattern, and hold no traceback."""
    assert "Traceback" not in errors, errors
    assert re.match(f"ERROR: .*{pattern}", last_line(errors)), errors


FAULTS = {"parent killed": kill_parent, "worker killed": kill_worker, "disk full": fill_disk}


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_whatever_stops_a_stage_a_rerun_gives_the_same_bytes(server, made, seconds, tmp_path, name):
    """The same as of a stage without workers, whose outputs `made` holds.

    Where nothing can be mounted, files are bounded in size instead of the disk.
    """
    rng, starting_s = seeded(name), 0 if name in WITHOUT_WORKERS else 2  # its workers, on two cores
    expected = finished(made / out_of(name))
    arguments = [str(made / one) if (made / one).exists() else one for one in CHAIN[name].split()]
    arguments[-1] = out_of(name)
    out = tmp_path / "work" / out_of(name)
    with mounted(tmp_path / "work") as mount:
        can_mount = mount("size=1g")
        write_params(tmp_path / "work")
        for fault in [*FAULTS] * REPEATS:
            if fault == "worker killed" and name in WITHOUT_WORKERS:
                continue
            largest_file = 0
            if fault == "disk full" and can_mount:
                used = shutil.disk_usage(tmp_path / "work").used
                wanted = sum(len(data) + 4096 for data in expected.values())
                mount(f"size={used + 4096 + rng.randrange(wanted)}")
            elif fault == "disk full" and name != "train":  # its workers share memory as files
                largest_file = max(16384, rng.randrange(max(map(len, expected.values()))))
            options = {"largest_file": largest_file, "alone": fault == "disk full"}
            stage = Stage(server, tmp_path / "work", name, arguments, **options)
            outcome = FAULTS[fault](stage, rng, seconds[name] + starting_s)
            print(f"{name}: {fault}: {outcome}")
            found = finished(out) if out.exists() else {}
            assert found.items() <= expected.items(), "something else stands under its name"
            mount("size=1g")
            clear(tmp_path / "work", name)
        status, errors = Stage(server, tmp_path / "work", name, arguments).finish()
        assert status == 0, errors
        assert finished(out) == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_second_process_is_refused_with_one_line(server, made, tmp_path, name):
    copy_inputs(made, tmp_path, name)
    out = out_of(name) + (f"/{RUN}" if name in ("train", "evaluate") else "")
    with sole_process(tmp_path / LOCKS / f"{out.replace(os.sep, '_')}.lock", "held"):
        status, errors = Stage(server, tmp_path, name).finish()
    assert status == 1
    assert last_line(errors).startswith(f"ERROR: {out}: being made by another process (lock ")
    assert not (tmp_path / out_of(name)).exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["download", "faces"])
def test_of_two_at_once_one_makes_the_output(server, made, tmp_path, name):
    copy_inputs(made, tmp_path, name)
    both = [Stage(server, tmp_path, name, alone=True) for _ in range(2)]
    outcomes = [stage.finish() for stage in both]
    assert sorted(status for status, _ in outcomes) == [0, 1]
    (line,) = (last_line(errors) for status, errors in outcomes if status)
    assert line.startswith("ERROR: ") and out_of(name) in line
    assert finished(tmp_path / out_of(name)) == finished(made / out_of(name))


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[Callable[[str], bool]]:
    """Yield a function that mounts, and mounts again, a file system in memory on a folder.

    It returns False where this user may not mount.
    """
    folder.mkdir(parents=True, exist_ok=True)
    is_mounted = False

    def mount(options: str) -> bool:
        nonlocal is_mounted
        options = f"remount,{options}" if is_mounted else options
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
        done = subprocess.run(command, capture_output=True, check=False)
        is_mounted |= done.returncode == 0
        return is_mounted

    try:
        yield mount
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_folder_that_may_not_be_written_is_named(server, made, tmp_path, name):
    copy_inputs(made, tmp_path, name)
    with mounted(tmp_path / "data" / "disk") as mount:
        if not mount("ro"):
            pytest.skip("mount is refused here, and a read-only file system needs it")
        arguments = [*CHAIN[name].split()[:-1], f"data/disk/{Path(out_of(name)).name}"]
        status, errors = Stage(server, tmp_path, name, arguments).finish()
        assert status == 1
        check_refusal(errors, "data/disk.*: .*allow this user")
        assert errors == f"{last_line(errors)}\n"  # nothing was computed before
