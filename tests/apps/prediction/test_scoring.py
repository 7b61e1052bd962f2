"""Networks of others as ONNX files: small ones with random weights, of the usual signatures."""

import dataclasses
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML
from torch.nn import functional

from face_occlusion.apps.prediction.scoring import NetworkSpec, OnnxSegmenter
from face_occlusion.core.images import encode_png
from face_occlusion.core.params import read_yaml
from face_occlusion.evaluation.metrics import confusion_counts
from face_occlusion.evaluation.scores import read_scores
from tests.apps.prediction.conftest import photograph
from tests.conftest import ROOT
from tests.evaluation.conftest import PARAMS
from tests.generation.drawn import write_drawn
from tests.tables import rows

onnx = pytest.importorskip("onnx", reason="needs the extra export")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402 - after the check above

PAGE = (ROOT / "docs" / "other-networks.md").read_text()
DOCUMENTED = dict(re.findall(r"### (.*?)\n.*?```yaml\n(.*?)```", PAGE, re.DOTALL))
SIGNATURES = rows(__file__, "signatures")


def random_weight(classes: int, stride: int = 1) -> np.ndarray:
    rng = np.random.default_rng(5)
    weight = rng.normal(0, 2 / stride, (classes, 3, stride, stride)).astype(np.float32)
    return weight - weight.mean(axis=1, keepdims=True)  # grey is neither face nor background


