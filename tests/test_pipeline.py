"""The pipeline's description against its code: dependencies, grid, profiles."""

import ast
import fnmatch
import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from face_occlusion.apps.profiles import compose, profile_names
from tests.conftest import ROOT

PROFILES = ROOT / "profiles"
STAGES = (
    "download",
    "corrections",
    "faces",
    "occluders",
    "superresolution",
    "benchmarks",
    "generate",
    "train",
    "evaluate",
    "overlap",
    "report",
)
COMBINATIONS = 9
MODELS = 3


def read_yaml(text: str):
    return YAML(typ="safe").load(text)


def stage_body(name: str) -> dict:
    stage = read_yaml((ROOT / "dvc.yaml").read_text())["stages"][name]
    return stage.get("do", stage)


def module_file(name: str) -> Path | None:
    """Return the file of a project module, or None for anything else."""
    base = ROOT / name.replace(".", "/")
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def imported_names(path: Path) -> set[str]:
    """Return every module a file names in an import, inside functions too."""
    names = set()
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parent = package.split(".")[: len(package.split(".")) - node.level + 1]
            module = (
                ".".join([*parent, node.module or ""]).strip(".") if node.level else node.module
            )
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def import_closure(entry: Path) -> set[Path]:
    """Return the project files a stage reaches by import, packages' `__init__` included."""
    found: set[Path] = set()
    waiting = [entry]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        for name in imported_names(path):
            parts = name.split(".")
            for length in range(1, len(parts) + 1):
                if file := module_file(".".join(parts[:length])):
                    waiting.append(file)
    return found


def code_deps(name: str) -> list[Path]:
    return [
        ROOT / dep
        for dep in stage_body(name)["deps"]
        if dep.split("/")[0] in ("stages", "face_occlusion")
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_deps_are_the_import_closure(stage):
    closure = import_closure(ROOT / "stages" / f"{stage}.py")
    closure -= {
        ROOT / "face_occlusion" / "__init__.py",
        ROOT / "stages" / "__init__.py",
    }  # docstrings
    deps = code_deps(stage)
    missing = {p for p in closure if not any(p == d or d in p.parents for d in deps)}
    assert not missing, f"{stage}: add to deps {sorted(str(p.relative_to(ROOT)) for p in missing)}"
    idle = [d for d in deps if not any(p == d or d in p.parents for p in closure)]
    assert not idle, f"{stage}: never imported {[str(d.relative_to(ROOT)) for d in idle]}"


def test_closure_sees_imports_inside_functions_and_of_submodules():
    closure = import_closure(ROOT / "face_occlusion" / "apps" / "commands" / "pipeline.py")
    assert ROOT / "face_occlusion" / "apps" / "profiles.py" in closure


@pytest.mark.parametrize("profile", profile_names(PROFILES))
def test_every_profile_has_the_grid_of_table_4(profile):
    params = read_yaml(compose(PROFILES, profile))
    assert params["profile"] == profile
    assert len(params["models"]) == MODELS
    assert len(params["combinations"]) == COMBINATIONS
    assert len(params["generate"]) == 5
    runs = params["runs"].values()
    cells = {(row["model"], row["combination"]["title"]) for row in runs}
    assert len(cells) == MODELS * COMBINATIONS
    seeds = {(row["model"], row["combination"]["title"], row.get("seed")) for row in runs}
    assert len(seeds) == len(runs)


@pytest.mark.parametrize("profile", profile_names(PROFILES))
def test_runs_are_named_after_their_model_and_combination(profile):
    params = read_yaml(compose(PROFILES, profile))
    for name, row in params["runs"].items():
        cell, _, seed = name.partition("__seed")
        assert row["combination"] == params["combinations"][cell.removeprefix(row["model"] + "_")]
        assert row.get("seed") == (int(seed) if seed else None)


@pytest.mark.parametrize("profile", profile_names(PROFILES))
def test_every_part_of_a_combination_is_made_by_a_stage(profile):
    params = read_yaml(compose(PROFILES, profile))
    made = {"none", "faces/wo", "faces/o"} | {f"sets/{name}" for name in params["generate"]}
    for combination in params["combinations"].values():
        assert len(combination["data"]) == 4
        assert set(combination["data"]) <= made


def test_matrix_keys_have_no_dash():
    params = read_yaml(compose(PROFILES, "paper"))
    for section in ("sources", "benchmarks", "generate", "models", "combinations", "runs"):
        assert not fnmatch.filter(params[section], "*-*"), section


def test_the_tracked_parameters_are_a_profile():
    current = read_yaml((ROOT / "params.yaml").read_text())
    assert any(current == read_yaml(compose(PROFILES, name)) for name in profile_names(PROFILES))


def test_every_stage_has_a_description():
    for stage in STAGES:
        assert stage_body(stage)["desc"]


def test_the_curves_of_every_run_are_drawn():
    """One table holds the curves of every run (see the tests of charts); a line for each."""
    plots = read_yaml((ROOT / "dvc.yaml").read_text())["plots"]
    drawn = {title: body for plot in plots for title, body in plot.items()}
    for title, curve in (
        ("training loss", "loss"),
        ("mIoU on RealOcc while training", "realocc_miou"),
    ):
        assert drawn[title]["x"] == "step"
        assert drawn[title]["y"] == {"reports/plots/curves.csv": curve}
        template = (ROOT / ".dvc" / "plots" / f"{drawn[title]['template']}.json").read_text()
        assert json.loads(template)["spec"]["encoding"]["detail"] == {"field": "run"}
