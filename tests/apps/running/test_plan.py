import json

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from face_occlusion.apps.commands.pipeline import plan
from face_occlusion.apps.running.pipeline import Stage, read_pipeline
from face_occlusion.apps.running.plan import (
    Cost,
    by_urgency,
    elapsed,
    estimate,
    format_bytes,
    format_seconds,
)
from face_occlusion.core.stage import read_times, record_time


def stage(name, *upstream, reason="changed: x", restorable=False, size=None):
    return Stage(
        name=name, upstream=upstream, reason=reason, restorable=restorable, size=size, travels=True
    )


def costs_of(seconds, upstream):
    """Costs of stages by name."""
    return {
        name: Cost(
            stage=stage(name, *upstream.get(name, ())), seconds=value, basis="recorded", size=1
        )
        for name, value in seconds.items()
    }


@pytest.fixture
def built(project):
    project.environment["STEP_MEET"] = "0"
    project.dvc("repro")
    return project


def invoke(*arguments):
    app = typer.Typer()
    app.command()(plan)
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def snapshot(folder):
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.slow
def test_the_plan_is_transitive_and_changes_nothing(built, monkeypatch):
    folder = built.folder
    assert "all 5 stages are up to date" in invoke()
    for name, seconds in (("first", 3.0), ("middle@a", 20.0), ("middle@c", 60.0)):
        monkeypatch.setenv("DVC_STAGE", name)
        record_time(seconds)

    step = folder / "step.py"
    old = step.read_text()
    step.write_text(old + "# changed\n")
    before = snapshot(folder)
    record = json.loads(invoke("--json", "--jobs", "2"))
    text = invoke("--jobs", "2")
    assert {path for path in before if snapshot(folder)[path] != before[path]} == set()

    stages = {entry["name"]: entry for entry in record["stages"]}
    assert list(stages) == ["first", "middle@a", "middle@b", "middle@c", "last"]
    assert stages["first"]["because"] == "changed: step.py"
    assert stages["middle@a"]["because"] == "follows first"
    assert stages["middle@b"] | {"because": ""} == {
        "name": "middle@b",
        "because": "",
        "seconds": 40.0,  # the median of its like
        "from": "similar",
        "bytes": 6,
    }
    assert (stages["last"]["seconds"], stages["last"]["from"]) == (None, "unknown")
    assert record["seconds_serial"] == 3 + 20 + 40 + 60
    assert record["seconds_elapsed"] == 3 + 60  # a, then b, beside c
    assert record["num_untimed"] == 1
    assert "5 of 5 stages: > 2 min 3 s one after another, > 1 min 3 s with 2 jobs" in text
    assert "3 of 3" in text and "changed: step.py" in text

    step.write_text(old)  # what was there before is in the cache
    (folder / "first.txt").unlink()
    (first, *rest) = [s for s in read_pipeline(folder).values() if s.stale]
    assert (first.name, first.restorable) == ("first", True)
    assert first.reason == "not as recorded: first.txt"
    assert {s.reason for s in rest} == {"follows first", "follows middle@a and 2 more"}


@pytest.mark.slow
def test_what_the_run_cache_holds_is_restored(built):
    step = built.folder / "step.py"
    old = step.read_text()
    step.write_text(old + "# changed\n")
    built.environment["STEP_MEET"] = "0"
    built.dvc("repro", "first")
    step.write_text(old)
    pipeline = read_pipeline(built.folder)
    costs = estimate(pipeline, {"first": 99.0})
    assert pipeline["first"].reason == "changed: step.py"
    assert (costs["first"].seconds, costs["first"].basis) == (0.0, "restored")


def test_a_pipeline_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ValueError, match="DVC cannot read the pipeline"):
        read_pipeline(tmp_path)


def test_an_unknown_group_is_unknown_and_a_known_one_has_its_median():
    stages = {
        "make@a": stage("make@a", reason=None, size=10),
        "make@b": stage("make@b", size=None),
        "other": stage("other"),
    }
    costs = estimate(stages, {"make@a": 4.0, "make@gone": 8.0})
    assert (costs["make@b"].seconds, costs["make@b"].size) == (6.0, 10)
    assert (costs["other"].seconds, costs["other"].size) == (None, None)
    assert "make@a" not in costs  # fresh


def test_the_longest_branch_comes_first():
    seconds = {"a": 1.0, "b": 5.0, "after_a": 9.0, "after_b": 1.0}
    costs = costs_of(seconds, {"after_a": ("a",), "after_b": ("b",)})
    assert by_urgency(costs) == ["a", "after_a", "b", "after_b"]
    assert elapsed(costs, 1) == 16 and elapsed(costs, 2) == 10


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8), st.data(), st.integers(1, 4))
def test_elapsed_time_lies_between_its_bounds(values, data, jobs):
    names = [f"s{number}" for number in range(len(values))]
    upstream = {
        name: tuple(data.draw(st.sets(st.sampled_from(names[:number]))))
        for number, name in enumerate(names)
        if number
    }
    costs = costs_of(dict(zip(names, values, strict=True)), upstream)
    path: dict[str, float] = {}
    for name in names:
        path[name] = costs[name].seconds + max((path[n] for n in upstream.get(name, ())), default=0)
    took = elapsed(costs, jobs)
    slack = 1e-6
    assert max(sum(values) / jobs, *path.values(), 0) - slack <= took <= sum(values) + slack
    # Graham 1966: no list schedule is worse than this
    assert took <= sum(values) / jobs + (1 - 1 / jobs) * max(path.values()) + slack
    order = by_urgency(costs)
    assert all(
        order.index(b) < order.index(n) or path[n] == path[b]
        for n in order
        for b in upstream.get(n, ())
    )


def test_times_are_kept_by_stage_and_profile(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record_time(1.0)  # outside DVC: not kept
    assert read_times(tmp_path) == {}
    monkeypatch.setenv("DVC_STAGE", "train@x")
    record_time(1.5)
    (tmp_path / "params.yaml").write_text("profile: paper\n")
    assert read_times(tmp_path) == {}
    record_time(7.0)
    record_time(8.0)
    assert read_times(tmp_path) == {"train@x": 8.0}
    (tmp_path / ".scratch/timings/paper/train@x.json").write_text("{")
    with pytest.raises(ValueError, match=r"train@x\.json: not a run time written"):
        read_times(tmp_path)


def test_durations_and_sizes_read_well():
    assert [format_seconds(s) for s in (0.4, 59.6, 200, 18_650)] == [
        "0 s",
        "1 min 0 s",
        "3 min 20 s",
        "5 h 10 min",
    ]
    assert [format_bytes(b) for b in (999, 1400, 320_000, 1.4e9, 3e12)] == [
        "999 B",
        "1.4 kB",
        "320 kB",
        "1.4 GB",
        "3.0 TB",
    ]
