"""Processes that run one stage after another, as `bench.replicate --keep` uses them.

A stage in a process of its own imports PyTorch and MMSegmentation anew, and traces its network for
the compiler anew: on a GPU that takes longer than 500 small steps. Here a process that has done so
runs the next `python -m stages.NAME ARGUMENTS` as it is, by `runpy`. A stage that fails in an
unforeseen way ends its process; the next one starts another.
"""

import gc
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

PROGRAMS = 4096  # most compiled programs of one function: of all networks that a process trains


class Kept:
    """A process on this machine that takes one command after another; it ends with this one."""

    def __init__(self, environment: Mapping[str, str], root: Path) -> None:
        """Start it in the folder `root`, with `environment` added to this process's variables."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.kept"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=root,
            env=os.environ | dict(environment),
            start_new_session=True,  # Ctrl-C in a terminal reaches the scheduler alone
        )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)

    def ask(self, command: Sequence[str], log: Path) -> None:
        """Send a command, whose output goes into a new file `log`."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([list(command), str(log)]).encode() + b"\n")
        self.process.stdin.flush()

    def status(self) -> int | None:
        """Return the command's exit status, or that of the process if it has ended; None before."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return int(line) if line else self.process.poll()


class KeptJob:
    """A stage in a kept process: a `Job` of `face_occlusion.apps.running.jobs`."""

    def __init__(self, kept: Kept, command: Sequence[str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log, self._kept, self._status = log, kept, None
        kept.ask(command, log)

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        if self._status is None:
            self._status = self._kept.status()
        return self._status

    def send_signal(self, sig: int, /) -> None:
        """Pass a signal to the process, which ends it and the stage."""
        self._kept.process.send_signal(sig)


def main() -> None:
    """Run the commands of standard input; write a line with each one's exit status."""
    with os.fdopen(os.dup(1), "w") as answers:  # stages write to 1 and 2, which become their logs
        for line in sys.stdin:
            command, log = json.loads(line)
            print(run(command, Path(log)), file=answers, flush=True)


def run(command: Sequence[str], log: Path) -> int:
    """Run `python -m NAME ARGUMENTS` here; return its exit status.

    Raises:
        ValueError: If the command is another one.
    """
    if list(command[:2]) != ["python", "-m"]:
        raise ValueError(f"must be `python -m NAME ARGUMENTS`; got {' '.join(command)}")
    with log.open("wb") as file:
        _redirect(file)
    status = 0
    sys.argv = list(command[2:])
    try:
        runpy.run_module(command[2], run_name="__main__", alter_sys=True)
    except SystemExit as ended:  # as a stage reports a failure that it expects
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    sys.stdout.flush()
    if "torch" in sys.modules:
        _forget()
    return status


def _redirect(file: IO[bytes]) -> None:
    for number in (1, 2):
        os.dup2(file.fileno(), number)


def _forget() -> None:
    """Free the GPU's memory of a network and undo its settings; any number may be compiled."""
    import torch

    gc.unfreeze()  # which a stage leaves frozen as it ends
    gc.collect()  # a network and its recorded step name each other
    torch.cuda.empty_cache()
    torch.backends.cudnn.benchmark = False  # else scoring tries all kernels at each new size
    for name in ("recompile_limit", "accumulated_recompile_limit"):
        setattr(torch._dynamo.config, name, PROGRAMS)


if __name__ == "__main__":
    main()
