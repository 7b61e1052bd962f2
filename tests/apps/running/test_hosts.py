"""Stages as Ray tasks in clones of their own: two made-up GPUs, a local remote.

On a cluster of this process, and on one that `ray start` started, with a token, as users have it.
"""

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from unittest.mock import Mock

import psutil
import pytest

from face_occlusion.apps.running.hosts import Hosts
from face_occlusion.apps.running.jobs import make_slots
from face_occlusion.apps.running.run import run_pipeline
from face_occlusion.core.ray_cluster import connect
from face_occlusion.core.stage import read_times
from tests.apps.running.conftest import PATIENCE, is_alive, wait_for
from tests.programs import BIN, free_port, user_environment
from tests.tables import refuses, rows

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
pytestmark = pytest.mark.slow

RECORD = """
if name == "a":
    from face_occlusion.core.stage import record_time
    record_time(7.0)
"""


@pytest.fixture(scope="module")
def cluster():
    ray.init(num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def lab(project, tmp_path, monkeypatch):
    """The project, committed, with a remote that is no default; and where its stages go.

    All stages note themselves in one folder, and a and b meet, though they run in two.
    """
    (tmp_path / "remote").mkdir()
    project.dvc("remote", "add", "lab", str(tmp_path / "remote"))
    step = project.folder / "stages/step.py"
    step.write_text(step.read_text().replace("Path()", f"Path({str(tmp_path)!r})") + RECORD)
    project.commit()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    places = {"source": str(project.folder), "clones": str(tmp_path / "clones")}
    return Hosts(address="local", remote="lab", groups=["train"], gpus=1, **places)


def run(project, hosts, *targets):
    return run_pipeline(project.folder, targets, make_slots(2, [], 1, on_cluster=True), hosts)


def check_results_are_home(project, tmp_path):
    """Check what the stages have left; return what each noted, by its name."""
    lines = (tmp_path / "trace").read_text().splitlines()
    notes = {n["name"]: n for n in map(json.loads, lines)}
    assert len(lines) == len(notes)  # nothing ran twice
    assert set(notes) == {"first", "a", "b", "c", "last"}
    assert {notes["first"]["cwd"], notes["last"]["cwd"]} == {str(project.folder)}
    assert {Path(notes[name]["cwd"]).parent for name in "abc"} == {tmp_path / "clones"}
    assert project.is_current()
    assert read_times(project.folder) == {"train@a": 7.0}  # as the other machine measured
    log = project.folder / ".scratch/logs/train@a.log"
    assert "Running stage 'train@a'" in log.read_text()
    assert (project.folder / "last.txt").read_text() == "lastafirstbfirstcfirst"
    return notes


def test_stages_run_in_two_clones_and_one_that_fails_there_is_reported_here(
    cluster, project, lab, tmp_path, capsys
):
    (tmp_path / "fail_c").touch()
    assert run(project, lab) == 1
    errors = capsys.readouterr().err
    assert "train@c failed" in errors and "c was told to fail" in errors
    assert "last: not run" in errors

    (tmp_path / "fail_c").unlink()
    assert run(project, lab) == 0
    notes = check_results_are_home(project, tmp_path)
    assert {Path(notes[name]["cwd"]).name for name in "ab"} == {"0", "1"}
    assert {notes[name]["gpus"] for name in "ab"} == {"0", "1"}
    assert notes["a"]["start"] < notes["b"]["end"] and notes["b"]["start"] < notes["a"]["end"]


def test_a_signal_here_ends_the_stage_there(cluster, project, lab, tmp_path):
    pid = tmp_path / "a.pid"

    def interrupt():
        wait_for(lambda: pid.is_file() and pid.read_text(), "it waits for b")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert run(project, lab, "train@a") == 128 + signal.SIGINT
    thread.join()
    wait_for(lambda: not is_alive(int(pid.read_text())), "the stage is gone")


def test_what_other_machines_could_not_know_is_refused(cluster, project, lab, monkeypatch):
    with pytest.raises(ValueError, match="no such DVC remote; known: lab"):
        run(project, dataclasses.replace(lab, remote="nowhere"))
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with socket.socket() as taken:  # bound, but nobody accepts
        taken.bind(("127.0.0.1", 0))
        for scheme in ("", "ray://"):
            address = f"{scheme}127.0.0.1:{taken.getsockname()[1]}"
            with pytest.raises(ValueError, match=f"--ray {address}: nothing answers at this addr"):
                run(project, dataclasses.replace(lab, address=address))
    (project.folder / "stages/new.py").write_text("# not in a commit\n")
    refuses(r"commit first: stages/new\.py", run, project, lab)
    monkeypatch.setitem(sys.modules, "ray", None)
    refuses(r"face-occlusion\[ray\]", run, project, lab)


def listens(port):
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def end_cluster(process):
    """End what was started, by its ids: `ray stop` would end every cluster on this machine."""
    started = [process, *process.children(recursive=True)] if process.is_running() else []
    for one in started[:1]:
        one.terminate()
    _, alive = psutil.wait_procs(started, timeout=PATIENCE / 2)
    for left in alive:
        left.kill()
    with contextlib.suppress(ProcessLookupError):  # what a `ray start` that failed left behind
        os.killpg(process.pid, signal.SIGKILL)
    assert not alive, alive


@pytest.fixture(scope="module")
def separate():
    """A cluster of its own processes, with a token in its home: its addresses and variables."""
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))  # sockets in it: at most 107 letters
    gcs, client = free_port(), free_port()
    environment = user_environment() | {"HOME": str(folder), "GRPC_ENABLE_FORK_SUPPORT": "0"}
    setting = {"env": environment, "cwd": folder}
    program = str(BIN / "ray")
    start = [program, "start", "--head", "--block", "--num-cpus=2", "--num-gpus=2"]
    start += [f"--port={gcs}", f"--ray-client-server-port={client}", f"--temp-dir={folder}/t"]
    start += ["--include-dashboard=false", "--disable-usage-stats"]
    log = folder / "log"
    try:
        generate = [program, "get-auth-token", "--generate"]
        subprocess.run(generate, check=True, capture_output=True, **setting)
        with log.open("w") as file:
            pipes = {"stdout": file, "stderr": file, "start_new_session": True}
            process = psutil.Popen(start, **pipes, **setting)
        try:
            wait_for(lambda: listens(client) or process.poll() is not None, "it is up")
            assert process.poll() is None, log.read_text()
            addresses = {"gcs": f"127.0.0.1:{gcs}", "client": f"ray://127.0.0.1:{client}"}
            yield addresses, environment
        finally:
            end_cluster(process)
    finally:
        shutil.rmtree(folder)


