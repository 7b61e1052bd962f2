"""Run a stage of the pipeline: its lock, its log, its errors and its run time.

Run times are kept for `face-occlusion plan`, in one small file per stage and profile, so that
stages that run at the same time never write the same file. DVC does not track their folder.
"""

import argparse
import contextlib
import errno
import gc
import json
import logging
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock
import psutil

from face_occlusion.core.files import atomic_write, errors_name, expected_failures
from face_occlusion.core.params import read_section, read_yaml

FOLDER = Path(".scratch/timings")
KEPT = 5  # run times of a stage that are kept
LOCKS = Path(".scratch/locks")
_held = contextlib.ExitStack()  # until this process ends
STAGE_VARIABLE = "DVC_STAGE"  # DVC tells each command the name of its stage

# What PyTorch, oneDNN and MKL read when they are loaded, to choose kernels that every x86-64
# processor with AVX2 has: by default each processor gets its own, which round in their own ways.
PORTABLE_KERNELS = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "COMPATIBLE",
}


def choose_cpu_kernels(path: Path, section: str) -> None:
    """Have PyTorch compute with the kernels that a parameter file's section names as `cpu_kernels`.

    `portable` gives the same bits on every x86-64 processor with AVX2, `fast` leaves the choice to
    PyTorch; the section's dataclass refuses another name. Call it before PyTorch is imported;
    variables that the user has set are left unchanged.
    """
    if read_section(path, f"{section}.cpu_kernels") == "portable":
        for name, value in PORTABLE_KERNELS.items():
            os.environ.setdefault(name, value)


def stage_arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse a stage's arguments, and lock `out` (or `out/RUN`) until this process ends.

    If another process is writing it, that is a ValueError; if this user may not, an OSError.
    """
    arguments = parser.parse_args()
    if os.environ.get("RANK", "0") == "0":  # torchrun's other processes write nothing
        out = arguments.out / getattr(arguments, "run", "")  # of several in one folder
        if not os.access(next(path for path in (out, *out.parents) if path.is_dir()), os.W_OK):
            raise PermissionError(errno.EACCES, "may not be written", str(out))  # not hours later
        name = os.path.relpath(out).replace(os.sep, "_")
        _held.enter_context(sole_process(LOCKS / f"{name}.lock", f"{out}: being made"))
    return arguments


@contextlib.contextmanager
def sole_process(lock: Path, what: str) -> Iterator[None]:
    """Hold a lock, which the system frees when the process ends, even by `kill -9`.

    The lock's folder is made; a process may hold the same lock several times. If another process
    holds it, the ValueError begins with `what`.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        held = filelock.FileLock(lock.absolute(), timeout=0, is_singleton=True).acquire()
    except filelock.Timeout as error:
        raise ValueError(
            f"{what} by another process (lock {lock}); wait for it, or stop it and run again"
        ) from error
    with held:
        yield


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's `main`; report an expected failure in one line, with exit status 1."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it lists the tables of fonts
    # Read when PyTorch is loaded: threads that wait sleep. Spinning, two trainings on the same
    # cores take several times as long as one after the other.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with expected_failures():
        main()
    record_time(time.time() - psutil.Process().create_time())  # loading the libraries included
    gc.freeze()  # else Python takes a second to look for cycles among the libraries' objects


def record_time(seconds: float) -> None:
    """Record the run time of DVC's stage, in torchrun's first process; do nothing without DVC."""
    if (stage := os.environ.get(STAGE_VARIABLE)) and os.environ.get("RANK", "0") == "0":
        keep_time(Path(), stage, seconds)


def keep_time(root: Path, stage: str, seconds: float) -> None:
    """Record the run time of a stage in the current profile, next to those of its last runs."""
    path = root / FOLDER / profile_of(root) / f"{stage.replace('/', '_')}.json"
    earlier: list[float] = []
    with contextlib.suppress(FileNotFoundError, ValueError):  # a damaged record is replaced:
        earlier = _read(path)[1]  # it only serves estimates, and the stage has ended well
    recent = [*earlier, round(seconds, 2)][-KEPT:]
    atomic_write(path, json.dumps({"stage": stage, "seconds": recent}))


def profile_of(root: Path) -> str:
    """Return the current profile, as params.yaml names it; `none` where it names none."""
    params = root / "params.yaml"
    return read_yaml(params).get("profile", "none") if params.is_file() else "none"


def read_times(root: Path) -> dict[str, float]:
    """Return the run time in seconds of every stage in the current profile, the median of its last.

    Of an even number it is the lower of the middle two, so that one run on a busy machine does not
    count. An unreadable record is a ValueError that names the file.
    """
    folder = root / FOLDER / profile_of(root)
    records = map(_read, sorted(folder.glob("*.json")))
    return {stage: statistics.median_low(seconds) for stage, seconds in records}


def _read(path: Path) -> tuple[str, list[float]]:
    wrong = (ValueError, KeyError, TypeError)
    with errors_name(f"{path}: not a run time written by a stage; delete the file", *wrong):
        record: dict[str, Any] = json.loads(path.read_text())
        found = record["seconds"]  # of one run, as written earlier, or of several
        return record["stage"], [*map(float, found if isinstance(found, list) else [found])]
