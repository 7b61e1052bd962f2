"""Each network against MMSegmentation's own: same keys, same outputs, same gradients."""

import copy
from typing import Any

import pytest
import torch
from mmseg.models.backbones import MixVisionTransformer, ResNetV1c
from mmseg.models.backbones.mit import EfficientMultiheadAttention
from mmseg.models.decode_heads import DepthwiseSeparableASPPHead, PSPHead, SegformerHead
from mmseg.registry import MODELS
from torch import nn
from torch.nn import functional

from face_occlusion.networks import products
from face_occlusion.networks.backbones import LeanMixTransformer, attend
from tests.training.conftest import MODELS as PARAMS
from tests.training.conftest import network_config

STOCK = {
    "LeanMixTransformer": MixVisionTransformer,
    "BlockwiseResNetV1c": ResNetV1c,
    "PyramidHead": PSPHead,
    "SeparableAsppHead": DepthwiseSeparableASPPHead,
    "LeanSegformerHead": SegformerHead,
}


def noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def both(config: dict[str, Any], training: bool) -> tuple[nn.Module, nn.Module]:
    """Build our module and the stock one with the same random weights, without dropout."""
    ours = MODELS.build(copy.deepcopy(config))
    arguments = {key: value for key, value in config.items() if key != "type"}
    stock = STOCK[config["type"]](**copy.deepcopy(arguments))
    assert list(ours.state_dict()) == list(stock.state_dict())
    for number, value in enumerate(ours.state_dict().values()):
        if value.dtype.is_floating_point and value.ndim > 1:  # biases and norms: around 0 and 1
            value.copy_(noise(number, *value.shape) * (2 / value[0].numel()) ** 0.5)
        elif value.dtype.is_floating_point:
            value.add_(0.1 * noise(number, *value.shape).abs())
    stock.load_state_dict(ours.state_dict())
    for module in (ours, stock):
        module.train(training)
    return ours, stock


def assert_same(ours: Any, stock: Any, *inputs: torch.Tensor, as_list: bool = False) -> None:
    """Compare outputs, and gradients of inputs and parameters, relative to their norms.

    Stock computes in float64: in float32 it is itself 1e-5 from that, on some CPUs.
    """
    results = []
    for function, dtype in ((ours, torch.float32), (stock, torch.float64)):
        own = [value.clone().to(dtype).requires_grad_() for value in inputs]
        if isinstance(function, nn.Module):
            function.to(dtype)
        out = function(own) if as_list else function(*own)
        out = list(out) if isinstance(out, list | tuple) else [out]
        torch.stack([(value * noise(9, *value.shape)).sum() for value in out]).sum().backward()
        used = [value for value in own if value.grad is not None]
        parameters = function.parameters() if isinstance(function, nn.Module) else ()
        results.append([[value.grad for value in (*used, *parameters)], out])
    scale = max(want.norm() for want in results[1][0])
    for got, want in zip(*(grads + out for grads, out in results), strict=True):
        assert got.shape == want.shape
        assert (got - want).norm() <= 1e-5 * want.norm() + 1e-6 * scale


@pytest.mark.parametrize("model", PARAMS)
@pytest.mark.parametrize(("training", "size"), [(True, (64, 96)), (False, (108, 76))])
def test_backbones_equal_the_stock_ones(model: str, training: bool, size: tuple[int, int]):
    config = network_config(model)["model"]["backbone"]
    if model == "segformer":
        config["drop_path_rate"] = 0.0
    ours, stock = both(config, training)
    assert_same(ours, stock, noise(1, 2, 3, *size))


@pytest.mark.parametrize("model", PARAMS)
@pytest.mark.parametrize("training", [True, False])
def test_heads_equal_the_stock_ones(model: str, training: bool):
    config = network_config(model)["model"]["decode_head"] | {"dropout_ratio": 0.0}
    ours, stock = both(config, training)
    features = (
        [noise(i, 2, c, 48 >> i, 64 >> i) for i, c in enumerate(config["in_channels"])]
        if model == "segformer"
        else [noise(i, 3, 8 << i, 16 >> (i > 0), 24 >> (i > 0)) for i in range(4)]
    )
    assert_same(ours, stock, *features, as_list=True)


