import json
from pathlib import Path

import numpy as np
import pytest
import torch

from face_occlusion.evaluation.inference import Segmenter, load_model
from face_occlusion.training.checkpoint import write_checkpoint
from face_occlusion.training.configs import resolve
from face_occlusion.training.segmentor import build_segmentor
from tests.training.conftest import MODELS, job


@pytest.fixture(scope="module", params=MODELS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with random weights."""
    folder = tmp_path_factory.mktemp(request.param)
    made = job(request.param, "faces/wo")
    config = resolve(request.param, made.model_params, made.train, distributed=False)
    torch.manual_seed(0)
    model = build_segmentor(config["model"])
    for parameter in model.decode_head.conv_seg.parameters():
        torch.nn.init.normal_(parameter, std=1.0)  # so that predictions vary
    write_checkpoint(folder / "last.pth", {"model": model.state_dict(), "iteration": 0})
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def photograph(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(32, 32), (45, 70), (90, 20), (1, 5)])
@pytest.mark.parametrize("tta", [False, True])
def test_any_size_comes_back_at_its_own(run: Path, size, tta):
    probability = load_model(run).predict(photograph(*size), tta=tta)
    assert probability.shape == size and probability.dtype == np.float32
    assert 0 <= probability.min() <= probability.max() <= 1


def test_a_batch_of_mixed_sizes_equals_one_by_one(run: Path):
    images = [photograph(40, 40, 1), photograph(30, 44, 2), photograph(40, 40, 3)]
    segmenter = load_model(run)
    for image, together in zip(images, segmenter.predict_batch(images), strict=True):
        np.testing.assert_allclose(together, segmenter.predict(image), atol=1e-5)


def test_augmented_prediction_is_mirror_symmetric(run: Path):
    image = photograph(32, 32)
    segmenter = load_model(run)
    mirrored = segmenter.predict(np.ascontiguousarray(image[:, ::-1]), tta=True)
    np.testing.assert_allclose(segmenter.predict(image, tta=True), mirrored[:, ::-1], atol=1e-5)


def test_prediction_repeats_and_leaves_the_image(run: Path):
    image = photograph(40, 36)
    copy = image.copy()
    segmenter = load_model(run)
    np.testing.assert_array_equal(segmenter.predict(image), segmenter.predict(image))
    np.testing.assert_array_equal(image, copy)


@pytest.mark.parametrize(
    "bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_something_else_than_rgb_is_refused(run: Path, bad):
    with pytest.raises(ValueError, match=r"image must be \(H, W, 3\) uint8"):
        load_model(run).predict(bad)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"config\.json: no such file"):
        load_model(tmp_path)


def test_weights_of_another_network_are_refused(run: Path, tmp_path: Path):
    (tmp_path / "config.json").write_text((run / "config.json").read_text())
    write_checkpoint(tmp_path / "last.pth", {"model": {"w": torch.zeros(1)}, "iteration": 0})
    with pytest.raises(ValueError, match=r"last\.pth: does not fit"):
        load_model(tmp_path)


def test_which_is_last_or_best(run: Path):
    with pytest.raises(ValueError, match="which must be last or best; got 'first'"):
        load_model(run, which="first")
    assert isinstance(load_model(run, which="last"), Segmenter)
