"""Stages on other machines: one Ray task each, in a clone of its own, results through a remote."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from face_occlusion.apps.running.handover import note_path
from face_occlusion.apps.running.jobs import Job, LocalJob, log_path
from face_occlusion.apps.running.pipeline import Stage
from face_occlusion.apps.running.schedule import Launch
from face_occlusion.apps.running.slots import Slot
from face_occlusion.apps.running.worker import Answer, Order, run_in_clone
from face_occlusion.core.ray_cluster import connect, require_ray
from face_occlusion.core.timings import keep_time

_SENT_ALONG = ("params.yaml", "dvc.lock", ".gitignore")  # what may differ from the commit


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """Where stages go.

    Attributes:
        address: Of the Ray cluster, as `ray.init` takes it: `auto`, `ray://HOST:10001`, `local`.
        remote: Name of the DVC remote that all machines reach.
        source: Git address that all machines can clone; None for the remote `origin`, or this
            repository's own path without one.
        groups: The stages that go (`train`); all others run here.
        gpus: For each stage.
        clones: Folder on each machine.
    """

    address: str
    remote: str
    source: str | None
    groups: Sequence[str]
    gpus: int
    clones: str


class _RemoteJob:
    """A stage on another machine: its inputs go, it runs, its results come."""

    def __init__(self, *parts: Callable[[], Job]) -> None:
        self._parts = list(parts)
        self._part = self._parts.pop(0)()
        self._received = 0

    @property
    def log(self) -> Path:
        return self._part.log

    def poll(self) -> int | None:
        status = self._part.poll()
        if status == 0 and self._parts and not self._received:
            self._part = self._parts.pop(0)()
            return None
        return 1 if status == 0 and self._parts else status

    def send(self, number: int) -> None:
        self._received += 1
        self._part.send(number)


class _Task:
    """A Ray task as a job; its answer is handed on."""

    def __init__(self, ray: Any, reference: Any, log: Path, keep: Callable[[Answer], None]) -> None:
        self.log = log
        self._keep = keep
        self._ray = ray
        self._reference = reference
        self._sent = 0

    def poll(self) -> int | None:
        if not self._ray.wait([self._reference], timeout=0)[0]:
            return None
        try:
            answer: Answer = self._ray.get(self._reference)
        except self._ray.exceptions.RayError as error:
            answer = Answer(status=1, printed=f"{error}\n", seconds=None)
        self.log.write_text(answer.printed)
        self._keep(answer)
        return answer.status

    def send(self, number: int) -> None:
        self._sent += 1
        self._ray.cancel(self._reference, force=self._sent > 1 or number == signal.SIGKILL)


@contextmanager
def remote_launch(root: Path, hosts: Hosts, here: Launch) -> Iterator[Launch]:
    """Give what starts a stage on a Ray cluster, or here if it is not one of those that go.

    Args:
        root: The repository's root.
        hosts: Where stages go.
        here: Starts a stage on this machine.

    Raises:
        ValueError: If Ray is not installed, no cluster answers or it refuses the token, the remote
            is unknown, or there are changes that are in no commit and are not sent along.
    """
    ray = require_ray("--ray")
    commit = _clean_commit(root)
    url = _remote_url(root, hosts.remote)
    source = hosts.source or _origin(root)
    started = not ray.is_initialized()
    if started:
        connect(ray, hosts.address, f"--ray {hosts.address}")
    task = ray.remote(num_gpus=hosts.gpus, max_retries=2)(run_in_clone)

    def launch(stage: Stage, slot: Slot) -> Job:
        if stage.group not in hosts.groups or not stage.travels:
            return here(stage, slot)

        def hand_over(action: str) -> Job:
            module = "face_occlusion.apps.running.handover"
            command = [sys.executable, "-m", module, action, stage.name, hosts.remote]
            log = log_path(root, stage.name).with_suffix(f".{action}.log")
            return LocalJob(command, log, slot.environment, root)

        def keep(answer: Answer) -> None:
            if answer.seconds is not None:
                keep_time(root, stage.name, answer.seconds)

        def run_away() -> Job:
            order = Order(
                stage=stage.name,
                upstream=stage.upstream,
                source=source,
                commit=commit,
                files=_files(root, stage.name),
                remote=hosts.remote,
                remote_url=url,
                clones=hosts.clones,
                environment=slot.environment,
            )
            return _Task(ray, task.remote(order), log_path(root, stage.name), keep)

        return _RemoteJob(lambda: hand_over("send"), run_away, lambda: hand_over("fetch"))

    try:
        yield launch
    finally:
        if started:
            ray.shutdown()


def _files(root: Path, stage: str) -> dict[str, bytes]:
    """Return the files that may differ from the commit: DVC's, and the parameters.

    Those named .gitignore count, as folders that stages read may hold one.
    """
    sources = {"dvc.lock": note_path(root, stage), "params.yaml": root / "params.yaml"}
    changed = _git(root, "status", "--porcelain", "-uall", "--", "*.gitignore").splitlines()
    sources |= {line[3:]: root / line[3:] for line in changed}
    return {name: path.read_bytes() for name, path in sources.items() if path.is_file()}


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout


def _clean_commit(root: Path) -> str:
    changed = [line[3:] for line in _git(root, "status", "--porcelain", "-uno").splitlines()]
    if others := [path for path in changed if Path(path).name not in _SENT_ALONG]:
        raise ValueError(f"--ray: other machines run the commit; commit first: {', '.join(others)}")
    return _git(root, "rev-parse", "HEAD").strip()


def _origin(root: Path) -> str:
    names = _git(root, "remote").split()
    return _git(root, "remote", "get-url", "origin").strip() if "origin" in names else str(root)


def _remote_url(root: Path, remote: str) -> str:
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        known = repo.config["remote"]
        if remote not in known:
            raise ValueError(
                f"--remote {remote}: no such DVC remote; known: {', '.join(known) or 'none'}; "
                "add it with `dvc remote add NAME URL`"
            )
        return str(known[remote]["url"])
