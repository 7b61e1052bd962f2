"""The tiny pipeline, run once to the end."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.chain import CHAIN, Stage, serving, write_params


@pytest.fixture(scope="session")
def server() -> Iterator[Callable[..., Any]]:
    with serving() as ask:
        yield ask


@pytest.fixture(scope="session")
def seconds() -> dict[str, float]:
    """How long each step of `made` took."""
    return {}


@pytest.fixture(scope="session")
def made(
    server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory, seconds: dict[str, float]
) -> Path:
    """A folder in which every stage of the chain has run undisturbed."""
    folder = tmp_path_factory.mktemp("chain") / "made"
    write_params(folder)
    for name in CHAIN:
        begun = time.monotonic()
        status, errors = Stage(server, folder, name, alone=True).finish()
        seconds[name] = time.monotonic() - begun
        assert status == 0, f"{name}: {errors[-2000:]}"
    return folder
