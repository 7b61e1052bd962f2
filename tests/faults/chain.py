"""A tiny pipeline on drawn releases, whose stages run as processes that can be killed."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from face_occlusion.core.stage import PORTABLE_KERNELS
from tests import tiny
from tests.conftest import ROOT, Content, files_of
from tests.tiny import CHAIN
from tests.training.conftest import MODELS, TRAIN

RUN = CHAIN["train"].split()[0]
ONE_OF_EACH = [name for name in CHAIN if " " not in name]  # of each stage
PATIENCE_S = 120  # for a stage of a few seconds: longer is for ever


def write_params(folder: Path) -> None:
    """Write the parameters of one run."""
    params = tiny.tiny_params("chain")
    params |= {"combinations": {"c_wo": params["combinations"]["c_wo"]}, "models": MODELS}
    params["train"] = TRAIN | {"num_workers": 1}
    folder.mkdir(parents=True, exist_ok=True)
    tiny.write_params(folder / "params.yaml", params)
    (folder / "annotations" / "corrections").mkdir(parents=True)
    (folder / "others").mkdir()
    shutil.copy(ROOT / "annotations" / "occluder_kinds.csv", folder / "annotations")


@contextlib.contextmanager
def serving() -> Iterator[Callable[..., Any]]:
    """Yield a function that gives orders to a `server`, which starts stages without imports."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.server"],
        env=os.environ | PORTABLE_KERNELS | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def ask(**order: Any) -> Any:
        print(json.dumps(order), file=process.stdin, flush=True)
        return json.loads(process.stdout.readline())

    yield ask
    process.communicate()  # the end of its orders ends it


class Stage:
    """A stage of `CHAIN` that runs in a session of its own.

    Of the options, `largest_file` bounds each file that it writes, in bytes, and `alone` lets it
    start no workers, each of which would import half of the project.
    """

    def __init__(
        self,
        server: Callable[..., Any],
        folder: Path,
        name: str,
        arguments: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        self._errors = Path(tempfile.mkstemp(prefix="stage-")[1])
        self._server = server
        self.pid: int = server(
            stage=name.split()[0],
            arguments=arguments or CHAIN[name].split(),
            folder=str(folder),
            errors=str(self._errors),
            **{"largest_file": 0, "alone": False} | options,
        )
        self.status: int | None = None

    def is_running(self) -> bool:
        if self.status is None:
            self.status = self._server(poll=self.pid)
        return self.status is None

    def finish(self) -> tuple[int, str]:
        """Wait for the stage and its workers; return its status and what it wrote to stderr.

        If one of them waits for ever, that is an AssertionError.
        """
        end = time.monotonic() + PATIENCE_S
        while left := self.is_running() or self.others():
            if time.monotonic() > end:
                with contextlib.suppress(ProcessLookupError):  # its workers may outlive it
                    os.kill(self.pid, signal.SIGUSR1)
                time.sleep(1)
                os.killpg(self.pid, signal.SIGKILL)
                said = self._errors.read_text()
                raise AssertionError(f"still running after {PATIENCE_S} s: {left}: {said}")
            time.sleep(0.01)
        assert self.status is not None
        errors = self._errors.read_text()
        self._errors.unlink()
        return self.status, errors

    def others(self) -> list[psutil.Process]:
        """Return the processes that the stage started, but those that have ended."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
                if process.pid != self.pid and os.getsid(process.pid) == self.pid:
                    found += [process] * (process.status() != psutil.STATUS_ZOMBIE)
        return found

    def workers(self) -> list[psutil.Process]:
        """Return the processes that share the stage's work."""
        found = []
        for process in self.others():
            with contextlib.suppress(psutil.NoSuchProcess):
                command = " ".join(process.cmdline())
                is_forked = "forkserver" in command and process.ppid() != self.pid
                found += [process] * (is_forked or "spawn_main" in command)
        return found


def last_line(errors: str) -> str:
    return errors.strip().rpartition("\n")[2]


def finished(out: Path) -> dict[str, bytes]:
    """Return the files below a folder, or the file; what is unfinished is left out."""
    files = files_of(out) if out.is_dir() else {"": Content(out.read_bytes())}
    return {name: content for name, content in files.items() if ".partial" not in name}


def out_of(name: str) -> str:
    """Return what a stage writes."""
    return CHAIN[name].split()[-1]


def clear(folder: Path, name: str) -> None:
    """Delete what a stage writes, as DVC does before it runs one."""
    out = folder / out_of(name)
    shutil.rmtree(out) if out.is_dir() else out.unlink(missing_ok=True)


def copy_inputs(made: Path, folder: Path, name: str) -> None:
    """Link everything that was made, but what this stage writes, into a new working folder."""
    shutil.copytree(made, folder, copy_function=os.link, dirs_exist_ok=True)
    shutil.rmtree(folder / ".scratch", ignore_errors=True)
    clear(folder, name)


def seeded(name: str) -> random.Random:
    """Return random numbers; the seed is printed, and FAULTS_SEED repeats them."""
    seed = int(os.environ.get("FAULTS_SEED", time.time_ns() % 10**6))
    print(f"{name}: FAULTS_SEED={seed}")
    return random.Random(f"{seed} {name}")
