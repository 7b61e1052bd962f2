"""Which package may import which: the contracts in pyproject.toml, and that they can fail."""

import shutil
from pathlib import Path

from tests.conftest import ROOT
from tests.programs import call


def lint_imports(folder: Path, **options: bool) -> str:
    variables = {"PYTHONPATH": str(folder), "COLUMNS": "200"}
    return call(folder, "lint-imports", "--no-cache", **options, **variables)


def test_packages_import_downwards_and_in_no_circle():
    assert "0 broken" in lint_imports(ROOT)


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
    printed = lint_imports(tmp_path, fails=True)
    assert "core is not allowed to import face_occlusion.apps" in printed
    assert "networks is not allowed to import face_occlusion.evaluation" in printed
    assert "No cycles are allowed in face_occlusion.core." in printed
