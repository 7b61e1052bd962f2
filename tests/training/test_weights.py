"""Made-up weights in the shapes and under the names of the usual releases."""

import hashlib
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from face_occlusion.training.weights import check_hash, describe, fetch_weights, load_backbone
from tests.tables import refuses, rows
from tests.training.conftest import MODELS, random_network

RELEASES = rows(__file__, "releases")
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


def released(state: dict[str, Tensor], rules: list, extra: dict[str, list]) -> dict[str, Tensor]:
    """Return weights as a release has them, by the rules of test_weights.yaml."""
    found = {key: torch.zeros(shape) for key, shape in extra.items()}
    for key, value in state.items():
        for pattern, *names in rules:
            if match := re.fullmatch(pattern, key):
                numbers = [int(text) if text.isdigit() else 0 for text in match.groups()]
                beside = {"below": [n - 1 for n in numbers], "above": [n + 1 for n in numbers]}
                parts = value.chunk(3) if len(names) > 1 else (value,)
                if len(names) == 2:
                    parts = parts[0], torch.cat(parts[1:])
                for name, part in zip(names, parts, strict=True):
                    new = name.format(*match.groups(), **beside)
                    linear = re.search(r"(dense|fc)\d\.weight$", new)
                    found[new] = part.flatten(1) if linear else part.clone()
                break
    return found


def save(state: dict[str, Tensor], path: Path) -> Path:
    if path.suffix == ".safetensors":
        save_file({key: value.contiguous() for key, value in state.items()}, path)
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize(
    ("model", "file", "name", "rules", "extra"),
    [pytest.param(*row, id=f"{row[0]}, {row[2]}") for row in RELEASES],
)
@pytest.mark.usefixtures("bottlenecks")
def test_every_weight_is_accounted_for(tmp_path, model, file, name, rules, extra):
    target = backbone(model)
    state = made_up(target)
    before = {key: value.clone() for key, value in target.state_dict().items()}
    record = load_backbone(target, save(released(state, rules, extra), tmp_path / file))
    assert record["release"] == name
    assert not extra or name == "MMSegmentation" or CLASSIFIER_REASON in record["left_out"]
    for key, value in target.state_dict().items():
        if key in record["at_random"]:
            assert torch.equal(value, before[key]), key
        elif not key.endswith("num_batches_tracked"):
            assert torch.equal(value, state[key]), key
    counted = [key for key in before if not key.endswith("num_batches_tracked")]
    assert record["num_loaded"] == len(counted) - len(record["at_random"])
    if name in ("torchvision or timm, ResNet", "Hugging Face, ResNet"):
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
    (hugging_face,) = (row for row in RELEASES if row[2] == "Hugging Face, SegFormer")
    state = released(made_up(segformer), *hugging_face[3:])
    refused(state, "does not fit this backbone")
    del state["segformer.encoder.block.2.1.attention.self.key.bias"]
    refused(state, "another shape: ['layers.2.1.1.attn.attn.in_proj", by=segformer)
    for name in ("w.pth", "w.safetensors"):
        (tmp_path / name).write_text("<html>not found</html>")
        refuses(rf"{name}: not a state dict", load_backbone, target, tmp_path / name)


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
        refuses(message, fetch_weights, name, sha256)

    def download(url: str, path: str) -> None:
        asked.append(url)
        Path(path).write_bytes(b"weights")

    asked, url = [], f"https://example.org/net-{digest[:8]}.pth"
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    assert fetch_weights(url, None) == fetch_weights(url, None)
    assert asked == [url]
