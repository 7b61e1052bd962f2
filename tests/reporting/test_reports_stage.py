import dataclasses
import shutil

import pytest
from ruamel.yaml import YAML

from stages import reports as stage
from tests.conftest import files_of


@pytest.fixture
def checkout(project, tmp_path, monkeypatch):
    """A working folder with params.yaml, and a copy of the made-up project's small files."""
    root, made = project
    for name in ("data", "models", "scores"):
        shutil.copytree(root / name, tmp_path / name)
    shutil.copy(root / "overlap.json", tmp_path)
    YAML().dump(dataclasses.asdict(made), tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    folders = ["scores", "models", "data", "overlap.json", "other", "reports"]
    monkeypatch.setattr("sys.argv", ["reports", *folders])
    return tmp_path


def test_stage_writes_the_same_bytes_from_params_yaml_elsewhere(checkout, report):
    stage.main()
    written, expected = (
        {name: data for name, data in files_of(folder).items() if not name.startswith("scores/")}
        for folder in (checkout / "reports", report)
    )
    assert len(expected) > 80 and written.keys() == expected.keys()
    assert [name for name in expected if written[name] != expected[name]] == []


def test_stage_names_a_card_that_is_missing(checkout):
    (checkout / "models" / "pspnet_c_wo" / "card.json").unlink()
    with pytest.raises(ValueError, match=r"pspnet_c_wo/card\.json: no such file"):
        stage.main()
    assert not (checkout / "reports").exists()
