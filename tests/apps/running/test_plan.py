import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from face_occlusion.apps.running import plan
from face_occlusion.apps.running.jobs import make_slots, warn_of_missing
from face_occlusion.apps.running.pipeline import Stage, read_pipeline
from face_occlusion.core.stage import KEPT, read_times, record_time
from tests.conftest import files_of
from tests.tables import refuses, rows


def stage(name, upstream=(), reason="changed: x", size=None):
    state = {"reason": reason, "restorable": False, "size": size, "travels": True}
    return Stage(name=name, upstream=upstream, **state)


def costs_of(seconds, upstream):
    """Costs of stages by name."""
    costs = {}
    for name, value in seconds.items():
        made = stage(name, upstream.get(name, ()))
        costs[name] = plan.Cost(stage=made, seconds=value, basis="recorded", size=1)
    return costs


@pytest.mark.slow
def test_the_plan_is_transitive_and_changes_nothing(project, monkeypatch, invoke):
    folder = project.folder
    project.environment["STEP_MEET"] = "0"
    project.dvc("repro")
    assert "all 5 stages are up to date" in invoke("plan")
    for name, seconds in (("first", 3.0), ("train@a", 20.0), ("train@c", 60.0)):
        monkeypatch.setenv("DVC_STAGE", name)
        record_time(seconds)

    step = folder / "stages/step.py"
    old = step.read_text()
    step.write_text(old + "# changed\n")
    before = files_of(folder)
    record = json.loads(invoke("plan", "--json", "--jobs", "2"))
    text = invoke("plan", "--jobs", "2")
    assert before.items() <= files_of(folder).items()

    stages = {entry["name"]: entry for entry in record["stages"]}
    assert list(stages) == ["first", "train@a", "train@b", "train@c", "last"]
    reasons = [stages[name]["because"] for name in ("first", "train@a")]
    assert reasons == ["changed: stages/step.py", "follows first"]
    similar = {"seconds": 40.0, "from": "similar", "bytes": 6}  # the median of its like
    assert stages["train@b"] == similar | {"name": "train@b", "because": "follows first"}
    assert (stages["last"]["seconds"], stages["last"]["from"]) == (None, "unknown")
    assert record["seconds_serial"] == 3 + 20 + 40 + 60
    assert (record["seconds_elapsed"], record["num_untimed"]) == (3 + 60, 1)  # a, b beside c
    assert "5 of 5 stages: > 02:03 one after another, > 01:03 with 2 jobs; at most" in text
    assert "3 of 3" in text and "changed: stages/step.py" in text

    step.write_text(old)  # what was there before is in the cache
    (folder / "first.txt").unlink()
    (first, *rest) = [s for s in read_pipeline(folder).values() if s.reason]
    assert (first.name, first.restorable) == ("first", True)
    assert first.reason == "not as recorded: first.txt"
    assert {s.reason for s in rest} == {"follows first", "follows train@a and 2 more"}

    step.write_text(old + "# changed\n")  # the run cache holds what the older step made
    project.dvc("repro", "first")
    step.write_text(old)
    pipeline = read_pipeline(folder)
    costs = plan.estimate(pipeline, {"first": 99.0})
    assert pipeline["first"].reason == "changed: stages/step.py"
    assert (costs["first"].seconds, costs["first"].basis) == (0.0, "restored")
    assert costs["last"].size == len("last" + 3 * "afirst")

    (folder / "params.yaml").write_text("profile: two\n")
    assert all(cost.size is None for cost in plan.estimate(read_pipeline(folder), {}).values())
    assert "; size unknown\n" in invoke("plan")


def test_an_unknown_group_is_unknown_and_a_known_one_has_its_median(tmp_path):
    refuses("DVC cannot read the pipeline", read_pipeline, tmp_path)
    stages = {name: stage(name) for name in ("make@b", "other")}
    stages["make@a"] = stage("make@a", reason=None, size=10)
    costs = plan.estimate(stages, {"make@a": 4.0, "make@gone": 8.0})
    assert (costs["make@b"].seconds, costs["make@b"].size) == (6.0, 10)
    assert (costs["other"].seconds, costs["other"].size) == (None, None)
    assert "make@a" not in costs  # fresh


