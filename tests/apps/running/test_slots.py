import pytest

from face_occlusion.apps.running.jobs import make_slots


@pytest.fixture(autouse=True)
def threads(monkeypatch):
    monkeypatch.setattr("face_occlusion.apps.running.jobs.num_workers", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def seen(slots):
    return [slot.environment.get("CUDA_VISIBLE_DEVICES") for slot in slots]


def test_a_job_for_each_gpu():
    slots = make_slots(None, ["0", "1", "GPU-7"], 1)
    assert seen(slots) == ["0", "1", "GPU-7"]
    assert "FACE_OCCLUSION_GPUS_PER_RUN" not in slots[0].environment


def test_several_gpus_for_each_job():
    slots = make_slots(None, ["0", "1", "2", "3"], 2)
    assert seen(slots) == ["0,1", "2,3"]
    assert {slot.environment["FACE_OCCLUSION_GPUS_PER_RUN"] for slot in slots} == {"2"}


def test_more_jobs_than_gpus_take_turns():
    assert seen(make_slots(3, ["0", "1"], 1)) == ["0", "1", "0"]


def test_without_gpus_what_is_visible_stays():
    assert seen(make_slots(None, [], 1)) == [None]
    assert seen(make_slots(2, [], 1)) == [None, None]


def test_cores_are_shared_unless_the_user_says_how(monkeypatch):
    assert make_slots(2, [], 1)[1].environment["OMP_NUM_THREADS"] == "4"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert "OMP_NUM_THREADS" not in make_slots(2, [], 1)[1].environment


def test_what_cannot_be_shared_is_refused():
    with pytest.raises(ValueError, match="positive"):
        make_slots(0, [], 1)
    with pytest.raises(ValueError, match="twice"):
        make_slots(2, ["0", "0"], 1)
    with pytest.raises(ValueError, match="multiple"):
        make_slots(1, ["0", "1", "2"], 2)
    with pytest.raises(ValueError, match="Ray assigns GPUs"):
        make_slots(1, ["0"], 1, on_cluster=True)
