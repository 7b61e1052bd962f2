import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import logit

from face_occlusion.apps.prediction import export
from face_occlusion.apps.prediction.export import (
    Exported,
    describe_export,
    export_onnx,
    model_card,
)
from face_occlusion.apps.prediction.scoring import NetworkSpec, score_network
from face_occlusion.core.images import encode_png
from face_occlusion.core.params import build, read_yaml
from face_occlusion.evaluation.evaluate import evaluate_run
from face_occlusion.evaluation.inference import load_model
from face_occlusion.evaluation.measures import summarise
from tests.apps.prediction.conftest import photograph, write_run, write_training_set
from tests.evaluation.conftest import PARAMS
from tests.training.conftest import MODELS, write_faces

onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra export")


@pytest.fixture(scope="module", params=MODELS)
def made(request, tmp_path_factory) -> tuple[Path, Exported]:
    """A run and its file; an export takes seconds."""
    run = write_run(tmp_path_factory.mktemp("runs") / request.param, request.param)
    return run, export_onnx(load_model(run), run.parent / "out" / "net.onnx", (32, 32), 1)


def test_the_card_is_enough_to_use_the_file(made, tmp_path, monkeypatch):
    run, exported = made
    assert exported.difference <= 1e-3 and not list(run.parent.rglob("*.partial"))
    write_training_set(tmp_path / "data/faces/wo")
    monkeypatch.chdir(tmp_path)
    folder = shutil.copytree(run, tmp_path / "models" / run.name)
    card = model_card(folder, exported, "best", 96, {"realocc": 0.801})
    for said in ("| realocc | 80.1 |", "(1, 32, 32, 3) uint8", "C-WO", "trained on 96x96"):
        assert said in card
    assert "- CelebAMask-HQ: research only" in card and "Drawn pictures" in card
    assert "selected on RealOcc, so" in card and "{" not in card.replace('{"image": pixels}', "")
    (example,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    shutil.copy(exported.path, tmp_path)
    for size in ((32, 32), (96, 96), (64, 40), (50, 100)):
        image = np.asarray(Image.fromarray(photograph(6, 6, seed=5)).resize(size[::-1]))
        (tmp_path / "face.jpg").write_bytes(encode_png(image))
        found: dict[str, np.ndarray] = {}
        exec(example, found)  # as a stranger does
        rows, columns = size
        side = max(size)
        square = np.pad(image, ((0, side - rows), (0, side - columns), (0, 0)), mode="edge")
        expected = logit(load_model(run).predict(square)[:rows, :columns].astype(float))
        off, varies = np.abs(found["log_odds"] - expected).mean(), expected.std()
        assert off < (0.01 if rows == columns else 0.1) * varies  # the filled-up part differs
        np.testing.assert_array_equal(found["is_face"], found["log_odds"] >= 0)


def test_a_score_of_the_file_equals_that_of_the_run(made, tmp_path):
    """To 0.01 points, on square images larger and smaller than the input."""
    run, exported = made
    write_faces(tmp_path / "large", "benchmark", 4, seed=2, size=(90, 90))
    write_faces(tmp_path / "small", "benchmark", 4, seed=3, size=(24, 24))
    (tmp_path / "net.yaml").write_text(describe_export(run))
    spec = build("net.yaml", read_yaml(tmp_path / "net.yaml"), NetworkSpec)
    sets = {name: tmp_path / name for name in ("large", "small")}
    theirs = score_network(exported.path, spec, sets, PARAMS, "made-up").benchmarks
    for name, part in evaluate_run({"last": load_model(run)}, sets, PARAMS).items():
        assert summarise(part.views["last"])["ece"] > 0.01  # which tells probabilities apart
        wanted = pytest.approx(summarise(part.views["last"]), abs=1e-4, nan_ok=True)
        assert summarise(theirs[name].views["last"]) == wanted


def test_a_card_does_without_sets_and_scores(made, tmp_path, monkeypatch):
    run, exported = made
    monkeypatch.chdir(tmp_path)
    tall = replace(exported, shape=(2, 64, 32, 3))
    card = model_card(run, tall, "last", 96, {})
    assert "min(64 / rows, 32 / columns)" in card and "* 2)  # (2, 64, 32, 3) uint8" in card
    assert "sets that are not on this machine" in card and "Not evaluated." in card
    assert "Drawn pictures" not in card and "selected on RealOcc, so" not in card


def use_file(monkeypatch, made_before):
    """Let an export copy a file instead of making one."""
    monkeypatch.setattr(export, "_write_onnx", lambda *args: shutil.copy(made_before, args[2]))


def test_a_file_that_differs_is_not_written(made, tmp_path, monkeypatch):
    run, exported = made
    segmenter = load_model(run)
    with torch.no_grad():
        dict(segmenter.model.named_parameters())["decode_head.conv_seg.weight"].neg_()
    use_file(monkeypatch, exported.path)
    with pytest.raises(ValueError, match="differ from PyTorch's by"):
        export_onnx(segmenter, tmp_path / "net.onnx", (32, 32), 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--size", 48, 32], "multiples of 32; got 48 32"),
        (["--batch", 0], "--batch"),
        (["--to", "mmseg", "--batch", 2], "--size and --batch are for ONNX"),
        (["--to", "mmseg", "--out", "net.pth"], "--out must end in .py, its checkpoint gets .pth"),
        (
            ["--out", "net.md"],
            "--out must end in .onnx, its card gets .md, its YAML .yaml; got net.md",
        ),
    ],
)
def test_bad_options_are_named(run: Path, invoke, options, said):
    assert said in invoke("export", run, *options, status=1)


def test_the_command_writes_the_card_and_names_a_missing_package(
    made, tmp_path, monkeypatch, invoke
):
    run, exported = made
    monkeypatch.chdir(tmp_path)
    use_file(monkeypatch, exported.path)
    printed = invoke("export", run, "--size", 32, 32)
    assert f"{run.name}.onnx: " in printed and f"{run.name}.md: its card" in printed
    assert "Not evaluated." in (tmp_path / f"exports/{run.name}.md").read_text()
    monkeypatch.setattr(export, "_NEEDED", ("onnx", "no_such_package"))
    refused = invoke("export", run, status=1)
    assert "no_such_package" in refused and "face-occlusion[export]" in refused
