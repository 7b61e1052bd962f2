"""Run a command in a process group of its own, and leave nothing of it behind.

`python -I guard.py SECONDS COMMAND...`, with a pipe as standard input that only the starting
process can write to. Its end, however it comes, closes the pipe: the group is then terminated, and
killed SECONDS later. `kill -9` of DVC alone would leave the trainer alive; here whatever outlives
the command goes the same way.

The first SIGINT, SIGTERM or SIGHUP is passed to the whole group; at the second the group is killed.
Only the standard library: this starts before every job.
"""

import contextlib
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
    while child.poll() is None:
        if select.select([sys.stdin], [], [], _TICK)[0]:  # nobody writes: this is the end
            return _status(_end_group(child, seconds))
        for number in received[passed_on:]:
            _signal_group(child.pid, signal.SIGKILL if passed_on else number)
            passed_on += 1
    return _status(_end_group(child, seconds))


def _end_group(child: "subprocess.Popen[bytes]", seconds: float) -> int:
    """Terminate what is left of the group, then kill it; return the command's status."""
    deadline = time.monotonic() + seconds
    number = signal.SIGTERM
    while _signal_group(child.pid, number):
        child.poll()
        time.sleep(_TICK)
        number = signal.SIGKILL if time.monotonic() > deadline else 0
        if time.monotonic() > deadline + 1:
            break  # what is dead and waits for its parent still counts as a member
    return child.wait()


def _signal_group(group: int, number: int) -> bool:
    """Send a signal, 0 for none; return whether the group had members."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
        return True
    return False


def _status(returncode: int) -> int:
    return returncode if returncode >= 0 else 128 - returncode


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
