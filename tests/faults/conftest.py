"""The tiny pipeline, run once to the end."""

import time
from pathlib import Path

import pytest

from tests.faults.chain import CHAIN, finish, start, write_params


@pytest.fixture(scope="session")
def seconds() -> dict[str, float]:
    """How long each step of `made` took."""
    return {}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, seconds: dict[str, float]) -> Path:
    """A folder in which every stage of the chain has run undisturbed."""
    folder = tmp_path_factory.mktemp("chain") / "made"
    write_params(folder)
    for name in CHAIN:
        begun = time.monotonic()
        status, line = finish(start(folder, name))
        seconds[name] = time.monotonic() - begun
        assert status == 0, f"{name}: {line}"
    return folder
