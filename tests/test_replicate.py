"""What runs stages without DVC reads dvc.yaml as DVC does, resumes, and packs the results."""

import tarfile

import numpy as np
import pytest
from dvc.repo import Repo

from bench.replicate import pack, pending, read_commands
from bench.replication import choose
from face_occlusion.core.params import load_params
from face_occlusion.training.architectures import ARCHITECTURES
from face_occlusion.training.settings import TrainParams
from tests.conftest import ROOT
from tests.programs import call
from tests.tiny import profile_text

PIPELINE = (ROOT / "tests" / "replicate.yaml").read_text()
PARAMS = "generate: {one: {source: here.txt}}\nruns: {a: {}, b: {}, c: {}}\n"


@pytest.fixture
def pipeline(tmp_path):
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "here.txt").write_text("text")
    for name in ("models", "reports/scores"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def replicate(folder, *options, fails=False):
    groups = ("--groups", "generate", "train", "evaluate")
    return call(folder, "python", "-m", "bench.replicate", *groups, *options, fails=fails)


def test_commands_are_those_of_dvc():
    ours = read_commands(ROOT)
    with Repo(str(ROOT)) as repo:
        assert ours.keys() == {stage.addressing for stage in repo.index.stages}
        for stage in repo.index.stages:
            found = ours[stage.addressing]
            deps = [d.def_path for d in stage.deps if not d.def_path.endswith("s.yaml")]
            outs = [out.def_path for out in stage.outs]
            assert found.text == stage.cmd
            assert (sorted(found.deps), sorted(found.outs)) == (sorted(deps), sorted(outs))


def test_stages_run_in_order_and_what_is_there_is_not_run_again(pipeline, tmp_path):
    stages = pending(pipeline, read_commands(pipeline), ["generate", "train", "evaluate"])
    runs = [f"{group}@{run}" for run in "abc" for group in ("train", "evaluate")]
    assert list(stages) == ["generate@one", *runs]  # a run's scores after its training
    assert stages["evaluate@b"].upstream == ("train@b",)
    assert pack(pipeline, tmp_path / "empty.tar.gz") == 0
    (pipeline / "one.set").write_text("another")
    (pipeline / "models/b").write_text("trained elsewhere")
    done = replicate(pipeline, "--jobs", "2", "--results", "results.tar.gz")
    assert "5 of 5 stages done" in done
    assert (pipeline / "one.set").read_text() == "another"
    assert (pipeline / "reports/scores/b.json").read_text() == "trained elsewhere"
    with tarfile.open(pipeline / "results.tar.gz") as archive:
        names = archive.getnames()
    scores = [name for name in names if name.startswith("reports")]
    assert scores == [f"reports/scores/{run}.json" for run in "abc"] and "models/a" not in names
    assert "0 of 0 stages done" in replicate(pipeline)


def test_a_failure_ends_only_what_needs_it_and_what_cannot_be_read_is_named(pipeline):
    (pipeline / "models/b/kept").mkdir(parents=True)
    (pipeline / "models/b/kept/file").touch()  # `cp` refuses a folder
    said = replicate(pipeline, fails=True)
    assert "evaluate@b failed" in said and "5 of 6 stages done" in said
    said = replicate(pipeline, "--groups", "all", fails=True)
    assert "dvc.yaml has no stage all; its stages: generate, train" in said
    (pipeline / "params.yaml").write_text("runs: {}\n")
    said = replicate(pipeline, "--groups", "train", fails=True)
    assert "dvc.yaml: ${generate}: params.yaml has no 'generate'" in said


def test_it_stops_at_the_given_time_and_packs_what_is_done(pipeline):
    waiting = PIPELINE.replace("cp models/${key} reports/scores/${key}.json", "sleep 600")
    (pipeline / "dvc.yaml").write_text(waiting)
    options = ["--until", "4", "--jobs", "4", "--results", "results.tar.gz"]
    done = replicate(pipeline, *options, fails=True)
    assert "ended by signal 15; the same command resumes from here" in done
    assert "results.tar.gz: " in done
    (pipeline / "dvc.yaml").write_text(PIPELINE)
    replicate(pipeline)
    assert (pipeline / "reports/scores/c.json").read_text() == "weights"


JOB = """
import os, sys
print("hello")
if sys.argv[1] == "b": raise RuntimeError("unforeseen")
if sys.argv[1] == "c": sys.exit("no photographs")
open(sys.argv[2], "a").write(f"{os.getpid()} ")
"""


def test_kept_processes_run_one_stage_after_another(pipeline):
    """A stage that ends its process is reported, and the next has another process."""
    (pipeline / "job.py").write_text(JOB)
    train = "python -c \"open('models/${key}', 'w').write('weights')\""
    kept = PIPELINE.replace(train, "python -m job ${key} models/${key}")
    evaluate = "python -m job ${key} reports/scores/${key}.json"
    kept = kept.replace("cp models/${key} reports/scores/${key}.json", evaluate)
    (pipeline / "dvc.yaml").write_text(kept)
    (pipeline / "params.yaml").write_text(PARAMS.replace("c: {}", "c: {}, d: {}, e: {}"))
    done = replicate(pipeline, "--keep", "--jobs", "1", "--runs", "[a-d]", fails=True)
    assert "5 of 9 stages done" in done
    assert "RuntimeError: unforeseen" in done and "no photographs" in done
    trained = [(pipeline / f"models/{run}").read_text() for run in "ad"]
    scored = [(pipeline / f"reports/scores/{run}.json").read_text() for run in "ad"]
    assert trained == scored and trained[0] != trained[1]  # the processes
    assert (pipeline / ".scratch/logs/train@a.log").read_text() == "hello\n"
    assert not (pipeline / "models/e").exists()


def test_a_row_is_chosen_by_one_half_of_the_photographs_and_scored_on_the_other():
    """`lucky` is best on one photograph of ten alone: the halves without it give it no lead."""
    good, fair, poor = (np.array([90.0, miss, miss, 90.0]) for miss in (1, 10, 30))
    counts = {
        ("realocc", "m", "base"): [np.stack([fair] * 10)],
        ("realocc", "m", "lucky"): [np.stack([good, *[fair] * 9])],
        ("realocc", "m", "worse"): [np.stack([poor] * 10)],
    }
    rows = ["base", "lucky", "worse"]
    wins, gains = choose(counts, {"realocc": 10}, ["m"], rows, ["realocc"])
    assert wins.total() == 400 and 150 < wins["lucky"] < 250 and not wins["worse"]
    assert gains["realocc"] == [0.0] * 400


def test_the_settings_of_the_best_network_are_settings(tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text(profile_text("replication"))
    params.write_text(call(tmp_path, "python", "-m", "bench.ablations", "--larger"))
    assert load_params(params, "train", TrainParams).augment.shadow_prob == 0.5
    name = "deeplabv3plus"
    assert "lite2" in str(load_params(params, f"models.{name}", ARCHITECTURES[name]))
