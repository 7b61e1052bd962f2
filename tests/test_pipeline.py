"""The pipeline's description: dependencies, grid, profiles, and what a change makes stale."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterable

import grimp
import pytest
from dvc.repo import Repo

from face_occlusion.apps.profiles import profile_names
from face_occlusion.core.params import read_section, read_yaml
from tests.conftest import ROOT
from tests.programs import call
from tests.tiny import profile

PROFILES = ROOT / "profiles"
DVC = read_yaml(ROOT / "dvc.yaml")
STAGES = DVC["stages"]
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
    params = read_yaml(ROOT / "params.yaml")
    assert any(params == profile(name) for name in profile_names(PROFILES))
    for section in ("sources", "benchmarks", "generate", "models", "combinations", "runs"):
        assert not [key for key in params[section] if "-" in key], section


def test_the_curves_of_every_run_are_drawn():
    """One table holds the curves of every run (see the tests of charts); a line for each."""
    plots = DVC["plots"]
    drawn = {title: body for plot in plots for title, body in plot.items()}
    titles = {"training loss": "loss", "mIoU on RealOcc while training": "realocc_miou"}
    for title, curve in titles.items():
        assert drawn[title]["x"] == "step"
        assert drawn[title]["y"] == {"reports/plots/curves.csv": curve}
        template = (ROOT / ".dvc" / "plots" / f"{drawn[title]['template']}.json").read_text()
        assert json.loads(template)["spec"]["encoding"]["detail"] == {"field": "run"}


# What a change makes stale, read from the stages as DVC resolves them


@pytest.fixture(scope="module")
def stages():
    with Repo(str(ROOT)) as repo:
        return {stage.addressing: stage for stage in repo.index.stages}


def is_stale(stage, changed: set[str]) -> bool:
    """Tell whether a stage reads a changed key of params.yaml, or a path at or around one."""
    keys = {key for dep in stage.deps if hasattr(dep, "params") for key in dep.params}
    paths = {dep.def_path for dep in stage.deps if not hasattr(dep, "params")}
    return any(
        any(name == key or name.startswith(f"{key}.") for key in keys)
        or any(name == path or name.startswith(f"{path}/") for path in paths)
        or any(path.startswith(f"{name}/") for path in paths)
        for name in changed
    )


def reruns(stages, change: str) -> list[str]:
    """Return the names of all stages that a changed key or path reaches, downstream ones too."""
    changed = {change}
    stale: list[str] = []
    while fresh := [n for n, s in stages.items() if n not in stale and is_stale(s, changed)]:
        stale += fresh
        changed |= {o.def_path for name in fresh if name != "combine" for o in stages[name].outs}
        changed |= changed_lists(changed) if "combine" in stale else set()
    return sorted(stale)


def changed_lists(paths: set[str]) -> set[str]:
    """Return the combinations that list a changed image set: the other lists keep their bytes.

    That they do is tested in tests/core/test_combination.py.
    """
    return {
        f"data/combinations/{name}.json"
        for name, entry in read_section(ROOT / "params.yaml", "combinations").items()
        if not paths.isdisjoint(f"data/{image_set}" for image_set in entry["data"])
    }


def kinds(names: Iterable[str]) -> Counter[str]:
    return Counter(name.split("@")[0] for name in names)


def test_the_grid_has_27_runs_and_85_stages(stages):
    several = {"download": 9, "occluders": 6, "benchmarks": 5, "generate": 5}
    several |= {"train": 27, "evaluate": 27}
    once = ("corrections", "faces", "superresolution", "combine", "overlap", "reports")
    assert kinds(stages) == several | dict.fromkeys(once, 1)
    locked = read_yaml(ROOT / "dvc.lock")["stages"]
    assert set(locked) <= set(stages)


RERUN = read_yaml(ROOT / "tests" / "reruns.yaml")


@pytest.mark.parametrize("change", RERUN)
def test_a_change_reruns_what_reads_it_and_nothing_else(stages, change):
    names = reruns(stages, change)
    assert kinds(names) == RERUN[change]
    if change.startswith("models"):
        assert all("segformer" in name for name in names if name != "reports")


def test_the_miniatures_code_reruns_its_own_profile_alone(stages):
    changed = "face_occlusion/miniature/hair.py"
    assert "download" in kinds(reruns(stages, changed))
    for name in ("small", "paper"):
        assert not changed.startswith(profile(name)["download"]["drawn_by"])


def test_git_and_dvc_keep_each_the_outputs_that_are_theirs(stages):
    outs = [out for stage in stages.values() for out in stage.outs]
    in_git = {out.def_path for out in outs if not out.use_cache}  # the others are expensive
    assert in_git <= {"reports/tables", "reports/plots", "reports/metrics.json"}
    cached = [out.def_path for out in outs if out.use_cache]
    ignored = subprocess.run(["git", "check-ignore", *cached], cwd=ROOT, capture_output=True)
    assert cached and ignored.stdout.decode().split() == cached  # DVC writes no .gitignore
    published = DVC["artifacts"].values()
    assert {artifact["path"] for artifact in published} <= set(cached)
    with Repo(str(ROOT)) as repo:  # sets that are added beside those of stages are found
        for folder in ("data/faces", "data/benchmarks"):
            ignored = [repo.scm.is_ignored(f"{ROOT}/{folder}/{end}") for end in ("", "a.dvc", "a")]
            assert ignored == [False, False, True]
