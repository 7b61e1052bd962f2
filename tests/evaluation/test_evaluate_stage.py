import json

import pytest
import torch
from ruamel.yaml import YAML

from face_occlusion.evaluation.scores import read_scores
from face_occlusion.networks.checkpoint import write_weights
from face_occlusion.networks.segmentor import build_segmentor
from face_occlusion.training.recipe import resolve
from stages import evaluate
from tests.reporting.project import NUM_IMAGES, write_sets
from tests.training.conftest import MODELS, job

MODEL = next(iter(MODELS))
RUN = f"{MODEL}_c_wo"


@pytest.fixture
def project(tmp_path, monkeypatch):
    write_sets(tmp_path / "data")
    folder = tmp_path / "models" / RUN
    folder.mkdir(parents=True)
    made = job(MODEL, "faces/wo")
    config = resolve(MODEL, made.model_params, made.train, distributed=False)
    torch.manual_seed(0)
    sha256 = {
        name: write_weights(folder / name, build_segmentor(config["model"]).state_dict())
        for name in ("last.safetensors", "best.safetensors")
    }
    (folder / "config.json").write_text(json.dumps(config))
    card = {"model": MODEL, "iterations": 2, "selected": {"iteration": 1, "miou": 0.5}, "seed": 3}
    card["sha256"] = sha256
    card["combination"] = {"title": "C-WO"}
    (folder / "card.json").write_text(json.dumps(card))
    params = {
        "profile": "made-up",
        "evaluate": {
            "benchmarks": list(NUM_IMAGES),
            "checkpoints": ["last", "best"],
            "tta": False,
            "device": "cpu",
            "batch_size": 4,
            "num_threads": 2,
            "cpu_threads": 0,
            "cpu_kernels": "portable",
            "preview_px": 32,
        },
    }
    YAML().dump(params, tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_stage(monkeypatch, run):
    arguments = ["evaluate", run, "models", "data/benchmarks", "reports/scores"]
    monkeypatch.setattr("sys.argv", arguments)
    evaluate.main()


def test_stage_scores_every_benchmark_and_repeats_to_the_byte(project, monkeypatch):
    run_stage(monkeypatch, RUN)
    path = project / "reports" / "scores" / f"{RUN}.json"
    scores = read_scores(path, profile="made-up", benchmarks_folder=project / "data/benchmarks")
    assert (scores.run, scores.model, scores.combination) == (RUN, MODEL, "C-WO")
    assert scores.seed == 3
    assert scores.inference["tta"] is None and "no tiles" in scores.inference["image"]
    assert {name: len(part.keys) for name, part in scores.benchmarks.items()} == NUM_IMAGES
    assert scores.benchmarks["cofw"].absent == "the release is not there"
    realocc = scores.benchmarks["realocc"]
    assert list(realocc.views) == ["last", "best"]
    assert (realocc.views["last"].counts != realocc.views["best"].counts).any()
    assert all(realocc.previews)
    before = path.read_bytes()
    run_stage(monkeypatch, RUN)
    assert path.read_bytes() == before


def test_stage_names_an_unknown_run_and_writes_nothing(project, monkeypatch):
    with pytest.raises(ValueError, match=r"models/nobody/card.json: no such file"):
        run_stage(monkeypatch, "nobody")
    assert not (project / "reports").exists()