def run_as_user(project, lab, separate, kind, *targets, **variables):
    """Run `face-occlusion run` in a process of its own: Ray reads its variables only once."""
    addresses, project.environment = separate
    options = {"--jobs": "2", "--ray": addresses[kind], "--remote": lab.remote}
    options |= {"--ray-stages": "train", "--clone-from": lab.source, "--clones": lab.clones}
    words = [*targets, *(word for item in options.items() for word in item)]
    process = project.start("run", *words, RAY_AUTH_MODE="token", **variables)
    printed, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, " ".join((printed + errors).split())


def test_a_cluster_with_a_token_is_used_from_within_and_outside(separate, project, lab, tmp_path):
    (tmp_path / "b.pid").touch()  # a would wait for it
    status, printed = run_as_user(project, lab, separate, "gcs", "train@a")
    assert status == 0, printed
    status, printed = run_as_user(project, lab, separate, "client")
    assert status == 0, printed
    check_results_are_home(project, tmp_path)


def test_a_cluster_that_refuses_the_token_is_no_silent_one(separate, project, lab, tmp_path):
    """What is advised in other cases is tested below."""
    wrong = {"RAY_AUTH_TOKEN": "0" * 64, "RAY_NUM_REDIS_GET_RETRIES": "1"}  # else 20, each a second
    status, printed = run_as_user(project, lab, separate, "gcs", **wrong)
    assert status == 1 and "Traceback" not in printed
    refused = "the cluster asks for its token: RAY_AUTH_TOKEN here is not"
    assert f"--ray {separate[0]['gcs']}: {refused}" in printed
    assert not (tmp_path / "clones").exists()


@pytest.mark.parametrize(("variables", "advice"), rows(__file__, "advice"))
def test_what_to_set_for_the_token_follows_what_is_set(tmp_path, monkeypatch, variables, advice):
    (tmp_path / "held").write_text("x")
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"HOME": "HOME"} | variables).items():
        monkeypatch.setenv(name, value.replace("HOME", str(tmp_path)))
    for error, said in (
        (ray.exceptions.AuthenticationError("no token"), "the cluster asks for its token"),
        (ConnectionError("nobody there"), r"no cluster answers \(nobody there\)"),
    ):
        monkeypatch.setattr(ray, "init", Mock(side_effect=error))
        with pytest.raises(ValueError, match=f"--ray local: {said}") as caught:
            connect(ray, "local", "--ray local")
        advised = f": {advice} (docs/running.md)".replace("HOME", str(tmp_path))
        assert str(caught.value).endswith(advised)


@pytest.mark.parametrize("crashes", [2, 3])
def test_a_head_whose_server_crashes_is_asked_three_times(monkeypatch, caplog, crashes):
    crash = ConnectionAbortedError("Starting Ray client server failed. See x.err")
    monkeypatch.setattr(ray, "init", Mock(side_effect=[crash] * crashes + [None]))
    refused = pytest.raises(ValueError, match=r"--ray local: .*FORK_SUPPORT=0 ray start")
    with refused if crashes == 3 else contextlib.nullcontext():
        connect(ray, "local", "--ray local")
    assert ray.init.call_count == 3 and caplog.text.count("trying again") == 2
