"""Run stages on a Ray cluster: one task each, with inputs and results through a DVC remote.

A process of each stage sends its inputs, starts its task, waits for it and receives its results. A
task runs in a clone of the repository on its machine. Clones are kept and used again; each serves
one stage at a time.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import filelock
import msgspec

from face_occlusion.apps.running.jobs import Job, LocalJob, Slot, end_all, log_path, repro_command
from face_occlusion.apps.running.pipeline import Stage, forget_results, read_stages
from face_occlusion.apps.running.schedule import TICK, Launch
from face_occlusion.core.files import expected_failures
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
    source: str  # git address of the repository
    commit: str  # the commit to run
    hosts: Hosts
    remote_url: str  # address of its remote, which may not be in the repository's own settings
    environment: Mapping[str, str]  # variables for the stage
    upstream: Sequence[str] = ()  # the stages whose outputs it reads
    # Contents to replace in the clone (params.yaml, dvc.lock), by path.
    files: Mapping[str, bytes] = field(default_factory=dict)


def run_in_clone(task: StageTask) -> tuple[int, str, float | None]:
    """Run a stage in a free clone and push its results to the remote.

    Returns its exit status, everything that was printed, and the run time of the stage's command in
    seconds, None if it was not recorded.
    """
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
                return status, output, None
            if command[:2] == ["git", "checkout"]:
                for name, content in task.files.items():
                    (clone / name).parent.mkdir(parents=True, exist_ok=True)
                    (clone / name).write_bytes(content)
        return 0, output, read_times(clone).get(task.stage)


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


def send(root: Path, task: StageTask) -> StageTask:
    """Push the outputs that a stage reads; return the task with their stages and the files.

    Those named .gitignore count, as folders that stages read may hold one. No other process
    writes dvc.lock meanwhile.
    """
    from dvc.repo import Repo

    with Repo(str(root), _wait_for_lock=True) as repo:
        (reader,) = repo.stage.collect(task.stage)
        upstream = read_stages(repo.index.graph, reader)
        if upstream:
            repo.push(upstream, remote=task.hosts.remote)
        with repo.lock:
            changed = _git(root, "status", "--porcelain", "-uall", "--", "*.gitignore").splitlines()
            names = ["dvc.lock", "params.yaml", *(line[3:] for line in changed)]
            files = {name: (root / name).read_bytes() for name in names if (root / name).is_file()}
    return replace(task, upstream=upstream, files=files)


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


def run_there(root: Path, task: StageTask) -> int:
    """Send a stage's inputs, run it on the cluster, and receive its results; return its status.

    A ValueError says what the cluster or DVC could not do. A signal cancels the task.
    """
    ray = require_ray("--ray")
    sent = send(root, task)
    connect(ray, task.hosts.address, f"--ray {task.hosts.address}")
    for number in (signal.SIGINT, signal.SIGTERM):  # Ray has its own for the latter
        signal.signal(number, signal.default_int_handler)
    remote_task = ray.remote(num_gpus=task.hosts.gpus, max_retries=2)(run_in_clone)
    reference = remote_task.remote(sent)
    try:
        status, output, seconds = ray.get(reference)
    except KeyboardInterrupt:
        ray.cancel(reference)
        ray.wait([reference])
        raise
    except ray.exceptions.RayError as error:
        raise ValueError(str(error)) from error
    print(output, end="", flush=True)
    if seconds is not None:
        keep_time(root, task.stage, seconds)
    if status == 0:
        receive(root, task.stage, task.hosts.remote)
    return status


def main() -> None:
    """Run the stage of a task, which is given as JSON, in the folder of the pipeline."""
    with expected_failures():
        sys.exit(run_there(Path(), msgspec.json.decode(sys.argv[1], type=StageTask)))


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
    if not hosts.address.startswith("ray://"):  # `auto` and `local` mean this process's cluster
        hosts = replace(hosts, address=ray.get_runtime_context().gcs_address)

    def launch(stage: Stage, slot: Slot) -> Job:
        if stage.group not in hosts.groups or not stage.travels:
            return here(stage, slot)
        task = StageTask(
            stage=stage.name,
            source=hosts.source or origin,
            commit=commit,
            hosts=hosts,
            remote_url=url,
            environment=slot.environment,
        )
        words = ["-c", f"from {__name__} import main; main()", msgspec.json.encode(task).decode()]
        return LocalJob(
            [sys.executable, *words], log_path(root, stage.name), slot.environment, root
        )

    try:
        yield launch
    finally:
        if started:
            ray.shutdown()


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout


def _clean_commit(root: Path) -> str:
    changed = [line[3:] for line in _git(root, "status", "--porcelain", "-uall").splitlines()]
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
