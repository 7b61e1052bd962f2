"""What a change makes stale, read from the stages as DVC resolves them."""

import re
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


def is_stale(stage, changed_params: set[str], changed_paths: set[str]) -> bool:
    """Tell whether a stage reads a changed key, or a path at or around a changed one."""
    keys = {key for dep in stage.deps if hasattr(dep, "params") for key in dep.params}
    paths = {dep.def_path for dep in stage.deps if not hasattr(dep, "params")}
    return any(
        re.match(rf"{re.escape(key)}(\.|$)", name) for key in keys for name in changed_params
    ) or any(
        path == dep or path.startswith(f"{dep}/") or dep.startswith(f"{path}/")
        for dep in paths
        for path in changed_paths
    )


def reruns(stages, changed_param: str | None = None, changed_path: str | None = None) -> list[str]:
    """Return the names of all stages that a change reaches, downstream ones included."""
    params = {changed_param} if changed_param else set()
    paths = {changed_path} if changed_path else set()
    stale: list[str] = []
    while fresh := [n for n, s in stages.items() if n not in stale and is_stale(s, params, paths)]:
        stale += fresh
        listed = changed_lists(paths) if "combine" in fresh else set()
        paths |= {out.def_path for name in fresh if name != "combine" for out in stages[name].outs}
        paths |= listed
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
    assert kinds(stages) == {
        "download": 9,
        "corrections": 1,
        "faces": 1,
        "occluders": 5,
        "superresolution": 1,
        "benchmarks": 5,
        "generate": 5,
        "combine": 1,
        "train": 27,
        "evaluate": 27,
        "overlap": 1,
        "reports": 1,
    }


def test_the_lock_holds_no_stage_that_is_gone(stages):
    locked = YAML(typ="safe").load(ROOT / "dvc.lock")["stages"]
    assert set(locked) <= set(stages)


def test_a_models_rate_reruns_its_nine_trainings(stages):
    names = reruns(stages, changed_param="models.segformer.optimizer.lr")
    assert kinds(names) == {"train": 9, "evaluate": 9, "reports": 1}
    assert all("segformer" in name for name in names if name != "reports")


def test_a_sets_parameter_reruns_the_set_and_the_runs_that_read_it(stages):
    names = reruns(stages, changed_param="generate.natocc_hand.scale_range")
    # NatOcc, Mix and C-CM + NatOcc read it, with three models each
    expected = {"generate": 1, "combine": 1, "train": 9, "evaluate": 9, "reports": 1}
    assert kinds(names) == expected
    assert "train@pspnet_c_wo" not in names
    assert "train@segformer_c_wo_mix" in names


def test_a_method_of_enlarging_reruns_no_cutting_out(stages):
    names = reruns(stages, changed_param="superresolution.method")
    assert not [name for name in names if name.startswith("occluders")]
    assert {name for name in names if name.startswith("generate")} == {"generate@natocc_object"}


def test_landmarks_by_hand_rerun_the_benchmarks_and_corrections_the_faces(stages):
    names = reruns(stages, changed_path="annotations/landmarks/cofw.csv")
    assert kinds(names)["benchmarks"] == 5
    assert "faces" not in names
    names = reruns(stages, changed_path="annotations/corrections/labelme/24.json")
    assert {"corrections", "faces"} <= set(names)
    assert "benchmarks" not in kinds(names)


def test_a_figures_colour_reruns_the_report_alone(stages):
    assert reruns(stages, changed_param="report.figures.mask_colour") == ["reports"]
    assert reruns(stages, changed_path="face_occlusion/reporting/figures.py") == ["reports"]


def test_the_commands_rerun_nothing_and_the_miniature_its_own_profile_alone(stages):
    assert reruns(stages, changed_path="face_occlusion/apps/cli.py") == []
    changed = "face_occlusion/miniature/hair.py"
    assert "download" in kinds(reruns(stages, changed_path=changed))
    for name in ("small", "paper"):
        assert not changed.startswith(profile(name)["download"]["drawn_by"])


def test_the_occluded_faces_reach_only_the_combinations_that_hold_them(stages):
    trained = [n for n in reruns(stages, changed_path="data/faces/o") if n.startswith("train")]
    assert len(trained) == 4 * 3  # C-Original, C-CM, and C-CM with two synthetic sets
    assert not [name for name in trained if "c_wo" in name]


def test_expensive_outputs_are_cached(stages):
    uncached = {o.def_path for s in stages.values() for o in s.outs if not o.use_cache}
    assert uncached <= {"reports/tables", "reports/plots", "reports/metrics.json"}


def test_networks_that_are_published_are_what_a_training_writes(stages):
    published = YAML(typ="safe").load(ROOT / "dvc.yaml")["artifacts"].values()
    outs = {out.def_path for stage in stages.values() for out in stage.outs}
    assert {artifact["path"] for artifact in published} <= outs


def test_git_ignores_what_dvc_would_otherwise_list_in_a_gitignore_of_its_own(stages):
    outs = [o.def_path for s in stages.values() for o in s.outs if o.use_cache]
    ignored = subprocess.run(["git", "check-ignore", *outs], cwd=ROOT, capture_output=True)
    assert outs and ignored.stdout.decode().split() == outs


def test_dvc_finds_sets_that_are_added_beside_those_of_stages():
    with Repo(str(ROOT)) as repo:
        for folder in ("data/faces", "data/benchmarks"):
            ignored = [repo.scm.is_ignored(f"{ROOT}/{folder}/{end}") for end in ("", "a.dvc", "a")]
            assert ignored == [False, False, True]
