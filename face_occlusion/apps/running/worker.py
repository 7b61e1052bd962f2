"""One stage in a clone on this machine, its inputs and results through a DVC remote.

Runs inside a Ray task. Clones are kept and used again; each serves one stage at a time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock

from face_occlusion.apps.running.jobs import LocalJob, end_all, repro_command
from face_occlusion.core.timings import read_times

_TICK = 0.1  # seconds
_MOST_CLONES = 1024  # on one machine


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a machine needs to know to run a stage.

    Attributes:
        stage: Its name.
        upstream: The stages whose outputs it reads.
        source: Git address of the repository.
        commit: The commit to run.
        files: Files to replace in the clone (params.yaml, dvc.lock): path to content.
        remote: Name of the DVC remote.
        remote_url: Its address, for a remote that is not in the repository's own settings.
        clones: Folder for clones on the machine.
        environment: Variables for the stage.
    """

    stage: str
    upstream: tuple[str, ...]
    source: str
    commit: str
    files: Mapping[str, bytes]
    remote: str
    remote_url: str
    clones: str
    environment: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a machine says when a stage ended.

    Attributes:
        status: Exit status.
        printed: Everything that was printed.
        seconds: How long the stage's command took; None if it does not say.
    """

    status: int
    printed: str
    seconds: float | None


def run_in_clone(order: Order) -> Answer:
    """Run a stage in a free clone and push its results."""
    with _free_clone(Path(order.clones).expanduser()) as clone:
        log = clone.with_name(f"{clone.name}.log")
        printed = [f"in {clone}\n"]
        for command in _commands(order, clone):
            folder = clone if clone.is_dir() else clone.parent
            status = _run(command, folder, log, order.environment)
            printed.append(log.read_text(errors="replace"))
            if status:
                return Answer(status=status, printed="".join(printed), seconds=None)
            if command[:2] == ["git", "checkout"]:
                _put_files(order, clone)
        seconds = read_times(clone).get(order.stage)
        return Answer(status=0, printed="".join(printed), seconds=seconds)


def _commands(order: Order, clone: Path) -> list[list[str]]:
    dvc = [sys.executable, "-m", "dvc"]
    pull = [[*dvc, "pull", "--force", "--remote", order.remote, *order.upstream]]
    branches = "+refs/heads/*:refs/remotes/origin/*"
    return [
        *([] if clone.is_dir() else [["git", "clone", "--quiet", order.source, str(clone)]]),
        ["git", "fetch", "--quiet", order.source, branches],
        ["git", "checkout", "--quiet", "--force", "--detach", order.commit],
        # the address alone: whatever else the repository's own settings say of it stays
        [*dvc, "remote", "add", "--quiet", "--local", "--force", order.remote, order.remote_url],
        *(pull if order.upstream else []),
        repro_command(order.stage),
        [*dvc, "push", "--run-cache", "--remote", order.remote, order.stage],
    ]


def _put_files(order: Order, clone: Path) -> None:
    for name, content in order.files.items():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_bytes(content)


def _run(command: list[str], folder: Path, log: Path, environment: Mapping[str, str]) -> int:
    job = LocalJob(command, log, environment, folder)
    try:
        while (status := job.poll()) is None:
            time.sleep(_TICK)
        return status
    finally:  # Ray interrupts a cancelled task
        if job.poll() is None:
            end_all([job])


@contextmanager
def _free_clone(folder: Path) -> Iterator[Path]:
    """Yield the path of a clone that no other process on this machine uses."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(_MOST_CLONES):
        lock = filelock.FileLock(folder / f"{number}.lock", timeout=0)
        try:
            with lock:
                yield folder / str(number)
                return
        except filelock.Timeout:
            continue
    raise ValueError(f"{folder}: all {_MOST_CLONES} clones are in use")
