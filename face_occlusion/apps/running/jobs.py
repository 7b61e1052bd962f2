"""One stage as a process group, and the slots that stages run in.

A stage runs as `dvc repro --single-item STAGE`, with its output in a log file. A slot decides
which GPUs and how many cores it gets.
"""

import contextlib
import multiprocessing.forkserver
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Protocol

from face_occlusion.apps.running import guard, repro
from face_occlusion.apps.running.pipeline import Stage
from face_occlusion.core.parallel import num_workers
from face_occlusion.core.params import read_section
from face_occlusion.core.stage import PORTABLE_KERNELS

LOGS = Path(".scratch/logs")
GRACE_SECONDS = 10.0  # for a group to end by itself before it is killed

# stages.train reads it, and starts that many processes for one run.
_GPUS_PER_RUN = "FACE_OCCLUSION_GPUS_PER_RUN"

# What these stages import takes five seconds. Our own modules are left out, so that a stage reads
# them when it starts, as DVC hashes them then.
_FORKED = ("train", "evaluate")
_LIBRARIES = ["cv2", "dvc.cli", "dvc.repo.reproduce", "dvclive.live", "mmseg.models"]
_LIBRARIES += ["safetensors.torch", "torch._dynamo", "torch.utils.tensorboard.writer"]
# What stages set before that, and no warning of mmcv's on the terminal.
_VARIABLES = {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONWARNINGS": "ignore:Fail to import:UserWarning"}

# DVC waits for the repository's lock if asked, but three seconds only for the list of locked paths.
_LOCKED = re.compile(r"Unable to acquire lock|is busy, it is being blocked by")


@dataclass(frozen=True)
class Slot:
    """A place for one stage at a time."""

    number: int  # from 0
    environment: dict[str, str]  # variables that a stage in it gets


def make_slots(
    jobs: int | None, gpus: list[str], gpus_per_job: int, *, on_cluster: bool = False
) -> list[Slot]:
    """Divide the GPUs and cores of this machine among jobs.

    Each job sees its own `gpus_per_job` GPUs; with more jobs than GPUs, jobs share them. Without
    GPUs the variable CUDA_VISIBLE_DEVICES is left unchanged. Libraries that would start one
    thread per core are limited to a job's share of the cores, unless OMP_NUM_THREADS is set.
    `jobs` None is as many as the GPUs allow, one without GPUs. With `on_cluster` a Ray cluster has
    the GPUs, and assigns them itself. A number below 1, a GPU named twice, and GPUs that cannot be
    divided are a ValueError.
    """
    if on_cluster and gpus:
        raise ValueError("--gpus names GPUs of this machine; omit it with --ray: Ray assigns GPUs")
    if gpus_per_job < 1 or (jobs is not None and jobs < 1):
        raise ValueError(f"--jobs, --gpus-per-job: must be positive; got {jobs}, {gpus_per_job}")
    if len(set(gpus)) < len(gpus):
        raise ValueError(f"--gpus names a GPU twice: {','.join(gpus)}")
    if gpus_per_job > 1 and not on_cluster and (not gpus or len(gpus) % gpus_per_job):
        raise ValueError(
            f"--gpus must name a multiple of --gpus-per-job {gpus_per_job} GPUs; got {len(gpus)}"
        )
    sets = [gpus[at : at + gpus_per_job] for at in range(0, len(gpus), gpus_per_job)]
    count = jobs or len(sets) or 1
    shared = {}
    if not on_cluster and "OMP_NUM_THREADS" not in os.environ:
        shared["OMP_NUM_THREADS"] = str(max(1, num_workers() // count))
    if gpus_per_job > 1:
        shared[_GPUS_PER_RUN] = str(gpus_per_job)
    visible = [{"CUDA_VISIBLE_DEVICES": ",".join(ids)} for ids in sets] or [{}]
    return [Slot(number, shared | visible[number % len(visible)]) for number in range(count)]


def warn_of_missing(gpus: Sequence[str]) -> str | None:
    """Say so if PyTorch finds fewer GPUs on this machine than are named, else None."""
    import torch

    found = torch.cuda.device_count()
    if found >= len(gpus):
        return None
    return (
        f"WARNING: --gpus names {len(gpus)} GPUs, and PyTorch finds {found} here: "
        "stages that get none run on the CPU"
    )


class Job(Protocol):
    """A running stage: a `LocalJob`, a `ForkedStage`, or one in `bench.kept`."""

    log: Path  # with its output

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""

    def send_signal(self, sig: int, /) -> None:
        """Pass a signal on: the first asks the stage to end, the second kills it."""


class LocalJob(subprocess.Popen[bytes]):
    """A command on this machine that ends when this process ends, however that happens.

    It runs under `guard`, which passes signals to the whole group: the first asks it to end, the
    second kills it. It runs in the folder `root`, its output in a new file `log`; `environment` is
    added to the variables of this process.
    """

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str], root: Path
    ) -> None:
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as file:
            super().__init__(
                [sys.executable, "-I", guard.__file__, str(GRACE_SECONDS), *command],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=root,
                env=os.environ | {"PATH": _path()} | dict(environment),
                start_new_session=True,  # Ctrl-C in a terminal reaches the scheduler alone
            )


class ForkedStage(ForkServerProcess):
    """A stage in a process forked from one that has imported its libraries; it ends likewise."""

    def __init__(self, stage: str, log: Path, environment: Mapping[str, str], root: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        variables = {"PATH": _path(), **environment}
        super().__init__(target=repro.repro_forked, args=(stage, log.absolute(), variables, root))
        self.log, self._signalled = log, False
        self.start()

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs; what outlives it is killed."""
        if self.exitcode is not None and self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        return self.exitcode

    def send_signal(self, sig: int, /) -> None:
        """Pass a signal to the process group; the second kills it."""
        sig, self._signalled = (signal.SIGKILL if self._signalled else sig), True
        with contextlib.suppress(ProcessLookupError):
            if self.pid is not None and self.exitcode is None:
                leads = os.getpgid(self.pid) == self.pid  # not yet in its first moments
                (os.killpg if leads else os.kill)(self.pid, sig)


def import_libraries(params: Path, slot: Slot, stages: Sequence[Stage]) -> Sequence[str]:
    """Start the process that stages are forked from; return the groups that may be.

    None are if fewer than two run, on other systems than Linux, if there is a GPU, as CUDA does not
    work after a fork, and with other kernels than `portable`, as libraries choose theirs once.
    """
    kernels = (read_section(params, f"{group}.cpu_kernels") for group in _FORKED)
    if (
        sum(stage.group in _FORKED for stage in stages) < 2
        or sys.platform != "linux"
        or shutil.which("nvidia-smi")
        or set(kernels) != {"portable"}
    ):
        return ()
    before = dict(os.environ)
    os.environ.update(_VARIABLES | PORTABLE_KERNELS | slot.environment | before)
    multiprocessing.forkserver.set_forkserver_preload(_LIBRARIES)
    multiprocessing.forkserver.ensure_running()
    os.environ.clear()
    os.environ.update(before)
    return _FORKED


def _path() -> str:
    """Return a search path that finds `python` and `dvc` of this environment."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def repro_command(stage: str) -> list[str]:
    """Return DVC's command for one stage, without the stages before it."""
    return [sys.executable, "-I", repro.__file__, stage]


def log_path(root: Path, stage: str) -> Path:
    """Return the log file of a stage."""
    return root / LOGS / f"{stage.replace('/', '_')}.log"


def was_locked_out(log: Path) -> bool:
    """Tell whether a stage failed only because another DVC process held a lock."""
    return bool(_LOCKED.search(log.read_text(errors="replace")))


def tail(log: Path, lines: int = 15) -> str:
    """Return the end of a log; of a progress bar only its last state."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    shown = [line.rstrip().rsplit("\r", 1)[-1] for line in text.split("\n") if line.strip()]
    return "\n".join(shown[-lines:])


def end_all(jobs: Sequence[Job]) -> None:
    """Kill jobs and wait for them."""
    for job in jobs:
        for _ in range(2):
            job.send_signal(signal.SIGTERM)
            time.sleep(0.3)  # two signals at once could arrive as one
    deadline = time.monotonic() + GRACE_SECONDS + 5
    while any(job.poll() is None for job in jobs) and time.monotonic() < deadline:
        time.sleep(0.1)
