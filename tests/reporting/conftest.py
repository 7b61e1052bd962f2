"""One made-up project and its report for all tests of the report."""

from pathlib import Path

import pytest

from face_occlusion.reporting.grid import Grid
from face_occlusion.reporting.inputs import ReportInputs, gather
from face_occlusion.reporting.report import all_tables
from tests.conftest import once
from tests.reporting.project import sections, write_project
from tests.tiny import run_stage


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    return once(tmp_path_factory, "project", write_project), sections()


@pytest.fixture(scope="session")
def inputs(project) -> ReportInputs:
    root, made = project
    return gather(made, *paths(root))


def paths(root: Path) -> list[Path]:
    """Return what `gather` reads; nobody has scored another network."""
    return [root / name for name in ("scores", "models", "data", "overlap.json", "other")]


@pytest.fixture(scope="session")
def made_tables(inputs):
    return all_tables(inputs)


@pytest.fixture(scope="session")
def grid(inputs) -> Grid:
    return inputs.grid


@pytest.fixture(scope="session")
def runs(grid):
    """The scores of every run by its name."""
    return {runs[0].run: runs[0] for runs in grid.runs.values()}


@pytest.fixture(scope="session")
def regrid(grid):
    """Build the grid of other runs."""
    return lambda runs: Grid(grid.axes, runs, grid.params)


@pytest.fixture(scope="session")
def report(project, tmp_path_factory):
    """The folder that the stage wrote, with a file in it that another stage wrote.

    That it writes the same bytes elsewhere is tested in tests/faults.
    """

    def write(out):
        (out / "scores").mkdir(parents=True)
        (out / "scores" / "kept.json").write_text("{}")
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(project[0])
            run_stage("reports", "scores", "models", "data", "overlap.json", "other", str(out))

    return once(tmp_path_factory, "report", write)