def test_the_longest_branch_comes_first():
    seconds = {"a": 1.0, "b": 5.0, "after_a": 9.0, "after_b": 1.0}
    costs = costs_of(seconds, {"after_a": ("a",), "after_b": ("b",)})
    assert plan.by_urgency(costs) == ["a", "after_a", "b", "after_b"]
    assert plan.elapsed(costs, 1) == 16 and plan.elapsed(costs, 2) == 10


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8), st.data(), st.integers(1, 4))
def test_elapsed_time_lies_between_its_bounds(values, data, jobs):
    upstream, path = {}, {}
    for number, seconds in enumerate(values):
        earlier = data.draw(st.sets(st.sampled_from(list(path)))) if path else ()
        upstream[f"s{number}"] = tuple(earlier)
        path[f"s{number}"] = seconds + max((path[name] for name in earlier), default=0)
    costs = costs_of(dict(zip(path, values, strict=True)), upstream)
    took, slack = plan.elapsed(costs, jobs), 1e-6
    assert max(sum(values) / jobs, *path.values()) - slack <= took <= sum(values) + slack
    # Graham 1966: no list schedule is worse than this
    assert took <= sum(values) / jobs + (1 - 1 / jobs) * max(path.values()) + slack


def test_times_are_kept_by_stage_and_profile(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record_time(1.0)  # outside DVC: not kept
    assert read_times(tmp_path) == {}
    monkeypatch.setenv("DVC_STAGE", "train@x")
    record_time(1.5)
    (tmp_path / "params.yaml").write_text("profile: paper\n")
    assert read_times(tmp_path) == {}
    for seconds, median in ((22.0, 22.0), (627.0, 22.0), (24.0, 24.0)):  # one on a busy machine
        record_time(seconds)
        assert read_times(tmp_path) == {"train@x": median}
    for _ in range(KEPT):
        record_time(90.0)
    assert read_times(tmp_path) == {"train@x": 90.0}
    record = tmp_path / ".scratch/timings/paper/train@x.json"
    record.write_text('{"stage": "train@x", "seconds": 3}')  # as written before there were several
    record_time(5.0)
    assert read_times(tmp_path) == {"train@x": 3.0}
    record.write_text("{")
    refuses(r"train@x\.json: not a run time written", read_times, tmp_path)
    record_time(6.0)  # a stage that ended well does not fail for it
    assert read_times(tmp_path) == {"train@x": 6.0}


@pytest.mark.parametrize(("jobs", "gpus", "per_job", "visible"), rows(__file__, "shared"))
def test_gpus_are_divided_among_jobs_and_cores_unless_the_user_says_how(
    monkeypatch, jobs, gpus, per_job, visible
):
    monkeypatch.setattr("face_occlusion.apps.running.jobs.num_workers", lambda: 12)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    slots = make_slots(jobs, gpus, per_job)
    assert [slot.environment.get("CUDA_VISIBLE_DEVICES") for slot in slots] == visible
    told = {slot.environment.get("FACE_OCCLUSION_GPUS_PER_RUN") for slot in slots}
    assert told == ({"2"} if per_job == 2 else {None})
    assert {slot.environment["OMP_NUM_THREADS"] for slot in slots} == {str(12 // len(visible))}
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert "OMP_NUM_THREADS" not in make_slots(jobs, gpus, per_job)[0].environment
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    warned = f"--gpus names {len(gpus)} GPUs, and PyTorch finds 1 here"
    assert warned in (warn_of_missing(gpus) or "") if len(gpus) > 1 else not warn_of_missing(gpus)


@pytest.mark.parametrize(("arguments", "cluster", "said"), rows(__file__, "refused"))
def test_what_cannot_be_shared_is_refused(arguments, cluster, said):
    refuses(said, make_slots, *arguments, on_cluster=cluster)
