"""Programs, run as users run them, with nobody's own settings of git and DVC."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

BIN = Path(sys.executable).parent


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def user_environment() -> dict[str, str]:
    """Return the variables of a user's shell; those of Ray are each test's own."""
    kept = {name: os.environ[name] for name in os.environ if not name.startswith("RAY_")}
    for who in ("AUTHOR", "COMMITTER"):
        kept |= {f"GIT_{who}_NAME": "t", f"GIT_{who}_EMAIL": "t@example.org"}
    return kept | {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "DVC_NO_ANALYTICS": "1",
        "OMP_NUM_THREADS": "1",
    }


def call(folder: Path, *command: str, fails: bool = False, **variables: str) -> str:
    """Run a program, which must fail or must not, and return what it prints, errors last."""
    setting = {"cwd": folder, "env": user_environment() | variables, "timeout": 120}
    done = subprocess.run(command, capture_output=True, text=True, **setting)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr
