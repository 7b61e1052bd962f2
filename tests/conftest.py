"""Fixtures shared by all tests."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference vectors and real photographs beside the checkout."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("no folder `shared` beside the checkout: reference vectors are not here")
    return folder


@pytest.fixture(scope="session")
def small(shared: Path) -> Path:
    """Real photographs in the layouts of the public releases."""
    folder = shared / "data" / "small"
    if not folder.is_dir():
        pytest.skip("no `shared/data/small` beside the checkout: real photographs are not here")
    return folder
