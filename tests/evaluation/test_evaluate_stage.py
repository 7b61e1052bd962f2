import dataclasses

import numpy as np
import pytest
from ruamel.yaml import YAML

from face_occlusion.apps.folders import pack_folder, unpack_image_set
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.stage import PORTABLE_KERNELS
from face_occlusion.evaluation.scores import read_scores
from tests.apps.prediction.conftest import write_run
from tests.evaluation.conftest import PARAMS
from tests.reporting.project import NUM_IMAGES, write_sets
from tests.tiny import run_stage
from tests.training.conftest import MODELS

MODEL = next(iter(MODELS))
RUN = f"{MODEL}_c_wo"
ARGUMENTS = [RUN, "models", "data/benchmarks", "reports/scores"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    write_sets(tmp_path / "data")
    write_run(tmp_path / "models" / RUN, MODEL, weights=("last", "best"))
    params = dataclasses.asdict(PARAMS) | {"benchmarks": list(NUM_IMAGES)}
    YAML().dump({"profile": "made-up", "evaluate": params}, tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    for name, value in PORTABLE_KERNELS.items():  # the stage would set them for later tests too
        monkeypatch.setenv(name, value)
    return tmp_path


def test_stage_scores_every_benchmark(project):
    """That it repeats to the byte is shown in tests/training/test_any_cpu.py."""
    run_stage("evaluate", *ARGUMENTS)
    path = project / "reports" / "scores" / f"{RUN}.json"
    scores = read_scores(path, profile="made-up", benchmarks_folder=project / "data/benchmarks")
    assert (scores.run, scores.model, scores.combination) == (RUN, MODEL, "C-WO")
    assert scores.seed == 7
    assert scores.inference["tta"] is None and "no tiles" in scores.inference["image"]
    assert scores.inference["cpu_threads"] == PARAMS.cpu_threads
    assert {name: len(part.keys) for name, part in scores.benchmarks.items()} == NUM_IMAGES
    assert scores.benchmarks["cofw"].absent == "the release is not there"
    realocc = scores.benchmarks["realocc"]
    assert list(realocc.views) == ["last", "best"]
    last, best = realocc.views.values()
    assert (last.calibration != best.calibration).any()
    assert all(realocc.previews)


def test_a_packed_set_is_scored_where_the_parameters_name_it(project, caplog):
    drawn = ImageSet(project / "data/benchmarks/realocc")
    unpack_image_set(drawn, project / "files")
    info = {"kind": "faces", "name": "mine", "sources": []}
    for name in ("mine", "other"):
        out = project / "data/benchmarks" / name
        pack_folder(project / "files/images", project / "files/masks", out, info=info)
    yaml, params = YAML(), project / "params.yaml"
    content = yaml.load(params)
    content["evaluate"]["benchmarks"] = ["realocc", "mine"]
    yaml.dump(content, params)
    run_stage("evaluate", *ARGUMENTS)
    assert "data/benchmarks/other is not scored: not in evaluate.benchmarks" in caplog.text
    scored = read_scores(project / f"reports/scores/{RUN}.json").benchmarks
    assert list(scored) == ["realocc", "mine"]
    counts = [part.views["last"].counts for part in scored.values()]
    np.testing.assert_array_equal(*counts)