def write_network(
    path: Path, shape: list[int | str], weight: np.ndarray, *, sigmoid: bool = False
) -> None:
    """Write one convolution, its stride the side of its kernel, as an ONNX file."""
    last, stride = shape[3] == 3, weight.shape[3]
    names = ["image", *["x"] * last, "y", *["p"] * sigmoid, *["q"] * last]
    steps = [("Transpose", {"perm": [0, 3, 1, 2]})] * last
    steps += [("Conv", {"strides": [stride, stride]})] + [("Sigmoid", {})] * sigmoid
    steps += [("Transpose", {"perm": [0, 2, 3, 1]})] * last
    nodes = [
        helper.make_node(kind, [before, *["w"] * (kind == "Conv")], [after], **options)
        for (kind, options), (before, after) in zip(steps, itertools.pairwise(names), strict=True)
    ]
    nodes.append(helper.make_node("Identity", [names[-1]], ["logits"]))
    ends = (("image", shape), ("logits", None))
    infos = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, size)] for name, size in ends]
    graph = helper.make_graph(nodes, "stand-in", *infos, [numpy_helper.from_array(weight, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A working folder with params.yaml; returns what writes its benchmark."""
    monkeypatch.chdir(tmp_path)
    params = dataclasses.asdict(PARAMS) | {"benchmarks": ["realocc", "cofw"]}
    YAML().dump({"profile": "made-up", "evaluate": params}, tmp_path / "params.yaml")
    folder = tmp_path / "data/benchmarks"
    write_drawn(folder / "cofw", "benchmark", "cofw", [], absent="no COFW here")

    def write(*sizes: tuple[int, int]) -> list[np.ndarray]:
        images = [photograph(*size, seed=seed) for seed, size in enumerate(sizes)]
        parts = ({"jpg": encode_png(image), "png": image[..., 0] // 128} for image in images)
        samples = ((f"{seed}", part, {}) for seed, part in enumerate(parts))
        write_drawn(folder / "realocc", "benchmark", "realocc", samples)
        return images

    return write


def expected_face(image: np.ndarray, spec: dict, weight: torch.Tensor) -> np.ndarray:
    """Say which pixels are face, with the steps that the networks' own users take."""
    pixels = torch.tensor(image[..., :: -1 if spec.get("channels") == "bgr" else 1].copy())
    mean, std = (torch.tensor(spec.get(key, [n] * 3)) for key, n in (("mean", 0.0), ("std", 1.0)))
    inputs = ((pixels / spec["divide_by"] - mean) / std).permute(2, 0, 1)[None].float()
    scores = functional.conv2d(inputs, weight, stride=weight.shape[2]).double()
    classes = scores.softmax(1)[:, spec.get("face", [])].sum(1, keepdim=True)
    probability = scores.sigmoid() if scores.shape[1] == 1 else classes
    resized = functional.interpolate(probability.logit(), size=image.shape[:2], mode="bilinear")
    return (resized[0, 0] >= 0).numpy()


@pytest.mark.parametrize("name", DOCUMENTED)
def test_documented_yaml_reads_networks_of_that_signature(name, checkout, invoke, tmp_path):
    assert set(DOCUMENTED) == set(SIGNATURES)
    shape, classes, stride, sigmoid = SIGNATURES[name]
    (tmp_path / "net.yaml").write_text(DOCUMENTED[name])
    spec = read_yaml(tmp_path / "net.yaml")
    images = checkout(tuple(spec["size"]), tuple(spec["size"]))
    weight = random_weight(classes, stride)
    write_network(tmp_path / "net.onnx", shape, weight, sigmoid=sigmoid)
    printed = invoke("score", "net.onnx")
    assert "2 images" in printed and "cofw: no COFW here" in printed
    scores = read_scores(tmp_path / "reports/other/net.json", profile="made-up")
    assert scores.inference["network"].items() >= spec.items() and scores.model == spec["title"]
    for number, image in enumerate(images):
        face = expected_face(image, spec, torch.from_numpy(weight))
        assert 0.1 < face.mean() < 0.9  # else the next line says little
        wanted = confusion_counts(face, image[..., 0] // 128)
        counts = scores.benchmarks["realocc"].views["last"].counts[number]
        assert np.abs(counts - wanted).sum() <= 8  # two pixels of 65,536 on the border


@pytest.mark.parametrize("shape", [[1, 3, 64, 96], [2, 64, 96, 3], ["n", "h", "w", 3]])
@pytest.mark.parametrize("keep_aspect", [False, True])
@pytest.mark.parametrize(
    ("values", "face"), [("logits", [1]), ("logits", [0]), ("labels", [1]), ("probabilities", [1])]
)
def test_what_is_face_lies_where_it_is_in_images_of_any_shape(
    tmp_path, shape, keep_aspect, values, face
):
    """The network takes red pixels for face, or gives them label 1."""
    red = np.float32([1, 0, 0]).reshape(1, 3, 1, 1)
    write_network(tmp_path / "red.onnx", shape, red, sigmoid=values == "probabilities")
    about = {"title": "red", "licence": "MIT", "size": [64, 96], "divide_by": 255.0}
    about |= {"keep_aspect": keep_aspect, "values": values, "face": face}
    spec = NetworkSpec(**about, mean=[0.0 if values == "labels" else 0.5, 0.0, 0.0])
    images = [np.zeros((*size, 3), np.uint8) for size in ((128, 192), (90, 40), (40, 90))]
    for image in images:
        image[: len(image) // 2, : image.shape[1] // 4, 0] = 255
    found = OnnxSegmenter(tmp_path / "red.onnx", spec).predict_batch(images)
    for image, probability in zip(images, found, strict=True):
        agrees = (probability >= 0.5) == ((image[..., 0] > 0) == (face == [1]))
        assert agrees.mean() > 0.97  # of the pixels; the border is interpolated


@pytest.mark.parametrize(("shape", "classes", "options", "said"), rows(__file__, "unfit"))
def test_what_does_not_fit_is_one_line_that_names_it(
    checkout, invoke, tmp_path, shape, classes, options, said
):
    checkout((16, 16))
    if shape:
        write_network(tmp_path / "net.onnx", shape, random_weight(classes))
    else:
        (tmp_path / "net.onnx").write_text("no network")
    about = [] if "missing" in said else ["--title", "x", "--licence", "MIT"]
    assert re.search(said, invoke("score", "net.onnx", *about, *options, status=1))
    assert not (tmp_path / "reports").exists()
