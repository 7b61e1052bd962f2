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


@pytest.mark.parametrize("status", [0, 7])
def test_the_status_is_passed_on(status):
    command = [*GUARD, "1", "sh", "-c", f"exit {status}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.wait(timeout=20) == status


def test_kill_9_of_the_command_ends_its_children(start):
    process, (parent, child) = start()
    os.kill(parent, signal.SIGKILL)
    assert process.wait(timeout=20) == 128 + signal.SIGKILL
    assert_gone([child])


@pytest.mark.parametrize(
    ("option", "seconds", "status"),
    [
        ("quick", 5, 0),  # the child outlives the command
        ("", 5, 128 + signal.SIGTERM),
        ("stubborn", 0.5, 128 + signal.SIGKILL),
    ],
)
def test_a_closed_pipe_ends_the_group_and_kills_it_after_its_time(start, option, seconds, status):
    process, pids = start(option, seconds=seconds)
    if option != "quick":
        process.stdin.close()
    assert process.wait(timeout=20) == status
    assert_gone(pids)


def test_the_first_signal_is_passed_on_and_the_second_kills(start):
    process, (parent, child) = start("stubborn")
    process.send_signal(signal.SIGTERM)
    assert_gone([child])  # the group got it
    assert is_alive(parent)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 128 + signal.SIGKILL
    assert_gone([parent])


def test_a_second_signal_kills_what_outlives_the_command(start):
    process, (_, child) = start("stubborn child", "quick", seconds=300.0)
    assert process.poll() is None and is_alive(child)
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)  # two at once could arrive as one
    assert process.wait(timeout=20) == 0
    assert_gone([child])
