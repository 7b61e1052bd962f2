"""What runs stages without DVC reads dvc.yaml as DVC does, resumes, and packs the results."""

import subprocess
import sys
import tarfile

import pytest
from dvc.repo import Repo

from bench.replicate import Command, pack, pending, read_commands
from tests.conftest import ROOT

PIPELINE = """
stages:
  generate:
    foreach: ${generate}
    do:
      cmd: cp ${item.source} ${key}.set
      deps: ["${item.source}"]
      outs: ["${key}.set"]
  train:
    foreach: ${runs}
    do:
      cmd: python -c "open('models/${key}', 'w').write('weights')"
      deps: [one.set]
      outs: ["models/${key}"]
  evaluate:
    foreach: ${runs}
    do:
      cmd: cp models/${key} reports/scores/${key}.json
      deps: ["models/${key}"]
      outs: ["reports/scores/${key}.json"]
"""
PARAMS = "generate: {one: {source: here.txt}}\nruns: {a: {}, b: {}, c: {}}\n"


@pytest.fixture
def pipeline(tmp_path):
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "here.txt").write_text("text")
    for name in ("models", "reports/scores"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def replicate(folder, *options):
    command = [sys.executable, "-m", "bench.replicate", "--groups", "generate", "train", "evaluate"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [*command, *options], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_commands_are_those_of_dvc():
    with Repo(str(ROOT)) as repo:
        found = {
            stage.addressing: Command(
                stage.cmd,
                sorted(dep.def_path for dep in stage.deps if not dep.def_path.endswith("s.yaml")),
                sorted(out.def_path for out in stage.outs),
            )
            for stage in repo.index.stages
        }
    ours = read_commands(ROOT)
    assert {
        name: Command(text, sorted(deps), sorted(outs)) for name, (text, deps, outs) in ours.items()
    } == found


def test_stages_run_in_order_a_runs_scores_after_its_training(pipeline):
    stages = pending(pipeline, read_commands(pipeline), ["generate", "train", "evaluate"])
    assert list(stages) == [
        "generate@one",
        *(f"{group}@{run}" for run in "abc" for group in ("train", "evaluate")),
    ]
    assert stages["evaluate@b"].upstream == ("train@b",)
    done = replicate(pipeline, "--jobs", "2", "--results", "results.tar.gz")
    assert done.returncode == 0, done.stderr
    assert "7 of 7 stages done" in done.stdout
    with tarfile.open(pipeline / "results.tar.gz") as archive:
        names = archive.getnames()
    assert [name for name in names if name.startswith("reports")] == [
        f"reports/scores/{run}.json" for run in "abc"
    ]
    assert "models/a" not in names


def test_what_is_there_is_not_run_again(pipeline):
    (pipeline / "one.set").write_text("another")
    (pipeline / "models/b").write_text("trained elsewhere")
    done = replicate(pipeline)
    assert "5 of 5 stages done" in done.stdout
    assert (pipeline / "one.set").read_text() == "another"
    assert (pipeline / "reports/scores/b.json").read_text() == "trained elsewhere"
    assert "0 of 0 stages done" in replicate(pipeline).stdout


def test_a_failure_ends_only_what_needs_it(pipeline):
    (pipeline / "models/b/kept").mkdir(parents=True)
    (pipeline / "models/b/kept/file").touch()  # `cp` refuses a folder
    done = replicate(pipeline)
    assert done.returncode == 1
    assert "evaluate@b failed" in done.stderr
    assert "5 of 6 stages done" in done.stdout


def test_it_stops_at_the_given_time_and_packs_what_is_done(pipeline):
    waiting = PIPELINE.replace("cp models/${key} reports/scores/${key}.json", "sleep 600")
    (pipeline / "dvc.yaml").write_text(waiting)
    done = replicate(pipeline, "--until", "4", "--jobs", "4", "--results", "results.tar.gz")
    assert "ended by signal 15; the same command resumes from here" in done.stderr
    assert "results.tar.gz: " in done.stdout
    (pipeline / "dvc.yaml").write_text(PIPELINE)
    assert replicate(pipeline).returncode == 0
    assert (pipeline / "reports/scores/c.json").read_text() == "weights"


def test_kept_processes_run_one_stage_after_another(pipeline):
    """A stage that ends its process is reported, and the next has another process."""
    (pipeline / "job.py").write_text(
        "import os, sys\nprint('hello')\n"
        "if sys.argv[1] == 'b': raise RuntimeError('unforeseen')\n"
        "if sys.argv[1] == 'c': sys.exit('no photographs')\n"
        "open(f'models/{sys.argv[1]}', 'w').write(str(os.getpid()))\n"
    )
    train = "python -c \"open('models/${key}', 'w').write('weights')\""
    assert train in PIPELINE
    kept = PIPELINE.replace(train, "python -m job ${key}")
    kept = kept.replace("cp models/${key} reports", "python -m copy_file models/${key} reports")
    (pipeline / "copy_file.py").write_text(
        "import os, shutil, sys\nshutil.copy(sys.argv[1], sys.argv[2])\n"
        "open(sys.argv[2], 'a').write(f' {os.getpid()}')\n"
    )
    (pipeline / "dvc.yaml").write_text(kept)
    (pipeline / "params.yaml").write_text(
        "generate: {one: {source: here.txt}}\nruns: {a: {}, b: {}, c: {}, d: {}, e: {}}\n"
    )
    done = replicate(pipeline, "--keep", "--jobs", "1", "--runs", "[a-d]")
    assert done.returncode == 1
    assert "5 of 9 stages done" in done.stdout
    assert "RuntimeError: unforeseen" in done.stderr and "no photographs" in done.stderr
    scores = [(pipeline / f"reports/scores/{run}.json").read_text().split() for run in "ad"]
    assert scores[0][0] == scores[0][1] != scores[1][0] == scores[1][1]
    assert (pipeline / ".scratch/logs/train@a.log").read_text() == "hello\n"
    assert not (pipeline / "models/e").exists()


def test_what_cannot_be_read_is_named(pipeline):
    assert "dvc.yaml has no stage all; its stages: generate, train" in _error(pipeline, "all")
    (pipeline / "params.yaml").write_text("runs: {}\n")
    assert "dvc.yaml: ${generate}: params.yaml has no 'generate'" in _error(pipeline, "train")


def _error(folder, group):
    done = replicate(folder, "--groups", group)
    assert done.returncode == 1
    return done.stderr


def test_nothing_is_packed_that_is_not_there(tmp_path):
    assert pack(tmp_path, tmp_path / "empty.tar.gz") == 0
