import re
import shutil
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML
from scipy.special import logit

from face_occlusion.apps.prediction import export
from face_occlusion.apps.prediction.export import export_onnx, model_card
from face_occlusion.apps.prediction.scoring import NetworkSpec, OnnxSegmenter, score_network
from face_occlusion.core.images import encode_png
from face_occlusion.core.params import build, read_yaml
from face_occlusion.evaluation.evaluate import evaluate_run
from face_occlusion.evaluation.inference import load_model
from face_occlusion.evaluation.measures import summarise
from tests.apps.prediction.conftest import drawing, photograph, write_run, write_training_set
from tests.evaluation.conftest import PARAMS
from tests.training.conftest import LITE, MODELS, write_faces

onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra export")
NETWORKS = {
    **{name: (name, {}) for name in MODELS},
    **{f"{name}_lite0": (name, LITE) for name in ("pspnet", "deeplabv3plus")},
}


def write_network(folder: Path, name: str) -> Path:
    """Write a run of 64 px with random weights."""
    model, params = NETWORKS[name]
    return write_run(folder / name, model, params, input_px=64)


@pytest.fixture(scope="module", params=NETWORKS)
def made(request, tmp_path_factory) -> tuple[Path, Path, float]:
    """A run, its file, and by how much they differ; an export takes seconds."""
    run = write_network(tmp_path_factory.mktemp("runs"), request.param)
    path = run.parent / "out" / "net.onnx"
    return run, path, export_onnx(load_model(run), path)


@pytest.fixture(scope="module")
def made_fixed(tmp_path_factory) -> tuple[Path, Path, float]:
    """The same of a fixed shape."""
    run = write_network(tmp_path_factory.mktemp("runs"), "pspnet_lite0")
    path = run.parent / "net.onnx"
    return run, path, export_onnx(load_model(run), path, (2, 96, 64))


