"""Fixtures shared by all tests, and the seed of property tests."""

import contextlib
import copy
import functools
import hashlib
import operator
import os
import resource
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as stages set it: workers share the cores


class Content(bytes):
    """A file's content, shown by its hash: pytest works for hours on how megabytes differ."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes, sha256 {hashlib.sha256(self).hexdigest()[:12]}>"


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder by their relative paths."""
    files = filter(Path.is_file, folder.rglob("*"))
    return {str(path.relative_to(folder)): Content(path.read_bytes()) for path in files}


def with_changes(values: Any, changes: Mapping[str, Any]) -> Any:
    """Return nested values with others at some paths, such as `rows.0.name`; `gone` is removed."""
    values = copy.deepcopy(values)
    for path, value in changes.items():
        *outer, last = (int(key) if key.isdigit() else key for key in path.split("."))
        place = functools.reduce(operator.getitem, outer, values)
        place[last] = value
        if value == "gone":
            del place[last]
    return values


@contextlib.contextmanager
def small_files(most: int) -> Iterator[None]:
    """Let the system refuse to write larger files meanwhile, in bytes, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def processes(number: int) -> Iterator[None]:
    """Work on many items in so many processes meanwhile, as on so many cores; 1: in this one."""
    with mock.patch("face_occlusion.core.parallel.num_workers", return_value=number):
        yield


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that `make` fills, once for all worker processes; tests only read it."""
    from filelock import FileLock  # not in the light install, whose test loads this file

    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            partial = folder.with_suffix(".partial")
            make(partial)
            partial.rename(folder)
    return folder


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Give each test the same variables: children that a later test starts would inherit more."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(autouse=True)
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip a test of a GPU without one; with one, let it multiply in float32, to be compared."""
    if request.node.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a GPU")
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


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


@pytest.fixture
def invoke(monkeypatch, capsys):
    """Run `face-occlusion` with the given words, and return what it prints.

    With `status=1` it must fail, without a traceback; its error is then part of the result.
    """

    from face_occlusion.apps.cli import main

    def run(*words: object, status: int = 0) -> str:
        monkeypatch.setattr("sys.argv", ["face-occlusion", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        printed = capsys.readouterr()
        assert stopped.value.code == status, printed
        assert "Traceback" not in printed.err
        return printed.out + printed.err if status else printed.out

    return run


@pytest.fixture(scope="session")
def chromium():
    """A real browser, headless, with a made-up camera, as playwright drives it."""
    if (path := shutil.which("chromium")) is None:
        pytest.skip("no chromium on the path")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        flags = ["--no-sandbox", *camera]
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def open_tab(chromium):
    """Open a tab of a class that is a tests.browser.Tab, until the test ends."""
    opened = []

    def open_tab(kind, *arguments, **context):
        opened.append(kind(chromium, *arguments, **context))
        return opened[-1]

    yield open_tab
    for tab in opened:
        tab.context.close()


def pytest_configure(config: pytest.Config) -> None:
    """Draw fewer examples where they are the same in every run: `make test-random` draws 100."""
    if config.getoption("--hypothesis-seed", default=None) == "0":
        from hypothesis import settings  # neither is this

        settings.register_profile("the same examples", max_examples=40, deadline=None)
        settings.load_profile("the same examples")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark property tests, which `make test-random` selects; begin with the files of slow tests."""
    for item in items:
        if hasattr(getattr(item, "obj", None), "hypothesis"):
            item.add_marker("property")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)  # else one process may end minutes early


def pytest_terminal_summary(terminalreporter, exitstatus: int, config: pytest.Config) -> None:
    """Say which seed shows a failure again."""
    if exitstatus == pytest.ExitCode.TESTS_FAILED:
        seed = config.getoption("--hypothesis-seed", default=None)
        terminalreporter.write_line(f"Property tests drew from --hypothesis-seed={seed}")
