"""Which package may import which: the contracts in pyproject.toml, and that they can fail."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    env = {"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def test_packages_import_downwards_and_in_no_circle():
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout


PLANTED = {
    "core/classes.py": "import face_occlusion.apps.cli",
    "networks/loss.py": "import face_occlusion.evaluation.metrics",
    "core/files.py": "def f():\n    from face_occlusion.core import imageset",
}


def test_each_planted_import_breaks_a_contract(tmp_path):
    shutil.copytree(ROOT / "face_occlusion", tmp_path / "face_occlusion")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for module, planted in PLANTED.items():
        with (tmp_path / "face_occlusion" / module).open("a") as file:
            file.write(f"\n{planted}\n")
    result = lint_imports(tmp_path)
    assert result.returncode == 1
    assert "core is not allowed to import face_occlusion.apps" in result.stdout
    assert "networks is not allowed to import face_occlusion.evaluation" in result.stdout
    assert "No cycles are allowed in face_occlusion.core." in result.stdout