def run_example(card: str, image: np.ndarray) -> dict[str, np.ndarray]:
    """Run a card's example in the working folder, as a stranger does, and return its names."""
    (example,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    Path("face.jpg").write_bytes(encode_png(image))
    found: dict[str, np.ndarray] = {}
    exec(example, found)
    return found


@pytest.mark.parametrize(
    "shape", [(1, 64, 64), (2, 61, 35), (1, 32, 127), (3, 97, 33), (1, 50, 83), (1, 130, 101)]
)
def test_a_file_computes_what_the_run_does_at_any_shape(made, shape):
    run, path, difference = made
    assert difference <= 1e-5
    images = np.stack([drawing(*shape[1:], seed=seed) for seed in range(shape[0])])
    segmenter = load_model(run)
    with torch.inference_mode():
        log_odds = segmenter._compute_log_odds(torch.from_numpy(images))
    assert log_odds.sigmoid().std() > 0.02  # else the next line says little
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (probability,) = session.run(None, {"image": images})
    np.testing.assert_allclose(probability, log_odds.sigmoid(), atol=1e-5)


def test_the_card_is_enough_to_predict_as_the_command_does(made, tmp_path, monkeypatch):
    run, path, difference = made
    write_training_set(tmp_path / "data/faces/wo")
    monkeypatch.chdir(tmp_path)
    folder = shutil.copytree(run, tmp_path / "models" / run.name)
    monkeypatch.setattr(export, "mean_ious", lambda *_: {"realocc": 0.801})
    card = model_card(folder, "best", path, None, difference, 64)
    said = ["| realocc | 80.1 |", "(N, height, width, 3) uint8", "C-WO", "trained on 64x64"]
    said += ["- CelebAMask-HQ: research only", "Drawn pictures", "selected on RealOcc, so"]
    assert [words for words in said if words not in card] == []
    assert "{" not in card.replace('{"image": pixels}', "")
    shutil.copy(path, tmp_path)
    for size in ((64, 64), (96, 150), (200, 90), (40, 57), (20, 300)):
        image = drawing(*size)
        found, expected = run_example(card, image), load_model(run).predict(image)
        assert (found["is_face"] == (expected >= 0.5)).mean() > 0.995
        wanted = logit(expected.astype(float))
        assert np.abs(found["log_odds"] - wanted).mean() < 0.02 * wanted.std()


def test_a_score_of_the_file_equals_that_of_the_run(made, tmp_path):
    """To 0.01 points, on images of many shapes, larger and smaller than the input."""
    run, path, _ = made
    for name, size in {"square": (90, 90), "tall": (150, 71), "wide": (39, 60)}.items():
        write_faces(tmp_path / name, "benchmark", 12, seed=2, size=size)
    (tmp_path / "net.yaml").write_text(export.describe_export(run, (64, 64)))
    spec = build("net.yaml", read_yaml(tmp_path / "net.yaml"), NetworkSpec)
    sets = {name: tmp_path / name for name in ("square", "tall", "wide")}
    theirs = score_network(path, spec, sets, PARAMS, "made-up").benchmarks
    for name, part in evaluate_run({"last": load_model(run)}, sets, PARAMS).items():
        assert summarise(part.views["last"])["ece"] > 0.01  # which tells probabilities apart
        wanted = pytest.approx(summarise(part.views["last"]), abs=1e-4, nan_ok=True)
        assert summarise(theirs[name].views["last"]) == wanted


def test_a_file_of_a_fixed_shape_pads_other_shapes(made_fixed, tmp_path, monkeypatch):
    run, path, difference = made_fixed
    assert difference <= 1e-5
    monkeypatch.chdir(tmp_path)
    shutil.copy(path, tmp_path)
    card = model_card(run, "last", path, (2, 96, 64), difference, 64)
    assert "Its shape is fixed" in card and "(2, 96, 64, 3) uint8" in card
    image = photograph(40, 64)
    found = run_example(card, image)
    filled = np.pad(image, ((0, 56), (0, 0), (0, 0)), mode="edge")[None]
    with torch.inference_mode():
        log_odds = load_model(run)._compute_log_odds(torch.from_numpy(filled))
    np.testing.assert_allclose(found["log_odds"], log_odds[0, :40], atol=1e-3)
    np.testing.assert_array_equal(found["is_face"], found["log_odds"] >= 0)
    described = YAML(typ="safe").load(export.describe_export(run, (96, 64)))
    spec = build("yaml", described, NetworkSpec)
    probability = OnnxSegmenter(path, spec).predict(image)
    np.testing.assert_allclose(probability, log_odds[0, :40].sigmoid(), atol=1e-5)


@pytest.fixture
def copied(made_fixed, monkeypatch) -> Path:
    """A run, whose export copies the file instead of making one."""
    run, path, _ = made_fixed
    write = Mock(side_effect=lambda *args, **_: shutil.copy(path, args[2]))
    monkeypatch.setattr(export, "_write_onnx", write)
    return run


def test_a_file_that_differs_is_not_written(copied, tmp_path):
    segmenter = load_model(copied)
    with torch.no_grad():
        segmenter.model.get_parameter("decode_head.conv_seg.weight").neg_()
    with pytest.raises(ValueError, match="differ from PyTorch's by"):
        export_onnx(segmenter, tmp_path / "net.onnx", (2, 96, 64))
    assert not list(tmp_path.iterdir())


def test_the_command_fixes_a_shape_if_asked_and_names_a_missing_package(
    copied, tmp_path, monkeypatch, invoke
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(export, "_largest_difference", lambda *_: 0.0)
    name = copied.name
    for options, shape, size in (
        ([], "(N, height, width, 3)", [64, 64]),
        (["--size", 96, 64], "(1, 96, 64, 3)", [96, 64]),
        (["--batch", 2], "(2, 64, 64, 3)", [64, 64]),
    ):
        printed = invoke("export", copied, *options)
        assert f"{name}.onnx: " in printed and f"{name}.md: its card" in printed
        card = Path(f"exports/{name}.md").read_text()
        assert f"| {shape} uint8 |" in card and "Not evaluated." in card
        assert "sets that are not on this machine" in card and "Drawn pictures" not in card
        assert "selected on RealOcc, so" not in card
        assert read_yaml(Path(f"exports/{name}.yaml"))["size"] == size
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    refused = invoke("export", copied, status=1)
    assert "onnxruntime: pip install 'face-occlusion[export]'" in refused