@pytest.mark.parametrize("sr_ratio", [1, 2, 4])
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-3)])
def test_attention_equals_the_stock_module(sr_ratio: int, dtype: torch.dtype, limit: float):
    """Typical difference below the limit; the largest within twice the type's rounding."""
    torch.manual_seed(0)
    stock = EfficientMultiheadAttention(128, 2, qkv_bias=True, sr_ratio=sr_ratio).to(dtype)
    x = noise(1, 2, 16 * 24, 128).to(dtype)
    with torch.no_grad():
        want = stock(x, (16, 24), identity=torch.zeros_like(x)).double()
        got = attend(stock, x, (16, 24)).double()
    assert want.abs().max() > 0.02
    assert (got - want).square().mean().sqrt() <= limit
    assert (got - want).abs().max() <= max(limit, 2 * torch.finfo(dtype).eps * want.abs().max())


def test_paths_are_dropped_per_sample_at_the_stock_rates():
    config = network_config("segformer")["model"]["backbone"]
    ours = MODELS.build(config | {"drop_path_rate": 0.4}).train()
    rates = [block.attn.dropout_layer.drop_prob for _, blocks, _ in ours.layers for block in blocks]
    assert rates[0] == 0 and rates[-1] == pytest.approx(0.4)
    torch.manual_seed(0)
    scales = ours._sample_scales(4000)
    for rate, scale in zip(rates, scales, strict=True):
        values = [0, 1 / (1 - rate)] if rate else [1.0]
        assert scale.unique().tolist() == pytest.approx(values, rel=1e-6)
        assert (scale == 0).float().mean().item() == pytest.approx(rate, abs=0.03)
    assert ours.eval()._sample_scales(3) == [None] * 8
    with pytest.raises(ValueError, match=r"drop_rate must be 0, as in SegFormer; got 0\.1"):
        LeanMixTransformer(drop_rate=0.1)


@pytest.mark.parametrize(("dilation", "compiled"), [(1, False), (12, False), (3, True)])
def test_shifted_products_equal_a_depthwise_convolution(dilation: int, compiled: bool):
    apply: Any = products.ShiftedDepthwise.apply
    apply = torch.compile(apply, backend="aot_eager") if compiled else apply

    def stock(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        options = {"padding": dilation, "dilation": dilation, "groups": 5}
        return functional.conv2d(x.permute(0, 3, 1, 2), weight, **options).permute(0, 2, 3, 1)

    inputs = noise(1, 2, 9, 7, 5), noise(2, 5, 1, 3, 3)
    assert_same(lambda x, weight: apply(x, weight, dilation), stock, *inputs)


@pytest.mark.parametrize("rows", [1, 15, 31, 48])
def test_linear_equals_pytorchs(rows: int):
    assert_same(products.linear, functional.linear, noise(1, rows, 6), noise(2, 5, 6), noise(3, 5))


@pytest.mark.parametrize("size", [(20, 28), (5, 7), (13, 9), (3, 4)])
def test_resizing_and_pooling_equal_pytorchs(size):
    def stock(x: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)

    for ours in (
        lambda x: products.resize(x, size),
        lambda x: products.resize_last(x.permute(0, 2, 3, 1), size).permute(0, 3, 1, 2),
    ):
        assert_same(ours, stock, noise(1, 2, 3, 5, 7))
    maps, scales = noise(3, 2, 5, *size), (1, 2, 3, 6)
    want = [functional.adaptive_avg_pool2d(maps, scale).flatten(2) for scale in scales]
    got = products.pool_pyramid(maps, scales)
    torch.testing.assert_close(got, torch.cat(want, 2).transpose(1, 2))
