import pytest

from face_occlusion.apps.running.jobs import make_slots, warn_of_missing


@pytest.fixture(autouse=True)
def threads(monkeypatch):
    monkeypatch.setattr("face_occlusion.apps.running.jobs.num_workers", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.mark.parametrize(
    ("jobs", "gpus", "per_job", "visible"),
    [
        (None, ["0", "1", "GPU-7"], 1, ["0", "1", "GPU-7"]),  # one job per GPU
        (None, ["0", "1", "2", "3"], 2, ["0,1", "2,3"]),
        (3, ["0", "1"], 1, ["0", "1", "0"]),  # more jobs than GPUs share them
        (None, [], 1, [None]),  # without GPUs the variable is left unchanged
        (2, [], 1, [None, None]),
    ],
)
def test_gpus_are_divided_among_jobs(jobs, gpus, per_job, visible):
    slots = make_slots(jobs, gpus, per_job)
    assert [slot.environment.get("CUDA_VISIBLE_DEVICES") for slot in slots] == visible
    told = {slot.environment.get("FACE_OCCLUSION_GPUS_PER_RUN") for slot in slots}
    assert told == ({"2"} if per_job == 2 else {None})


def test_cores_are_shared_unless_the_user_says_how(monkeypatch):
    assert make_slots(2, [], 1)[1].environment["OMP_NUM_THREADS"] == "4"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert "OMP_NUM_THREADS" not in make_slots(2, [], 1)[1].environment


@pytest.mark.parametrize(
    ("arguments", "cluster", "said"),
    [
        ((0, [], 1), False, "positive"),
        ((2, ["0", "0"], 1), False, "twice"),
        ((1, ["0", "1", "2"], 2), False, "multiple"),
        ((1, ["0"], 1), True, "Ray assigns GPUs"),
    ],
)
def test_what_cannot_be_shared_is_refused(arguments, cluster, said):
    with pytest.raises(ValueError, match=said):
        make_slots(*arguments, on_cluster=cluster)


def test_gpus_that_are_not_there_are_warned_of(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert warn_of_missing(["0"]) is None
    assert "--gpus names 2 GPUs, and PyTorch finds 1 here" in (warn_of_missing(["0", "1"]) or "")
