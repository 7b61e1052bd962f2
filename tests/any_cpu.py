"""Settings that make one machine compute like others, and a child process under each of them."""

import os
import subprocess
import sys
from collections.abc import Iterable

from numpy._core._multiarray_umath import __cpu_features__ as cpu_features

from face_occlusion.core.params import read_yaml
from tests.conftest import ROOT

# Each library chooses its kernels by itself, so one setting changes several of them at once.
SETTINGS = read_yaml(ROOT / "tests" / "any_cpu.yaml")


def outputs(module: str, settings: Iterable[str] = tuple(SETTINGS)) -> dict[str, str]:
    """Run `python -m module` under each setting that is possible here; return what each printed."""
    possible = [name for name in settings if cpu_features[SETTINGS[name]["needs"]]]
    return {name: _run(module, SETTINGS[name]["variables"]) for name in possible}


def _run(module: str, setting: dict[str, str]) -> str:
    chosen = {variable for one in SETTINGS.values() for variable in one["variables"]}
    clean = {key: value for key, value in os.environ.items() if key not in chosen}
    env = {**clean, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **setting}
    program = f"import runpy; runpy.run_module({module!r}, run_name='__main__')"
    command = [sys.executable, "-c", program]  # with -m each worker would import it again
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"python -m {module} under {setting} failed:\n{done.stderr}")
    return done.stdout
