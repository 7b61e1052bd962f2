"""Made-up weights in the shapes and under the names of the usual releases."""

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from face_occlusion.training.weights import check_hash, describe, fetch_weights, load_backbone
from tests.training.conftest import MODELS, random_network

CLASSIFIER_REASON = "the classifier of ImageNet's 1000 classes"
STEM = {"stem.0", "stem.1", "stem.3", "stem.4", "stem.6", "stem.7"}


@pytest.fixture
def bottlenecks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put PSPNet on a narrow ResNet-50-v1c."""
    narrow = MODELS["pspnet"] | {"depth": 50, "output_stride": 32}
    monkeypatch.setitem(MODELS, "pspnet", narrow)


def backbone(model: str) -> nn.Module:
    made = random_network(model).backbone
    made.eval()
    return made


def made_up(module: nn.Module) -> dict[str, Tensor]:
    """Return random weights under MMSegmentation's names, such that activations stay moderate."""
    torch.manual_seed(5)
    state = {}
    for key, value in module.state_dict().items():
        if value.ndim > 1:
            state[key] = torch.randn(value.shape) / value[0].numel() ** 0.5
        else:
            state[key] = (torch.rand(value.shape) + 0.5).to(value.dtype)
    return state


def renamed(state: dict[str, Tensor], *rules: tuple[str, Any]) -> dict[str, Tensor]:
    """Rename by the first rule that fits each whole key; drop what none fits."""
    found = {}
    for key, value in state.items():
        for pattern, name in rules:
            if match := re.fullmatch(pattern, key):
                found[name(match) if callable(name) else match.expand(name)] = value
                break
    return found


LAYERS = (r"(layer\d\..+)", r"\1")
CLASSIFIER = {"fc.weight": torch.zeros(1000, 9), "fc.bias": torch.zeros(1000)}
SEVEN = {"conv1.weight": torch.zeros(8, 3, 7, 7), "bn1.weight": torch.zeros(8)}


def timm_v1c(state: dict[str, Tensor]) -> dict[str, Tensor]:
    rules = ((r"stem\.7\.(.+)", r"bn1.\1"), (r"stem\.(.+)", r"conv1.\1"), LAYERS)
    return renamed(state, *rules) | CLASSIFIER


