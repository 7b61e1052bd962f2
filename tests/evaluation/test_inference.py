import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from face_occlusion.evaluation import inference
from face_occlusion.evaluation.evaluate import evaluate_run
from face_occlusion.evaluation.inference import FIRST_CALLS, Replay, load_model
from tests.apps.prediction.conftest import drawing, write_run
from tests.evaluation.conftest import PARAMS
from tests.tables import refuses
from tests.training.conftest import MODELS, write_faces

needs_two = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")


@pytest.fixture(scope="module", params=MODELS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with random weights."""
    folder = tmp_path_factory.mktemp("runs") / request.param
    return write_run(folder, request.param, deviation=2.0, normalised=True)


@pytest.mark.parametrize("tta", [False, True])
def test_a_batch_of_mixed_sizes_equals_one_by_one_each_at_its_own_size(run: Path, tta):
    """The squares are seen alike but come back at two sizes."""
    sizes = [(40, 40), (45, 70), (40, 40), (24, 24), (90, 20), (24, 24), (1, 5)]
    images = [drawing(*size, seed) for seed, size in enumerate(sizes)]
    segmenter = load_model(run)
    for image, together in zip(images, segmenter.predict_batch(images, tta=tta), strict=True):
        alone = segmenter.predict(image, tta=tta)
        np.testing.assert_allclose(together, alone, atol=1e-5)
        assert alone.shape == image.shape[:2] and alone.dtype == np.float32
        assert 0 <= alone.min() <= alone.max() <= 1


@pytest.mark.gpu
def test_a_benchmark_counted_while_the_gpu_computes_on_is_counted_right(run: Path, tmp_path: Path):
    """Forty batches in flight: a copy that does not wait for its batch would count another's."""
    write_faces(tmp_path / "realocc", "benchmark", 160, seed=5, size=(200, 160))
    counts = {}
    for device in ("cpu", "cuda"):
        params = dataclasses.replace(
            PARAMS, checkpoints=["last"], device=device, tta=True, num_threads=8, preview_px=0
        )
        networks = {"last": load_model(run, device)}
        scores = evaluate_run(networks, {"realocc": tmp_path / "realocc"}, params)["realocc"]
        counts[device] = scores.views["last_tta"].calibration[..., 0]  # pixels by probability
    moved = np.abs(counts["cuda"] - counts["cpu"]).sum(axis=1)
    assert moved.max() <= 0.01 * 200 * 160  # pixels at the edge of two bins
    between = np.abs(np.diff(counts["cpu"], axis=0)).sum(axis=1)
    assert np.median(between) > 0.03 * 200 * 160  # another image's would be seen


@pytest.mark.gpu
@pytest.mark.parametrize("tta", [False, True])
@pytest.mark.parametrize("device", ["cuda", pytest.param("cuda:1", marks=needs_two)])
def test_a_gpu_predicts_as_the_cpu_and_alike_once_recorded(run: Path, device, tta):
    """In turns of two shapes, whose recordings share memory; launched before any is read.

    A graph of the current GPU would record nothing of another one, and repeat its first result.
    """
    images = [drawing(40, 40, 1), drawing(300, 44, 2), drawing(40, 40, 3)]
    segmenter, cpu = load_model(run, device), load_model(run)
    first = [segmenter.predict(image, tta=tta) for image in images]
    for got, image in zip(first, images, strict=True):
        np.testing.assert_allclose(got, cpu.predict(image, tta=tta), atol=1e-3)
    rounds = [
        [
            segmenter.predict_async(segmenter.preprocess([image], tta=tta), [image.shape[:2]])[0]
            for image in images
        ]
        for _ in range(2 * FIRST_CALLS)
    ]
    for later in rounds:
        for prediction, want in zip(later, first, strict=True):
            np.testing.assert_allclose(prediction(), want, atol=1e-5)


def test_augmented_prediction_is_mirror_symmetric_and_repeats(run: Path):
    image = drawing(32, 32)
    copy = image.copy()
    segmenter = load_model(run)
    mirrored = segmenter.predict(np.ascontiguousarray(image[:, ::-1]), tta=True)
    np.testing.assert_allclose(segmenter.predict(image, tta=True), mirrored[:, ::-1], atol=1e-5)
    np.testing.assert_array_equal(segmenter.predict(image), segmenter.predict(image))
    np.testing.assert_array_equal(image, copy)


def test_what_is_no_image_no_run_or_no_checkpoint_is_refused(run: Path, tmp_path: Path):
    for bad in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)):
        refuses(r"image must be \(H, W, 3\) uint8", load_model(run).predict, bad)
    refuses(r"first\.safetensors: no such file", load_model, run, which="first")
    refuses(r"config\.json: no such file", load_model, tmp_path)
    (tmp_path / "config.json").write_text("{}")
    refuses(r"config\.json: Object missing required field `model`", load_model, tmp_path)
    (tmp_path / "config.json").write_text((run / "config.json").read_text())
    (tmp_path / "card.json").write_text("{}")
    refuses(r"last\.safetensors: no such file; .*card\.json says why", load_model, tmp_path)


class Doubled:
    """Counts how often the host is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, values: Tensor) -> Tensor:
        self.calls += 1
        return (values * 4) / 2


def of(value: int, size: int = 3) -> Tensor:
    return torch.full((size,), float(value), device="cuda")


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("sizes", "calls"),
    [
        ([3] * 10, FIRST_CALLS + 1),  # recorded, then replayed
        (range(1, 20), 19),  # rare shapes are not recorded
        ([1, 2] * 10, FIRST_CALLS + 1 + 10),  # as many as are allowed: the first
    ],
)
def test_shapes_that_come_often_are_recorded_and_computed_right(
    monkeypatch: pytest.MonkeyPatch, sizes: Sequence[int], calls: int
):
    monkeypatch.setattr(inference, "MOST_SHAPES", 1)
    function = Doubled()
    replayed = Replay(function)
    for value, size in enumerate(sizes):
        assert replayed(of(value, size)).tolist() == [2 * value] * size
    assert function.calls == calls
