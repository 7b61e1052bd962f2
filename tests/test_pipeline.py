"""The pipeline's description against its code: dependencies, grid, profiles."""

import json

import grimp
import pytest
from ruamel.yaml import YAML

from face_occlusion.apps.profiles import profile_names
from tests.conftest import ROOT
from tests.programs import call
from tests.tiny import profile

PROFILES = ROOT / "profiles"
STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
COMBINATIONS = 9
MODELS = 3


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("face_occlusion", "stages", cache_dir=None)


@pytest.mark.parametrize("stage", STAGES)
def test_deps_are_the_import_closure(imports, stage):
    body = STAGES[stage].get("do", STAGES[stage])
    reached = imports.find_upstream_modules(f"stages.{stage}")
    closure = {name.split(".")[1] for name in reached if name.startswith("face_occlusion.")}
    drawn_by = profile("miniature")["download"]["drawn_by"]
    deps = [dep.replace("${download.drawn_by}", drawn_by) for dep in body["deps"]]
    code = [dep for dep in deps if dep.startswith(("stages", "face_occlusion"))]
    folders = [f"face_occlusion/{package}" for package in sorted(closure)]
    assert sorted(code) == [*folders, f"stages/{stage}.py"]
    assert len(folders) <= 5 and "apps" not in closure
    assert body["desc"]


@pytest.mark.parametrize("name", profile_names(PROFILES))
def test_every_profile_has_the_grid_of_table_4_and_names_its_cells(name):
    params = profile(name)
    assert params["profile"] == name
    assert len(params["models"]) == MODELS
    online = [key for key, row in params["combinations"].items() if row.get("online")]
    assert len(params["combinations"]) == COMBINATIONS + len(online)
    assert len(params["generate"]) == 5
    runs = params["runs"].values()
    cells = {(row["model"], row["combination"]) for row in runs}
    assert len(cells) == MODELS * (COMBINATIONS + len(online))
    for run, row in params["runs"].items():
        cell, _, seed = run.partition("__seed")
        assert cell == f"{row['model']}_{row['combination']}"
        assert row["combination"] in params["combinations"]
        assert row.get("seed") == (int(seed) if seed else None)
    made = {"faces/wo", "faces/o"} | {f"sets/{kind}" for kind in params["generate"]}
    for combination in params["combinations"].values():
        assert set(combination["data"]) <= made
        assert set(combination.get("online", ())) <= set(params["generate"])


def test_no_folder_that_a_stage_reads_is_half_there_in_a_fresh_clone():
    """What git holds there, such as a .gitignore, DVC takes for a changed folder."""
    paths = call(ROOT, "git", "ls-files").splitlines()
    assert "dvc.yaml" in paths
    assert [p for p in paths if p.startswith(("data/", "models/", "reports/scores/"))] == []


def test_the_description_is_a_page_of_a_profile_whose_keys_dvc_takes():
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) <= 220
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    assert any(params == profile(name) for name in profile_names(PROFILES))
    for section in ("sources", "benchmarks", "generate", "models", "combinations", "runs"):
        assert not [key for key in params[section] if "-" in key], section


def test_the_curves_of_every_run_are_drawn():
    """One table holds the curves of every run (see the tests of charts); a line for each."""
    plots = YAML(typ="safe").load(ROOT / "dvc.yaml")["plots"]
    drawn = {title: body for plot in plots for title, body in plot.items()}
    titles = {"training loss": "loss", "mIoU on RealOcc while training": "realocc_miou"}
    for title, curve in titles.items():
        assert drawn[title]["x"] == "step"
        assert drawn[title]["y"] == {"reports/plots/curves.csv": curve}
        template = (ROOT / ".dvc" / "plots" / f"{drawn[title]['template']}.json").read_text()
        assert json.loads(template)["spec"]["encoding"]["detail"] == {"field": "run"}