def torchvision(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return renamed(state, LAYERS) | CLASSIFIER | SEVEN


def hugging_face_resnet(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """As transformers' ResNetForImageClassification; stages and layers count from 0."""
    kinds = {"conv": "convolution", "bn": "normalization", "0": "convolution", "1": "normalization"}

    def name(match: re.Match[str]) -> str:
        stage, block, kind, layer, tensor = match.groups()
        part = f"layer.{int(layer) - 1}" if layer else "shortcut"
        at = f"resnet.encoder.stages.{int(stage) - 1}.layers.{block}"
        return f"{at}.{part}.{kinds[kind]}.{tensor}"

    found = renamed(state, (r"layer(\d)\.(\d+)\.(?:downsample\.)?(conv|bn|\d)(\d)?\.(.+)", name))
    return found | {
        "resnet.embedder.embedder.convolution.weight": SEVEN["conv1.weight"],
        "resnet.embedder.embedder.normalization.weight": SEVEN["bn1.weight"],
        "classifier.1.weight": CLASSIFIER["fc.weight"],
    }


TRANSFORMER = {  # below layers.N, or a block of it: Hugging Face's name, the authors'
    "0.projection": ("patch_embeddings.{}.proj", "patch_embed{}.proj"),
    "0.norm": ("patch_embeddings.{}.layer_norm", "patch_embed{}.norm"),
    "2": ("layer_norm.{}", "norm{}"),
    "norm1": ("layer_norm_1", "norm1"),
    "norm2": ("layer_norm_2", "norm2"),
    "attn.attn.out_proj": ("attention.output.dense", "attn.proj"),
    "attn.sr": ("attention.self.sr", "attn.sr"),
    "attn.norm": ("attention.self.layer_norm", "attn.norm"),
    "ffn.layers.0": ("mlp.dense1", "mlp.fc1"),
    "ffn.layers.1": ("mlp.dwconv.dwconv", "mlp.dwconv.dwconv"),
    "ffn.layers.4": ("mlp.dense2", "mlp.fc2"),
}


def released_transformer(state: dict[str, Tensor], authors: bool) -> dict[str, Tensor]:
    found = {}
    for key, value in state.items():
        pattern = r"layers\.(\d)\.(?:1\.(\d)\.)?(.+)\.(\w+)"
        stage, block, part, kind = re.fullmatch(pattern, key).groups()
        stage = int(stage) + authors
        at = f"block{stage}.{block}." if authors else f"block.{stage}.{block}."
        if kind.startswith("in_proj_"):
            parts = [part.clone() for part in value.chunk(3)]
            kind = kind.removeprefix("in_proj_")
            if authors:
                found[f"{at}attn.q.{kind}"] = parts[0]
                found[f"{at}attn.kv.{kind}"] = torch.cat(parts[1:])
            else:
                for name, projection in zip(("query", "key", "value"), parts, strict=True):
                    found[f"{at}attention.self.{name}.{kind}"] = projection
        else:
            name = TRANSFORMER[part][authors].format(stage)
            linear = kind == "weight" and re.search(r"(dense|fc)\d$", name)
            found[f"{at if block else ''}{name}.{kind}"] = value.flatten(1) if linear else value
    return found


def hugging_face_transformer(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """As transformers' SegformerForImageClassification; queries, keys, values apart."""
    found = released_transformer(state, authors=False)
    named = {f"segformer.encoder.{key}": value for key, value in found.items()}
    return named | {"classifier.weight": torch.zeros(1000, 9)}


def authors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """As SegFormer's authors: stages count from 1, keys and values are one layer."""
    found = released_transformer(state, authors=True)
    return found | {"head.weight": torch.zeros(1000, 9)}


def save(state: dict[str, Tensor], path: Path) -> Path:
    if path.suffix == ".safetensors":
        save_file({key: value.contiguous() for key, value in state.items()}, path)
    else:
        torch.save(state, path)
    return path


def same_as_mmsegmentation(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """As a checkpoint; ResNets keep their classifier."""
    named = {f"backbone.{key}": value for key, value in state.items()}
    return named | CLASSIFIER if "stem.0.weight" in state else named


@pytest.mark.parametrize(
    ("model", "release", "file", "name"),
    [
        ("pspnet", same_as_mmsegmentation, "w.pth", "MMSegmentation"),
        ("pspnet", timm_v1c, "w.safetensors", "timm, ResNet-v1c"),
        ("pspnet", torchvision, "w.pth", "torchvision or timm, ResNet"),
        ("pspnet", hugging_face_resnet, "w.bin", "Hugging Face, ResNet"),
        ("segformer", same_as_mmsegmentation, "w.pth", "MMSegmentation"),
        ("segformer", hugging_face_transformer, "w.pth", "Hugging Face, SegFormer"),
        ("segformer", authors, "w.pth", "SegFormer's authors"),
    ],
)
@pytest.mark.usefixtures("bottlenecks")
def test_every_weight_is_accounted_for(tmp_path, model, release, file, name):
    target = backbone(model)
    state = made_up(target)
    before = {key: value.clone() for key, value in target.state_dict().items()}
    record = load_backbone(target, save(release(state), tmp_path / file))
    assert record["release"] == name
    assert release is same_as_mmsegmentation or CLASSIFIER_REASON in record["left_out"]
    for key, value in target.state_dict().items():
        if key in record["at_random"]:
            assert torch.equal(value, before[key]), key
        elif not key.endswith("num_batches_tracked"):
            assert torch.equal(value, state[key]), key
    counted = [key for key in before if not key.endswith("num_batches_tracked")]
    assert record["num_loaded"] == len(counted) - len(record["at_random"])
    if release in (torchvision, hugging_face_resnet):
        assert {key.rsplit(".", 1)[0] for key in record["at_random"]} == STEM
        assert "stem at random (15 tensors)" in describe(record)
    else:
        assert record["at_random"] == []
        assert describe(record) == f"ImageNet: {file} ({name})"


def test_weights_of_another_network_or_shape_are_refused_by_name(tmp_path: Path):
    target, path = backbone("pspnet"), tmp_path / "w.pth"

    def refused(state: dict[str, Tensor], *messages: str, by: nn.Module = target) -> None:
        with pytest.raises(ValueError) as caught:
            load_backbone(by, save(state, path))
        assert [text for text in messages if text not in str(caught.value)] == []

    state = target.state_dict()
    state |= {"stem.0.weight": torch.zeros(99, 3, 3, 3), "attention.weight": torch.zeros(1)}
    del state["stem.1.weight"]
    unknown = "1 unknown: ['attention.weight']", "1 of another shape: ['stem.0.weight']"
    does_not_fit = "w.pth (MMSegmentation): does not fit this backbone: 1 missing: ['stem.1."
    refused(state, does_not_fit, *unknown)
    refused({"blocks.0.weight": torch.zeros(1)}, "w.pth: is in none of the known", "blocks")
    segformer = backbone("segformer")
    state = hugging_face_transformer(made_up(segformer))
    refused(state, "does not fit this backbone")
    del state["segformer.encoder.block.2.1.attention.self.key.bias"]
    refused(state, "another shape: ['layers.2.1.1.attn.attn.in_proj", by=segformer)
    for name in ("w.pth", "w.safetensors"):
        (tmp_path / name).write_text("<html>not found</html>")
        with pytest.raises(ValueError, match=rf"{name}: not a state dict"):
            load_backbone(target, tmp_path / name)


def test_the_hash_in_the_name_or_beside_it_is_checked(tmp_path: Path, monkeypatch):
    digest = hashlib.sha256(b"weights").hexdigest()
    good, bad, plain = (
        str(tmp_path / name) for name in (f"net-{digest[:8]}.pth", "net-00000000.pth", "net.bin")
    )
    for path in (good, bad, plain):
        Path(path).write_bytes(b"weights")
    assert fetch_weights(good, None) == Path(good)
    assert fetch_weights(plain, digest) == Path(plain)
    check_hash(Path(bad), digest)  # the key says more than the name
    for name, sha256, message in (
        (bad, None, "its name promises a sha256 that starts with 00000000"),
        (plain, "1" * 64, "pretrained_sha256 promises a sha256 that starts with 1"),
        (plain, None, f"net.bin: nothing says the hash.*to {digest}"),
        ("nowhere/r.pth", None, r"nowhere/r\.pth: no such file; put the ImageNet weights"),
    ):
        with pytest.raises(ValueError, match=message):
            fetch_weights(name, sha256)

    def download(url: str, path: str) -> None:
        asked.append(url)
        Path(path).write_bytes(b"weights")

    asked, url = [], f"https://example.org/net-{digest[:8]}.pth"
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    assert fetch_weights(url, None) == fetch_weights(url, None)
    assert asked == [url]
