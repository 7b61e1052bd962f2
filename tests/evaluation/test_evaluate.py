import dataclasses
import json
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from face_occlusion.apps.folders import pack_folder, unpack_image_set
from face_occlusion.core.imageset import ImageSet
from face_occlusion.core.stage import PORTABLE_KERNELS
from face_occlusion.evaluation import evaluate
from face_occlusion.evaluation.counting import decode_preview
from face_occlusion.evaluation.evaluate import evaluate_run, load_checkpoints
from face_occlusion.evaluation.metrics import confusion_counts
from face_occlusion.evaluation.scores import read_scores
from tests.apps.prediction.conftest import write_run
from tests.evaluation.conftest import PARAMS, ready
from tests.generation.drawn import write_drawn
from tests.reporting.project import NUM_IMAGES, write_sets
from tests.tables import refuses, rows
from tests.tiny import run_stage
from tests.training.conftest import MODELS


class BrightIsFace:
    """A network that takes bright pixels for face."""

    def __init__(self, threshold):
        self.threshold = threshold
        self.batches = []

    def describe(self, *, tta):
        return {"tta": tta}

    def preprocess(self, images, *, tta):
        return [(image, tta) for image in images]

    def predict_async(self, prepared, shapes):
        self.batches.append((len(prepared), prepared[0][1]))
        assert [image.shape[:2] for image, _ in prepared] == list(shapes)
        faces = (image[..., 0] > self.threshold + 40 * tta for image, tta in prepared)
        return [ready(face.astype(np.float32)) for face in faces]


@pytest.fixture
def realocc(tmp_path):
    def sample(number):
        rng = np.random.default_rng(number)
        shape = (20 + number, 33)  # sizes differ, H != W
        image = np.repeat(rng.integers(0, 255, (*shape, 1), np.uint8), 3, axis=2)
        target = (image[..., 0] > 100).astype(np.uint8)
        target[:3] = 255
        kind = {"occluder_kind": "mask" if number % 2 else None}
        return f"{number:02d}", {"jpg": image, "png": target}, kind

    return write_drawn(tmp_path / "realocc", "benchmark", "realocc", map(sample, range(7)))


def test_counts_are_of_the_original_resolution_in_order_and_without_ignored_pixels(realocc):
    network = BrightIsFace(120)
    networks = {"last": network, "best": network}
    scores = evaluate_run(networks, {"realocc": realocc.folder}, PARAMS)["realocc"]
    assert scores.keys == realocc.keys
    assert [image.occluder_kind for image in scores.images] == [None, "mask"] * 3 + [None]
    assert network.batches == [(4, False), (3, False)]  # the same weights predict once
    assert (scores.views["last"].counts == scores.views["best"].counts).all()
    for image, counts in zip(scores.images, scores.views["last"].counts, strict=True):
        target = realocc.seg_map(image.key)
        pred = realocc.image(image.key)[..., 0] > 120
        assert image.size == target.shape
        assert counts.tolist() == confusion_counts(pred, target).tolist()
        assert counts.sum() == (target != 255).sum()
    preview = decode_preview(scores.previews[0])
    assert preview.dtype == bool and preview.shape == (10, 16)


def test_each_checkpoint_is_a_view_with_and_without_augmentation(realocc):
    networks = {"last": BrightIsFace(120), "best": BrightIsFace(100)}
    params = dataclasses.replace(PARAMS, tta=True, preview_px=0)
    scores = evaluate_run(networks, {"realocc": realocc.folder}, params)["realocc"]
    assert list(scores.views) == ["last", "best", "last_tta", "best_tta"]
    right = {view: counts.counts[:, [0, 3]].sum() for view, counts in scores.views.items()}
    assert right["best"] > right["last"] > right["last_tta"]
    assert scores.previews == [None] * 7


def test_a_mask_of_another_size_and_a_gpu_without_memory_are_errors(realocc):
    network = BrightIsFace(9)
    full = torch.OutOfMemoryError("Tried to allocate 2.00 GiB. GPU 0 has a total of 1 GiB")
    lower = r"ran out \(Tried to allocate 2.00 GiB\).*lower evaluate.batch_size .* it is 4"
    wrong = [ready(np.zeros((3, 3), np.float32))] * 4
    for outcome, message in (([wrong, wrong], "must share one"), (full, lower)):
        network.predict_async = Mock(side_effect=outcome)
        refuses(message, evaluate_run, {"last": network}, {"realocc": realocc.folder}, PARAMS)


@pytest.mark.parametrize(("card", "expected"), rows(__file__, "checkpoints"))
def test_checkpoints_that_are_there_are_loaded_once(tmp_path, monkeypatch, card, expected):
    monkeypatch.setattr(evaluate, "load_model", Mock(side_effect=range(9)))  # numbers each
    (tmp_path / "card.json").write_text(json.dumps(card))
    assert load_checkpoints(tmp_path, PARAMS) == expected


def test_a_folder_without_a_card_and_an_absent_device_are_refused(tmp_path):
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match=r"evaluate\.device cuda cannot be used"):
            load_checkpoints(tmp_path, dataclasses.replace(PARAMS, device="cuda"))
    refuses(r"card\.json: no such file", load_checkpoints, tmp_path, PARAMS)


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
