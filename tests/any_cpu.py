"""Settings that make one machine compute like others, and a child process under each of them."""

import os
import subprocess
import sys
from collections.abc import Iterable

from numpy._core._multiarray_umath import __cpu_features__ as cpu_features

from tests.conftest import ROOT

_NO_AVX512 = "AVX512-SKX"  # as OpenCV writes it: it warns of other names, and ignores them
_NO_AVX = f"{_NO_AVX512},AVX2,FMA3,FP16,AVX"
_NO_SSE = f"{_NO_AVX},POPCNT,SSE4.2,SSE4.1,SSSE3"

# Each library chooses its kernels by itself, so one setting changes several of them at once.
SETTINGS = {
    "this machine": {},
    "Haswell": {"OPENBLAS_CORETYPE": "Haswell"},
    "no AVX-512, 3 threads": {
        "OPENBLAS_CORETYPE": "Zen",
        "OPENCV_CPU_DISABLE": _NO_AVX512,
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL",
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "3"),
    },
    "no AVX2": {
        "OPENBLAS_CORETYPE": "Sandybridge",
        "OPENCV_CPU_DISABLE": _NO_AVX,
        "OPENCV_IPP": "sse42",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA,-FMA4",
    },
    "no SSE4": {
        "OPENBLAS_CORETYPE": "Nehalem",
        "OPENCV_CPU_DISABLE": _NO_SSE,
        "OPENCV_IPP": "sse42",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX,-FMA,-FMA4",
        "JSIMD_FORCENONE": "1",
    },
}
_NEEDED = {"Haswell": "AVX2", "no AVX-512, 3 threads": "AVX2", "no AVX2": "AVX"}


def outputs(module: str, settings: Iterable[str] = tuple(SETTINGS)) -> dict[str, str]:
    """Run `python -m module` under each setting that is possible here; return what each printed."""
    possible = [name for name in settings if cpu_features[_NEEDED.get(name, "SSE3")]]
    return {name: _run(module, SETTINGS[name]) for name in possible}


def _run(module: str, setting: dict[str, str]) -> str:
    chosen = {variable for setting in SETTINGS.values() for variable in setting}
    clean = {key: value for key, value in os.environ.items() if key not in chosen}
    env = {**clean, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **setting}
    command = [sys.executable, "-m", module]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"python -m {module} under {setting} failed:\n{done.stderr}")
    return done.stdout
