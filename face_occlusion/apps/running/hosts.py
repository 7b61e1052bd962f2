"""Run stages on a Ray cluster: one task each, with inputs and results through a DVC remote.

As a program it exchanges one stage's data with the remote, in a separate process because DVC
blocks while it waits for its lock: `python -m face_occlusion.apps.running.hosts send STAGE REMOTE`
pushes what the stage reads, `... receive STAGE REMOTE` takes its results.

A task runs in a clone of the repository on its machine. Clones are kept and used again; each serves
one stage at a time.
"""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from face_occlusion.apps.running.jobs import Job, LocalJob, Slot, end_all, log_path, repro_command
from face_occlusion.apps.running.pipeline import Stage, forget_results, read_stages
from face_occlusion.apps.running.schedule import TICK, Launch
from face_occlusion.core.ray_cluster import connect, require_ray
from face_occlusion.core.stage import keep_time, read_times

_MOST_CLONES = 1024  # on one machine
_SENT_ALONG = ("params.yaml", "dvc.lock", ".gitignore")  # files that may differ from the commit


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """A cluster, and which stages run on it."""

    address: str  # of the Ray cluster, as `ray.init` takes it: `auto`, `ray://HOST:10001`, `local`
    remote: str  # name of the DVC remote that all machines reach
    source: str | None  # git address that all can clone; None for `origin`, or else this folder
    groups: Sequence[str]  # the groups of stages (`train`) that run there; all others run here
    gpus: int  # GPUs for each stage
    clones: str  # folder for clones on each machine


@dataclass(frozen=True, kw_only=True)
class StageTask:
    """What a machine needs to know to run a stage."""

    stage: str  # its name
    upstream: tuple[str, ...]  # the stages whose outputs it reads
    source: str  # git address of the repository
    commit: str  # the commit to run
    files: Mapping[str, bytes]  # contents to replace in the clone (params.yaml, dvc.lock), by path
    hosts: Hosts
    remote_url: str  # address of its remote, which may not be in the repository's own settings
    environment: Mapping[str, str]  # variables for the stage


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """How a stage ended."""

    status: int  # exit status
    output: str  # everything that was printed
    seconds: float | None  # run time of the stage's command; None if it was not recorded


def run_in_clone(task: StageTask) -> StageResult:
    """Run a stage in a free clone and push its results to the remote."""
    # Ray cancels by SIGINT, which is ignored in a cluster that a script started in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with _free_clone(Path(task.hosts.clones).expanduser()) as clone:
        log, output = clone.with_suffix(".log"), f"in {clone}\n"
        for command in _commands(task):
            job = LocalJob(command, log, task.environment, clone)
            try:
                while (status := job.poll()) is None:
                    time.sleep(TICK)
            finally:  # Ray interrupts a cancelled task
                if job.poll() is None:
                    end_all([job])
            output += log.read_text(errors="replace")
            if status:
                return StageResult(status=status, output=output, seconds=None)
            if command[:2] == ["git", "checkout"]:
                for name, content in task.files.items():
                    (clone / name).parent.mkdir(parents=True, exist_ok=True)
                    (clone / name).write_bytes(content)
        return StageResult(status=0, output=output, seconds=read_times(clone).get(task.stage))


def _commands(task: StageTask) -> list[list[str]]:
    dvc, remote = [sys.executable, "-m", "dvc"], task.hosts.remote
    return [
        ["git", "init", "--quiet"],  # a clone that is there stays as it is
        ["git", "fetch", "--quiet", task.source, "+refs/heads/*:refs/remotes/origin/*"],
        ["git", "checkout", "--quiet", "--force", "--detach", task.commit],
        # only the address is set: other settings of the remote in the repository stay in force
        [*dvc, "remote", "add", "--quiet", "--local", "--force", remote, task.remote_url],
        *([[*dvc, "pull", "--force", "--remote", remote, *task.upstream]] if task.upstream else []),
        repro_command(task.stage),
        [*dvc, "push", "--run-cache", "--remote", remote, task.stage],
    ]


