"""Run a command in its own process group, and end the whole group with it.

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
import subprocess
import sys
import time

_TICK = 0.1  # seconds


def main(seconds: float, command: list[str]) -> int:
    """Run the command; return its exit status, 128 + n if signal n ended it."""
    received: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received_number, _: received.append(received_number))
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    passed_on = 0
    deadline = math.inf  # when the rest of the group is killed
    while child.poll() is None or _signal_group(child.pid, 0):
        for number in received[passed_on:]:
            _signal_group(child.pid, signal.SIGKILL if passed_on else number)
            passed_on += 1
        closed = select.select([sys.stdin], [], [], 0)[0]  # nothing is ever written to it
        if deadline == math.inf and (child.returncode is not None or closed):
            deadline = time.monotonic() + seconds
            if not passed_on:
                _signal_group(child.pid, signal.SIGTERM)
        if time.monotonic() > deadline:
            _signal_group(child.pid, signal.SIGKILL)
        if time.monotonic() > deadline + 1 or (passed_on > 1 and child.returncode is not None):
            break  # a dead process whose parent has not waited for it still counts as a member
        time.sleep(_TICK)
    status = child.wait()
    return status if status >= 0 else 128 - status


def _signal_group(group: int, number: int) -> bool:
    """Send a signal, 0 for none; return whether the group had members."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
        return True
    return False


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
