"""Which package may import which: the contracts in pyproject.toml, and that they can fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    env = {"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def test_packages_import_downwards_and_in_no_circle():
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "planted", "named"),
    [
        ("core/classes.py", "import face_occlusion.apps.cli", "not allowed to import"),
        ("networks/loss.py", "import face_occlusion.evaluation.metrics", "not allowed to import"),
        (
            "core/files.py",
            "def f():\n    from face_occlusion.core import imageset",
            "No cycles are allowed in face_occlusion.core",
        ),
    ],
)
def test_a_planted_import_breaks_a_contract(tmp_path, module, planted, named):
    shutil.copytree(ROOT / "face_occlusion", tmp_path / "face_occlusion")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "face_occlusion" / module).open("a") as file:
        file.write(f"\n{planted}\n")
    result = lint_imports(tmp_path)
    assert result.returncode == 1
    assert named in result.stdout
