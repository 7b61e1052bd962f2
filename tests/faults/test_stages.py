"""Stages that are killed, run twice at once, or meet a full disk or a folder they may not write."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from face_occlusion.core.stage import LOCKS
from tests.conftest import ROOT
from tests.faults.chain import (
    CHAIN,
    RUN,
    STAGES,
    clear,
    copy_inputs,
    files_of,
    finish,
    kill,
    seeded,
    start,
)

KILLS = 3
HOLD = "import sys; from pathlib import Path; from face_occlusion.core.stage import sole_process\n"
HOLD += "with sole_process(Path(sys.argv[1]), 'x'): print('held', flush=True); sys.stdin.read()"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["download"])
def test_killed_at_random_moments_then_run_gives_the_same_bytes(made, seconds, tmp_path, name):
    rng = seeded(name)
    copy_inputs(made, tmp_path, name)
    out = CHAIN[name].out
    expected = files_of(made / out)
    for _ in range(KILLS):
        kill(start(tmp_path, name), rng.uniform(0.3, 1.0) * seconds[name])
        found = files_of(tmp_path / out) if (tmp_path / out).exists() else {}
        assert found.items() <= expected.items(), "something half-written stands under its name"
        clear(tmp_path, name)
    status, line = finish(start(tmp_path, name))
    assert status == 0, line
    assert files_of(tmp_path / out) == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", STAGES)
def test_a_second_process_is_refused_with_one_line(made, tmp_path, name):
    copy_inputs(made, tmp_path, name)
    out = CHAIN[name].out + (f"/{RUN}" if name in ("train", "evaluate") else "")
    lock = LOCKS / f"{out.replace(os.sep, '_')}.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        status, line = finish(start(tmp_path, name))
        holder.kill()
    assert status == 1
    assert line.startswith(f"ERROR: {out}: being made by another process (lock ")
    assert not (tmp_path / CHAIN[name].out).exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["download", "faces"])
def test_of_two_at_once_one_makes_the_output(made, tmp_path, name):
    copy_inputs(made, tmp_path, name)
    outcomes = [finish(process) for process in [start(tmp_path, name) for _ in range(2)]]
    assert sorted(status for status, _ in outcomes) == [0, 1]
    (line,) = (line for status, line in outcomes if status)
    assert line.startswith("ERROR: ") and CHAIN[name].out in line
    assert files_of(tmp_path / CHAIN[name].out) == files_of(made / CHAIN[name].out)


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """Mount a small file system in memory; skip where this user may not."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"mount is refused here, and a full disk needs it: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("options", ["size=8k", "ro"], ids=["full", "read-only"])
@pytest.mark.parametrize("name", ["download"])
def test_a_disk_that_refuses_is_named_and_nothing_is_left(made, tmp_path, name, options):
    copy_inputs(made, tmp_path, name)
    out = tmp_path / CHAIN[name].out
    with mounted(out.parent / "disk", options) as disk:
        one = CHAIN[name]
        target = disk / out.name
        command = [sys.executable, "-m", f"stages.{one.stage}", *one.arguments[:-1], str(target)]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        left = files_of(target) if target.exists() else {}
        assert "Traceback" not in done.stderr, done.stderr[-2000:]
        if not done.returncode:  # it fits
            assert left == files_of(made / one.out)
            return
        assert left.items() <= files_of(made / one.out).items()
    line = done.stderr.strip().rpartition("\n")[2]
    assert line.startswith("ERROR: ") and str(disk) in line, done.stderr[-2000:]
    assert "free space" in line or "allow this user" in line, line
