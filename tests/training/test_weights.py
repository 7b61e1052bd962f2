"""Made-up weights in the shapes and under the names of the usual releases."""

import hashlib
import re
from pathlib import Path

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


def renamed(state: dict[str, Tensor], *rules: tuple[str, str]) -> dict[str, Tensor]:
    """Rename by the first rule that fits each whole key; drop what none fits."""
    found = {}
    for key, value in state.items():
        for pattern, name in rules:
            if match := re.fullmatch(pattern, key):
                found[match.expand(name)] = value
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
    found = {
        "resnet.embedder.embedder.convolution.weight": torch.zeros(8, 3, 7, 7),
        "resnet.embedder.embedder.normalization.weight": torch.zeros(8),
        "classifier.1.weight": torch.zeros(1000, 9),
    }
    parts = {"conv": "layer.{}.convolution", "bn": "layer.{}.normalization"}
    for key, value in torchvision(state).items():
        if match := re.fullmatch(r"layer(\d)\.(\d+)\.(conv|bn)(\d)\.(.+)", key):
            stage, block, kind, number, tensor = match.groups()
            name = f"{parts[kind].format(int(number) - 1)}.{tensor}"
        elif match := re.fullmatch(r"layer(\d)\.(\d+)\.downsample\.(\d)\.(.+)", key):
            stage, block, number, tensor = match.groups()
            name = f"shortcut.{('convolution', 'normalization')[int(number)]}.{tensor}"
        else:
            continue
        found[f"resnet.encoder.stages.{int(stage) - 1}.layers.{block}.{name}"] = value
    return found


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


def test_missing_unknown_and_misshapen_weights_are_named(tmp_path: Path):
    target = backbone("pspnet")
    state = target.state_dict()
    state["stem.0.weight"] = torch.zeros(99, 3, 3, 3)
    state["attention.weight"] = torch.zeros(1)
    del state["stem.1.weight"]
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(ValueError) as caught:
        load_backbone(target, tmp_path / "w.pth")
    message = str(caught.value)
    assert "w.pth (MMSegmentation): does not fit this backbone: 1 missing: ['stem.1." in message
    assert "1 unknown: ['attention.weight']" in message
    assert "1 of another shape: ['stem.0.weight']" in message


def test_another_network_and_a_value_without_its_key_are_refused_by_name(tmp_path: Path):
    path = save({"blocks.0.weight": torch.zeros(1)}, tmp_path / "vit.pth")
    with pytest.raises(ValueError, match=r"vit\.pth: is in none of the known .* \(MMSeg.*blocks"):
        load_backbone(backbone("pspnet"), path)
    target = backbone("segformer")
    state = hugging_face_transformer(made_up(target))
    with pytest.raises(ValueError, match="does not fit this backbone"):
        load_backbone(backbone("pspnet"), save(state, tmp_path / "m.pth"))
    del state["segformer.encoder.block.2.1.attention.self.key.bias"]
    with pytest.raises(ValueError, match=r"another shape: \['layers\.2\.1\.1\.attn\.attn\.in_proj"):
        load_backbone(target, save(state, tmp_path / "m.pth"))


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_something_else_than_weights_is_refused_by_name(tmp_path: Path, name: str):
    (tmp_path / name).write_text("<html>not found</html>")
    with pytest.raises(ValueError, match=rf"{name}: not a state dict"):
        load_backbone(backbone("pspnet"), tmp_path / name)


def test_the_hash_in_the_name_or_beside_it_is_checked(tmp_path: Path):
    digest = hashlib.sha256(b"weights").hexdigest()
    good, bad, plain = (
        tmp_path / name for name in (f"net_2022-{digest[:8]}.pth", "net-00000000.pth", "net.bin")
    )
    for path in (good, bad, plain):
        path.write_bytes(b"weights")
    assert fetch_weights(str(good), None) == good
    assert fetch_weights(str(plain), digest) == plain
    check_hash(bad, digest)  # the key says more than the name
    with pytest.raises(ValueError, match="its name promises a sha256 that starts with 00000000"):
        fetch_weights(str(bad), None)
    with pytest.raises(ValueError, match="pretrained_sha256 promises a sha256 that starts with 1"):
        fetch_weights(str(plain), "1" * 64)
    with pytest.raises(ValueError, match=f"net.bin: nothing says the hash.*to {digest}"):
        fetch_weights(str(plain), None)
    with pytest.raises(ValueError, match=r"nowhere/r\.pth: no such file; put the ImageNet weights"):
        fetch_weights("nowhere/r.pth", None)


def test_a_url_is_downloaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    digest = hashlib.sha256(b"weights").hexdigest()
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    asked = []

    def download(url: str, path: str) -> None:
        asked.append(url)
        Path(path).write_bytes(b"weights")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    url = f"https://example.org/net-{digest[:8]}.pth"
    assert fetch_weights(url, None) == fetch_weights(url, None)
    assert asked == [url]