@contextmanager
def _free_clone(folder: Path) -> Iterator[Path]:
    """Yield the folder of a clone, at first empty, that no other process on this machine uses."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(_MOST_CLONES):
        lock = filelock.FileLock(folder / f"{number}.lock", timeout=0)
        try:
            with lock:
                (folder / str(number)).mkdir(exist_ok=True)
                yield folder / str(number)
                return
        except filelock.Timeout:
            continue
    raise ValueError(
        f"{folder}: all {_MOST_CLONES} clones are in use; wait for other stages, "
        "or give another folder with --clones"
    )


class _JobSequence:
    """Jobs that run one after the other as one: send the inputs, run, receive the results."""

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

    def send_signal(self, sig: int, /) -> None:
        self._received += 1
        self._part.send_signal(sig)


@dataclass
class _RayJob:
    """A Ray task as a job; its log and the run time of its stage are kept here."""

    _ray: Any
    _reference: Any
    log: Path
    _stage: str
    _root: Path
    _sent: int = 0

    def poll(self) -> int | None:
        if not self._ray.wait([self._reference], timeout=0)[0]:
            return None
        try:
            result: StageResult = self._ray.get(self._reference)
        except self._ray.exceptions.RayError as error:
            result = StageResult(status=1, output=f"{error}\n", seconds=None)
        self.log.write_text(result.output)
        if result.seconds is not None:
            keep_time(self._root, self._stage, result.seconds)
        return result.status

    def send_signal(self, sig: int, /) -> None:
        self._sent += 1
        self._ray.cancel(self._reference, force=self._sent > 1 or sig == signal.SIGKILL)


@contextmanager
def remote_launch(root: Path, hosts: Hosts, here: Launch) -> Iterator[Launch]:
    """Yield the function that starts a stage on the cluster, or by `here` if it does not run there.

    It is a ValueError if Ray is not installed, no cluster answers or it refuses the token, the
    remote is unknown, or there are uncommitted changes that are not sent along.
    """
    ray = require_ray("--ray")
    commit = _clean_commit(root)
    url = _remote_url(root, hosts.remote)
    has_origin = "origin" in _git(root, "remote").split()
    origin = _git(root, "remote", "get-url", "origin").strip() if has_origin else str(root)
    started = not ray.is_initialized()
    if started:
        connect(ray, hosts.address, f"--ray {hosts.address}")
    ray_task = ray.remote(num_gpus=hosts.gpus, max_retries=2)(run_in_clone)

    def launch(stage: Stage, slot: Slot) -> Job:
        if stage.group not in hosts.groups or not stage.travels:
            return here(stage, slot)

        log = log_path(root, stage.name)

        def exchange(action: str) -> Job:
            command = [sys.executable, "-m", __name__, action, stage.name, hosts.remote]
            return LocalJob(command, log.with_suffix(f".{action}.log"), slot.environment, root)

        def run_there() -> Job:
            task = StageTask(
                stage=stage.name,
                upstream=stage.upstream,
                source=hosts.source or origin,
                commit=commit,
                files=_files(root, stage.name),
                hosts=hosts,
                remote_url=url,
                environment=slot.environment,
            )
            return _RayJob(ray, ray_task.remote(task), log, stage.name, root)

        return _JobSequence(lambda: exchange("send"), run_there, lambda: exchange("receive"))

    try:
        yield launch
    finally:
        if started:
            ray.shutdown()


def _files(root: Path, stage: str) -> dict[str, bytes]:
    """Return the files that may differ from the commit: DVC's, and the parameters.

    Those named .gitignore count, as folders that stages read may hold one.
    """
    lock = log_path(root, stage).with_suffix(".dvc.lock")  # which `send` copied
    sources = {"dvc.lock": lock, "params.yaml": root / "params.yaml"}
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


def send(root: Path, stage: str, remote: str) -> None:
    """Push the outputs that a stage reads, and copy dvc.lock while no process writes it."""
    from dvc.repo import Repo

    with Repo(str(root), _wait_for_lock=True) as repo:
        (reader,) = repo.stage.collect(stage)
        upstream = read_stages(repo.index.graph, reader)
        if upstream:
            repo.push(upstream, remote=remote)
        copy = log_path(root, stage).with_suffix(".dvc.lock")
        copy.unlink(missing_ok=True)
        with repo.lock:
            if (root / "dvc.lock").is_file():
                shutil.copyfile(root / "dvc.lock", copy)


def receive(root: Path, stage: str, remote: str) -> None:
    """Take a stage's results from the remote's run cache, and record them in dvc.lock.

    It is a ValueError if the remote has none for the stage's inputs as they are here.
    """
    from dvc.repo import Repo
    from dvc.stage.cache import RunCacheNotFoundError

    config = {"core": {"remote": remote}}
    with Repo(str(root), config=config, _wait_for_lock=True) as repo:
        with repo.lock:
            repo.stage_cache.pull(remote)
            (wanted,) = repo.stage.collect(stage)
            forget_results(wanted)
            try:
                repo.stage_cache.restore(wanted, pull=True)
            except RunCacheNotFoundError as error:
                raise ValueError(
                    f"remote '{remote}' has no result of {stage} for its inputs as they are here"
                ) from error
        repo.reproduce(stage, single_item=True)  # pyright: ignore[reportArgumentType]  # decorated


if __name__ == "__main__":
    action, stage_name, remote_name = sys.argv[1:]
    try:
        {"send": send, "receive": receive}[action](Path.cwd(), stage_name, remote_name)
    except ValueError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        sys.exit(1)
