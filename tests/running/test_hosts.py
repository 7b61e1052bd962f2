"""Stages as Ray tasks in clones of their own: a local cluster, two made-up GPUs, a local remote."""

import dataclasses
import json
import os
import signal
import sys
import threading

import pytest

from face_occlusion.running.hosts import Hosts
from face_occlusion.running.run import run_pipeline
from face_occlusion.running.slots import make_slots
from face_occlusion.timings import read_times
from tests.running.test_run import is_alive, wait_for

pytestmark = pytest.mark.slow

RECORD = """
if name == "a":
    from face_occlusion.timings import record_time
    record_time(7.0)
"""


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    ray.init(num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.fixture
def lab(project, tmp_path, monkeypatch):
    """The project, committed, with a remote that is no default; and where its stages go."""
    (tmp_path / "remote").mkdir()
    project.dvc("remote", "add", "lab", str(tmp_path / "remote"))
    project.commit()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    return Hosts(
        address="local",
        remote="lab",
        source=str(project.folder),
        groups=["middle"],
        gpus=1,
        clones=str(tmp_path / "clones"),
    )


def run(project, hosts, **options):
    return run_pipeline(project.folder, (), make_slots(2, [], 1, elsewhere=True), hosts, **options)


def test_stages_run_in_two_clones_and_their_results_come_home(cluster, project, lab, tmp_path):
    trace = tmp_path / "trace"
    step = project.folder / "step.py"
    # each notes itself in one file; a and b meet there, though they are in different folders
    text = step.read_text().replace('os.environ.get("TRACE", "trace")', repr(str(trace)))
    text = text.replace('f"{name}.pid"', f'f"{tmp_path}/{{name}}.pid"')
    text = text.replace('f"{other}.pid"', f'f"{tmp_path}/{{other}}.pid"')
    step.write_text(text + RECORD)
    project.commit()

    assert run(project, lab) == 0
    notes = {n["name"]: n for n in map(json.loads, trace.read_text().splitlines())}
    assert set(notes) == {"first", "a", "b", "c", "last"}  # nothing ran twice
    home = str(project.folder)
    assert {notes["first"]["cwd"], notes["last"]["cwd"]} == {home}
    clones = {str(tmp_path / "clones" / name) for name in "01"}
    assert {notes[name]["cwd"] for name in "ab"} == clones
    assert {notes[name]["gpus"] for name in "ab"} == {"0", "1"}
    assert notes["a"]["start"] < notes["b"]["end"] and notes["b"]["start"] < notes["a"]["end"]
    assert "up to date" in project.dvc("status")
    assert read_times(project.folder) == {"middle@a": 7.0}  # as the other machine measured
    log = project.folder / ".scratch/logs/middle@a.log"
    assert "Running stage 'middle@a'" in log.read_text()
    assert (project.folder / "last.txt").read_text() == "lastafirstbfirstcfirst"


def test_a_stage_that_fails_elsewhere_is_reported_here(cluster, project, lab, capsys):
    step = project.folder / "step.py"
    step.write_text(step.read_text().replace("if Path(f", 'if name in "abc" or Path(f'))
    project.commit()
    assert run(project, dataclasses.replace(lab, groups=["middle"])) == 1
    errors = capsys.readouterr().err
    assert "middle@a failed" in errors and "a was told to fail" in errors
    assert "last: not run" in errors


def test_a_signal_here_ends_the_stages_there(cluster, project, lab, tmp_path):
    step = project.folder / "step.py"
    text = step.read_text().replace('os.environ.get("STEP_MEET", "30")', '"300"')
    text = text.replace('not all(Path(f"{other}.pid").exists()', 'not all(Path("never").exists()')
    step.write_text(text.replace('f"{name}.pid"', f'f"{tmp_path}/{{name}}.pid"'))
    project.commit()
    files = [tmp_path / f"{name}.pid" for name in "ab"]

    def interrupt():
        wait_for(lambda: all(f.is_file() and f.read_text() for f in files), "both run")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert run(project, lab) == 128 + signal.SIGINT
    thread.join()
    stages = [int(file.read_text()) for file in files]
    wait_for(lambda: not any(map(is_alive, stages)), "the stages are gone")


def test_what_other_machines_could_not_know_is_refused(cluster, project, lab):
    with pytest.raises(ValueError, match="no such DVC remote; known: lab"):
        run(project, dataclasses.replace(lab, remote="nowhere"))
    step = project.folder / "step.py"
    step.write_text(step.read_text() + "# not in a commit\n")
    with pytest.raises(ValueError, match=r"commit first: step\.py"):
        run(project, lab)


def test_ray_that_is_not_installed_is_named(project, lab, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"face-occlusion\[ray\]"):
        run(project, lab)


def test_a_cluster_that_does_not_answer_is_named(project, lab, monkeypatch):
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")

    def init(**_):
        raise ConnectionError("nobody there")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(ValueError, match=r"--ray local: no cluster answers \(nobody there\)"):
        run(project, lab)
