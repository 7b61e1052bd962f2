"""Run one stage in a clone of the repository on this machine, inside a Ray task.

Inputs and results travel through a DVC remote. Clones are kept and used again; each serves one
stage at a time.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock

from face_occlusion.apps.running.jobs import LocalJob, end_all, repro_command
from face_occlusion.core.stage import read_times

_TICK = 0.1  # seconds
_MOST_CLONES = 1024  # on one machine


@dataclass(frozen=True, kw_only=True)
class StageTask:
    """What a machine needs to know to run a stage."""

    stage: str  # its name
    upstream: tuple[str, ...]  # the stages whose outputs it reads
    source: str  # git address of the repository
    commit: str  # the commit to run
    # Files to replace in the clone (params.yaml, dvc.lock): path to content.
    files: Mapping[str, bytes]
    remote: str  # name of the DVC remote
    remote_url: str  # its address, for a remote that is not in the repository's own settings
    clones: str  # folder for clones on the machine
    environment: Mapping[str, str]  # variables for the stage


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """How a stage ended."""

    status: int  # exit status
    output: str  # everything that was printed
    seconds: float | None  # run time of the stage's command; None if it was not recorded


def run_in_clone(task: StageTask) -> StageResult:
    """Run a stage in a free clone and push its results to the remote."""
    with _free_clone(Path(task.clones).expanduser()) as clone:
        log = clone.with_name(f"{clone.name}.log")
        output = [f"in {clone}\n"]
        for command in _commands(task, clone):
            folder = clone if clone.is_dir() else clone.parent
            status = _run(command, folder, log, task.environment)
            output.append(log.read_text(errors="replace"))
            if status:
                return StageResult(status=status, output="".join(output), seconds=None)
            if command[:2] == ["git", "checkout"]:
                for name, content in task.files.items():
                    (clone / name).parent.mkdir(parents=True, exist_ok=True)
                    (clone / name).write_bytes(content)
        seconds = read_times(clone).get(task.stage)
        return StageResult(status=0, output="".join(output), seconds=seconds)


def _commands(task: StageTask, clone: Path) -> list[list[str]]:
    dvc = [sys.executable, "-m", "dvc"]
    pull = [[*dvc, "pull", "--force", "--remote", task.remote, *task.upstream]]
    branches = "+refs/heads/*:refs/remotes/origin/*"
    return [
        *([] if clone.is_dir() else [["git", "clone", "--quiet", task.source, str(clone)]]),
        ["git", "fetch", "--quiet", task.source, branches],
        ["git", "checkout", "--quiet", "--force", "--detach", task.commit],
        # only the address is set: other settings of the remote in the repository stay in force
        [*dvc, "remote", "add", "--quiet", "--local", "--force", task.remote, task.remote_url],
        *(pull if task.upstream else []),
        repro_command(task.stage),
        [*dvc, "push", "--run-cache", "--remote", task.remote, task.stage],
    ]


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
    raise ValueError(
        f"{folder}: all {_MOST_CLONES} clones are in use; wait for other stages, "
        "or give another folder with --clones"
    )
