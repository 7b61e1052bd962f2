"""Run a command or a function in its own process group, and end the whole group with it.

`python -I guard.py SECONDS COMMAND...`, with a pipe as standard input that only the starting
process holds. When that process ends, even by `kill -9`, the pipe closes: the group is then
terminated, and killed SECONDS later. Processes that outlive the command are ended the same way.

The first SIGINT, SIGTERM or SIGHUP is passed to the whole group; at the second the group is killed.
This file imports only the standard library because it is started before every job.
"""

import contextlib
import math
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TICK = 0.1  # seconds


def watch(seconds: float, pipe: int, run: Callable[[], int]) -> int:
    """Call `run` in a forked process; return its exit status, 128 + n if signal n ended it.

    `pipe` is a descriptor that becomes readable when the starting process ends.
    """
    received: list[int] = []
    child = _fork(run, received)
    status: int | None = None
    passed_on = 0
    deadline = math.inf  # when the rest of the group is killed
    while status is None or _signal_group(child, 0):
        passed_on = _pass_on(child, received, passed_on)
        closed = select.select([pipe], [], [], 0)[0]  # nothing is ever written to it
        if deadline == math.inf and (status is not None or closed):
            deadline = time.monotonic() + seconds
            if not passed_on:
                _signal_group(child, signal.SIGTERM)
        if time.monotonic() > deadline:
            _signal_group(child, signal.SIGKILL)
        if time.monotonic() > deadline + 1 or (passed_on > 1 and status is not None):
            break  # a dead process whose parent has not waited for it still counts as a member
        time.sleep(_TICK)
        if status is None and (ended := os.waitpid(child, os.WNOHANG))[0]:
            status = os.waitstatus_to_exitcode(ended[1])
    if status is None:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return 128 - status if status < 0 else status


def _fork(run: Callable[[], int], received: list[int]) -> int:
    """Call `run` in a process group of its own; return its number. Signals go into `received`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # until they can be passed on
    child = os.fork()
    if child == 0:
        _run_and_exit(run)
    with contextlib.suppress(PermissionError):  # the child did so, and runs another program now
        os.setpgid(child, child)
    for number in _SIGNALS:
        signal.signal(number, lambda received_number, _: received.append(received_number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    return child


def _run_and_exit(run: Callable[[], int]) -> None:
    status: int | None = None
    try:
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        status = run()
    finally:  # nothing of the starting process is to run on in this one
        if status is None:
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(1 if status is None else status)


def _pass_on(child: int, received: list[int], passed_on: int) -> int:
    """Pass signals on to the group but those that were; return how many now were."""
    for number in received[passed_on:]:
        _signal_group(child, signal.SIGKILL if passed_on else number)
        passed_on += 1
    return passed_on


def _signal_group(group: int, number: int) -> bool:
    """Send a signal, 0 for none; return whether the group had members."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
        return True
    return False


def _run_command() -> int:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    sys.exit(watch(float(sys.argv[1]), 0, _run_command))
