import dataclasses
import shutil

import pytest
from ruamel.yaml import YAML

from stages import report


@pytest.fixture
def checkout(project, tmp_path, monkeypatch):
    """A working folder with params.yaml, and a copy of the made-up project's small files."""
    root, made = project
    for name in ("data", "models", "scores"):
        shutil.copytree(root / name, tmp_path / name)
    shutil.copy(root / "overlap.json", tmp_path)
    sections = dataclasses.asdict(made)
    YAML().dump(sections, tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    folders = ["scores", "models", "data", "overlap.json", "reports"]
    monkeypatch.setattr("sys.argv", ["report", *folders])
    return tmp_path


def test_stage_writes_the_report_from_params_yaml(checkout):
    report.main()
    assert (checkout / "reports" / "index.html").stat().st_size > 50_000
    assert (checkout / "reports" / "tables" / "table4.csv").is_file()


def test_stage_names_a_card_that_is_missing(checkout):
    (checkout / "models" / "pspnet_c_wo" / "card.json").unlink()
    with pytest.raises(ValueError, match=r"pspnet_c_wo/card\.json: no such file"):
        report.main()
    assert not (checkout / "reports").exists()
