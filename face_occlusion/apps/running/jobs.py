"""One stage as a process group: `dvc repro --single-item STAGE`, its output in a log file."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from face_occlusion.apps.running import guard

LOGS = Path(".scratch/logs")
GRACE_SECONDS = 10.0  # for a group to end by itself before it is killed

# DVC waits for the repository's lock if asked, but three seconds only for the list of locked paths.
_LOCKED = re.compile(r"Unable to acquire lock|is busy, it is being blocked by")


class Job(Protocol):
    """A stage that runs somewhere."""

    @property
    def log(self) -> Path:
        """File of what it prints."""
        ...

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        ...

    def send(self, number: int) -> None:
        """Pass a signal on: the first asks the stage to end, the second kills it."""
        ...


class LocalJob:
    """A command under a guard: it ends with this process, whatever ends that.

    Attributes:
        log: File of what the command prints.
    """

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str], root: Path
    ) -> None:
        """Start it.

        Args:
            command: What to run.
            log: Written anew.
            environment: What is added to, or replaces, this process's.
            root: Working folder.
        """
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-I", guard.__file__, str(GRACE_SECONDS), *command],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=root,
                env=os.environ | _own_python_first() | dict(environment),
                start_new_session=True,  # Ctrl-C in a terminal reaches the scheduler alone
            )

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        return self._process.poll()

    def send(self, number: int) -> None:
        """Pass a signal to the guard, which passes it to the group."""
        self._process.send_signal(number)


def _own_python_first() -> dict[str, str]:
    """Return a PATH whose `python` and `dvc` are this environment's."""
    folder = str(Path(sys.executable).parent)
    return {"PATH": os.pathsep.join([folder, os.environ.get("PATH", os.defpath)])}


def repro_command(stage: str) -> list[str]:
    """Return DVC's command for one stage, without those before it."""
    return [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", stage]


def log_path(root: Path, stage: str) -> Path:
    """Return where a stage's output goes."""
    return root / LOGS / f"{stage.replace('/', '_')}.log"


def was_locked_out(log: Path) -> bool:
    """Tell whether a stage failed only because another DVC process held a lock."""
    return bool(_LOCKED.search(log.read_text(errors="replace")))


def tail(log: Path, lines: int = 15) -> str:
    """Return the end of a log; of a progress bar only its last state."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    shown = [line.rstrip().rsplit("\r", 1)[-1] for line in text.split("\n") if line.strip()]
    return "\n".join(shown[-lines:])


def end_all(jobs: Sequence[Job], seconds: float = GRACE_SECONDS + 5) -> None:
    """Kill jobs and wait for them."""
    for job in jobs:
        for _ in range(2):
            job.send(signal.SIGTERM)
            time.sleep(0.3)  # two signals at once could arrive as one
    deadline = time.monotonic() + seconds
    while any(job.poll() is None for job in jobs) and time.monotonic() < deadline:
        time.sleep(0.1)
