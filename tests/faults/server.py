"""Start stages by forking a process that has imported what they need, as DVC starts them else.

Reads one order a line, as JSON, and answers each with one line: `start` with the process's id,
`poll` with its exit status, or null while it runs. Imports would be nine tenths of the time.
"""

import atexit
import faulthandler
import gc
import importlib
import json
import os
import resource
import runpy
import signal
import sys
import time
from pathlib import Path
from typing import Any

from face_occlusion.core.params import read_yaml


def start(order: dict[str, Any]) -> dict[str, Any] | None:
    """Fork; return the order in the child, which then leads a session of its own."""
    if pid := os.fork():
        print(pid, flush=True)
        return None
    os.setsid()
    os.environ["TZ"] = f"XXX{os.getpid() % 24}"  # each stage's own, which no output may show
    time.tzset()
    os.chdir(order["folder"])
    for descriptor, path in enumerate((os.devnull, os.devnull, order["errors"])):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), descriptor)
    faulthandler.register(signal.SIGUSR1)  # asked where it waits, if it waits for ever
    if order["alone"]:  # one worker for one core: the stage itself
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if largest := order["largest_file"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    return order


def serve() -> dict[str, Any] | None:
    """Answer orders; return one in the process that shall carry it out."""
    for line in sys.stdin:
        order = json.loads(line)
        if "poll" in order:
            ended, status = os.waitpid(order["poll"], os.WNOHANG)
            print(json.dumps(os.waitstatus_to_exitcode(status) if ended else None), flush=True)
        elif mine := start(order):
            return mine
    return None


if __name__ == "__main__":
    for name in read_yaml(Path(__file__).with_suffix(".yaml")):
        importlib.import_module(name)
    gc.freeze()  # else each child looks through all of this for cycles, and copies it
    if (todo := serve()) is not None:
        sys.argv = [todo["stage"], *todo["arguments"]]
        status: Any = 0
        try:
            runpy.run_module(f"stages.{todo['stage']}", run_name="__main__", alter_sys=True)
        except SystemExit as stop:
            status = stop.code
        atexit._run_exitfuncs()
        os._exit(status or 0)  # taking apart all that was imported would be half of the time
