"""The guard of one job, without DVC."""

import os
import signal
import subprocess
import sys
import time

import pytest

from face_occlusion.apps.running import guard
from tests.apps.running.conftest import is_alive, wait_for

GUARD = [sys.executable, "-I", guard.__file__]

# Prints its own number and that of a child that would outlive it; may ignore SIGTERM itself.
PARENT = """
import os, signal, subprocess, sys, time
if "stubborn child" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "300"])
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), child.pid, flush=True)
time.sleep(0 if "quick" in sys.argv else 300)
sys.exit(7)
"""


@pytest.fixture
def start():
    started = []
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}

    def start(*options: str, seconds: float = 5.0):
        command = [*GUARD, str(seconds), sys.executable, "-c", PARENT, *options]
        process = subprocess.Popen(command, start_new_session=True, **pipes)
        started.append(process)
        return process, [int(word) for word in process.stdout.readline().split()]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def assert_gone(pids):
    wait_for(lambda: not any(map(is_alive, pids)), f"{pids} are gone")


@pytest.mark.parametrize(
    ("option", "cause", "seconds", "status"),
    [
        ("quick", None, 5, 7),  # its status is passed on; the child outlives the command
        ("", "kill -9 of the command", 5, 128 + signal.SIGKILL),
        ("", "closed pipe", 5, 128 + signal.SIGTERM),
        ("stubborn", "closed pipe", 0.5, 128 + signal.SIGKILL),
    ],
)
def test_however_it_ends_so_do_its_children(start, option, cause, seconds, status):
    process, (parent, child) = start(option, seconds=seconds)
    if cause == "kill -9 of the command":
        os.kill(parent, signal.SIGKILL)
    elif cause == "closed pipe":
        process.stdin.close()
    assert process.wait(timeout=20) == status
    assert_gone([parent, child])


def test_a_second_signal_kills_what_outlives_the_command(start):
    process, (_, child) = start("stubborn child", "quick", seconds=300.0)
    assert process.poll() is None and is_alive(child)
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)  # two at once could arrive as one
    assert process.wait(timeout=20) == 7
    assert_gone([child])
