"""What a change makes stale, read from the stages as DVC resolves them."""

import subprocess
from collections import Counter
from collections.abc import Iterable

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from face_occlusion.core.params import read_section
from tests.conftest import ROOT
from tests.tiny import profile


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


def test_the_grid_has_27_runs_and_84_stages(stages):
    several = {"download": 9, "occluders": 5, "benchmarks": 5, "generate": 5}
    several |= {"train": 27, "evaluate": 27}
    once = ("corrections", "faces", "superresolution", "combine", "overlap", "reports")
    assert kinds(stages) == several | dict.fromkeys(once, 1)
    locked = YAML(typ="safe").load(ROOT / "dvc.lock")["stages"]
    assert set(locked) <= set(stages)


RERUN = YAML(typ="safe").load(ROOT / "tests" / "reruns.yaml")


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
    published = YAML(typ="safe").load(ROOT / "dvc.yaml")["artifacts"].values()
    assert {artifact["path"] for artifact in published} <= set(cached)
    with Repo(str(ROOT)) as repo:  # sets that are added beside those of stages are found
        for folder in ("data/faces", "data/benchmarks"):
            ignored = [repo.scm.is_ignored(f"{ROOT}/{folder}/{end}") for end in ("", "a.dvc", "a")]
            assert ignored == [False, False, True]
