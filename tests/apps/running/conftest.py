"""A pipeline of quick stages, for a real DVC: one, three side by side, one."""

import json
import multiprocessing.forkserver
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc.repo import Repo

from tests.conftest import once
from tests.programs import call, user_environment

STEP = """
import json, os, signal, sys, time
from pathlib import Path

PLACE = Path()
name, out, *inputs = sys.argv[1:]
start = time.time()
if "STEP_STUBBORN" in os.environ:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
(PLACE / f"{name}.pid").write_text(str(os.getpid()))
if (PLACE / f"fail_{name}").exists():
    sys.exit(f"{name} was told to fail")
while name in "ab" and not all((PLACE / f"{other}.pid").exists() for other in "ab"):
    if time.time() > start + float(os.environ.get("STEP_MEET", "30")):
        break  # the one would meet the other if it were started
    time.sleep(0.02)
if name != "first":
    time.sleep(float(os.environ.get("STEP_SECONDS", "0")))
Path(out).write_text(name + "".join(Path(path).read_text() for path in inputs))
note = {"name": name, "start": start, "end": time.time(), "cwd": os.getcwd()}
note["gpus"] = os.environ.get("CUDA_VISIBLE_DEVICES")
with (PLACE / "trace").open("a") as file:
    file.write(json.dumps(note) + "\\n")
"""

PARAMS = "profile: one\ntrain: {cpu_kernels: portable}\nevaluate: {cpu_kernels: portable}\n"
IGNORED = "__pycache__\n*.pid\ntrace\n.scratch\nfail_*\n"
PATIENCE = 240.0  # seconds, on a busy machine


def wait_for(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that is dead and not yet waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Project:
    """A folder with the pipeline, and commands in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = user_environment()

    def commit(self) -> None:
        call(self.folder, "git", "add", "-A")
        call(self.folder, "git", "commit", "-q", "-m", "x")

    def dvc(self, *arguments: str) -> str:
        return call(self.folder, "dvc", *arguments, **self.environment)

    def is_current(self) -> bool:
        """Tell whether DVC has nothing to run."""
        with Repo(str(self.folder)) as repo:
            return repo.status() == {}

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen:
        """Start `face-occlusion` as a script starts a command in the background."""
        setting = {"cwd": self.folder, "env": self.environment | variables, "text": True}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = ["bash", "-c", "trap '' INT; exec face-occlusion \"$@\"", "-"]
        return subprocess.Popen([*command, *arguments], **setting, **pipes)

    def trace(self) -> list[dict]:
        """Return what each stage noted, in the order in which they ended."""
        return [json.loads(line) for line in (self.folder / "trace").read_text().splitlines()]


@pytest.fixture(scope="session")
def fresh(tmp_path_factory) -> Path:
    """A project in which nothing has run, to be copied."""

    def make(folder: Path) -> None:
        files = {"stages/step.py": STEP, "stages/__init__.py": "", "params.yaml": PARAMS}
        files["dvc.yaml"] = Path(__file__).with_name("pipeline.yaml").read_text()
        files |= {"middle/note": "kept", ".dvcignore": "note\n", ".gitignore": IGNORED}
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        call(folder, "git", "init", "-q")
        call(folder, "dvc", "init", "-q")

    return once(tmp_path_factory, "pipeline", make)


@pytest.fixture
def project(fresh, tmp_path, monkeypatch) -> Iterator[Project]:
    made = Project(shutil.copytree(fresh, tmp_path / "home"))
    monkeypatch.chdir(made.folder)
    yield made
    multiprocessing.forkserver._forkserver._stop()  # its libraries have their own kernels
