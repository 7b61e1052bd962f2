import itertools
import shutil
import signal
import time
from functools import partial

import pytest
import zc.lockfile
from dvc.utils.serialize import dump_yaml, modify_yaml

from face_occlusion.apps.running.jobs import log_path, make_slots
from face_occlusion.apps.running.pipeline import read_pipeline
from face_occlusion.apps.running.repro import modify_entry
from face_occlusion.apps.running.run import (
    ignore_outputs,
    locked_stages,
    restore_order,
    run_pipeline,
)
from tests.apps.running.conftest import PATIENCE, is_alive, wait_for
from tests.tables import refuses

pytestmark = pytest.mark.slow


def run(project, jobs=2, gpus=(), targets=()):
    return run_pipeline(project.folder, targets, make_slots(jobs, list(gpus), 1))


def overlaps(trace) -> int:
    """Count the pairs of stages that ran at the same time."""
    pairs = itertools.combinations(trace, 2)
    return sum(one["start"] < other["end"] and other["start"] < one["end"] for one, other in pairs)


def pids(project, *names) -> list[int]:
    files = [project.folder / f"{name}.pid" for name in names]
    wait_for(lambda: all(f.is_file() and f.read_text() for f in files), f"{names} run")
    return [int(file.read_text()) for file in files]


def test_two_jobs_leave_what_dvc_repro_leaves(project, tmp_path):
    serial = tmp_path / "serial"
    shutil.copytree(project.folder, serial)
    assert run(project, jobs=2, gpus=["4", "7"]) == 0

    trace = project.trace()
    assert sorted(note["name"] for note in trace) == ["a", "b", "c", "first", "last"]
    assert overlaps(trace) >= 1
    assert {note["gpus"] for note in trace} == {"4", "7"}
    for gpu in "47":  # never two stages on one GPU at a time
        assert overlaps([note for note in trace if note["gpus"] == gpu]) == 0
    assert project.is_current()
    assert run(project) == 0 and len(project.trace()) == 5  # nothing left to do

    project.folder = serial
    project.environment["STEP_MEET"] = "0"
    project.dvc("repro")
    assert overlaps(project.trace()) == 0
    home = tmp_path / "home"
    assert (home / "dvc.lock").read_bytes() == (serial / "dvc.lock").read_bytes()
    assert (home / "last.txt").read_bytes() == (serial / "last.txt").read_bytes()


@pytest.mark.parametrize("before", [None, "stages", "datasets"])
@pytest.mark.parametrize("name", ["a@b", "true", "new"])
def test_one_entry_is_written_as_dvc_writes_all(tmp_path, before, name):
    entries = {
        key: {"cmd": "python -m step " * 9, "deps": [{"md5": "1e5"}]} for key in ("a@b", "true")
    }
    if before:
        dump_yaml(tmp_path / "whole", {"schema": "2.0", before: {}, "stages": entries})
        shutil.copy(tmp_path / "whole", tmp_path / "entry")
    for file, modify in {"whole": modify_yaml, "entry": partial(modify_entry, name)}.items():
        with modify(tmp_path / file) as content:
            content.setdefault("stages", {})[name] = {"cmd": "- x: ", "outs": [{"path": "é"}]}
    assert (tmp_path / "entry").read_bytes() == (tmp_path / "whole").read_bytes()


def test_dvcs_files_are_ordered_as_dvc_repro_would_and_targets_bring_what_they_need(project):
    lock = project.folder / "dvc.lock"
    stages = "".join(f"  {name}:\n    cmd: x\n" for name in ("last", "train@b", "first"))
    lock.write_text(f"schema: '2.0'\nstages:\n{stages}")
    serial = list(read_pipeline(project.folder))
    restore_order(project.folder, before=["last"], serial=serial)
    assert locked_stages(project.folder) == ["last", "first", "train@b"]
    before = lock.stat().st_ino
    restore_order(project.folder, before=["last"], serial=serial)
    assert lock.stat().st_ino == before  # in order: not written again

    ignore_outputs(project.folder, ["train@c", "train@a"])
    assert (project.folder / "middle/.gitignore").read_text() == "/c.txt\n/a.txt\n"
    (project.folder / "first.txt").write_text("in git")
    project.commit()
    refuses(r"first\.txt' is already tracked by SCM", ignore_outputs, project.folder, ["first"])

    assert list(read_pipeline(project.folder, ["train@a"])) == ["first", "train@a"]
    assert len(read_pipeline(project.folder, ["train"])) == 4
    refuses("nonsense", read_pipeline, project.folder, ["nonsense"])


def test_a_failing_stage_stops_its_descendants_only(project, capsys):
    (project.folder / "fail_b").touch()
    assert run(project) == 1
    captured = capsys.readouterr().err
    assert "train@b failed" in captured and "b was told to fail" in captured
    assert "last: not run, because it depends on train@b" in captured
    assert sorted(note["name"] for note in project.trace()) == ["a", "c", "first"]

    (project.folder / "fail_b").unlink()
    assert run(project) == 0
    assert [note["name"] for note in project.trace()][3:] == ["b", "last"]
    assert project.is_current()


def test_a_lock_that_another_process_holds_is_waited_for(project, capsys):
    guard = zc.lockfile.LockFile(str(project.folder / ".dvc/tmp/rwlock.lock"))
    stages = project.start("run", "first")
    log = log_path(project.folder, "first")
    wait_for(lambda: log.is_file() and "Unable to acquire lock" in log.read_text(), "it is refused")
    guard.close()
    output = stages.communicate(timeout=PATIENCE)
    assert stages.returncode == 0, output
    assert "another DVC process holds a lock" in "".join(output)


def test_a_signal_reaches_every_stage_and_the_next_run_goes_on(project):
    scheduler = project.start("run", "--jobs", "2", STEP_SECONDS="300")
    stages = pids(project, "a", "b")
    scheduler.send_signal(signal.SIGINT)
    _, errors = scheduler.communicate(timeout=PATIENCE)
    assert scheduler.returncode == 128 + signal.SIGINT
    assert "the same command resumes from here" in errors
    assert not any(map(is_alive, stages))
    assert not (project.folder / "c.pid").exists()  # nothing new was started

    assert run(project, targets=["train@a"]) == 0
    assert [note["name"] for note in project.trace()] == ["first", "a"]


def test_a_second_signal_kills(project):
    (project.folder / "b.pid").touch()  # a would wait for it
    scheduler = project.start("run", "train@a", STEP_STUBBORN="1", STEP_SECONDS="60")
    (stage,) = pids(project, "a")
    scheduler.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert is_alive(stage)
    scheduler.send_signal(signal.SIGTERM)
    scheduler.communicate(timeout=PATIENCE)
    assert scheduler.returncode == 128 + signal.SIGTERM
    assert not is_alive(stage) and [note["name"] for note in project.trace()] == ["first"]


def test_kill_9_of_the_scheduler_leaves_no_orphan(project):
    scheduler = project.start("run", "--jobs", "2", STEP_SECONDS="300")
    stages = pids(project, "a", "b")
    assert all(map(is_alive, stages))
    scheduler.kill()
    scheduler.wait()
    wait_for(lambda: not any(map(is_alive, stages)), "the stages are gone")
    assert run(project, targets=["train@a"]) == 0  # whatever locks the dead held
