import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch._dynamo.utils import counters
from torch.func import functional_call

from face_occlusion.networks.checkpoint import read_checkpoint
from face_occlusion.networks.segmentor import FaceSegmentor, build_segmentor
from face_occlusion.online.painting import PaintingPreprocessor
from face_occlusion.training.acceleration import WARM_UP, compile_parts, half_weights, set_up
from face_occlusion.training.augmentation import (
    augment_normalised,
    sample_augmentation,
    stack_samples,
)
from face_occlusion.training.recipe import build_optimizer
from face_occlusion.training.run import train_run
from tests.training.conftest import (
    MODELS,
    interrupt_second_score,
    job,
    network_config,
    train_params,
)


def network(name: str, *, dropout: bool) -> tuple[FaceSegmentor, dict]:
    """Return a small network in training mode, and its resolved configuration."""
    config = network_config(name)
    parts = copy.deepcopy(config["model"])
    if not dropout:
        for head in ("decode_head", "auxiliary_head"):
            if parts[head]:
                parts[head]["dropout_ratio"] = 0.0
        if name == "segformer":
            parts["backbone"]["drop_path_rate"] = 0.0
    torch.manual_seed(0)
    model = build_segmentor(parts).train()
    model.data_preprocessor.augment = augment_normalised
    return model, config


def batch(seed: int) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(seed)
    params = train_params().augment
    images = torch.from_numpy(rng.integers(0, 256, (4, 64, 64, 3), dtype=np.uint8))
    return {
        "inputs": images,
        "seg_maps": (images[..., 0] > 127).to(torch.uint8),
        "augmentations": stack_samples([sample_augmentation(rng, params) for _ in range(4)]),
    }


def losses_of(model: FaceSegmentor, seed: int) -> dict[str, Any]:
    """Return losses and gradients of one batch, random numbers seeded."""
    torch.manual_seed(1)
    losses = model(**model.data_preprocessor(batch(seed), True), mode="loss")
    model.zero_grad()
    torch.stack(list(losses.values())).sum().backward()
    gradients = {name: value.grad for name, value in model.named_parameters()}
    return {**losses, **gradients}


def compiled_programs(name: str, *, dropout: bool) -> int:
    """Compare compiled parts with plain ones; return the number of different programs."""
    torch._dynamo.reset()
    counters.clear()
    model, _ = network(name, dropout=dropout)
    plain = copy.deepcopy(model)
    compile_parts(model, backend="eager")
    got, want = losses_of(model, 1), losses_of(plain, 1)
    for key, value in want.items():
        torch.testing.assert_close(got[key], value, rtol=1e-4, atol=1e-6, msg=key)
    assert not counters["graph_break"]
    return counters["stats"]["unique_graphs"]


@pytest.mark.parametrize(
    ("name", "programs"), [("segformer", 12), ("pspnet", 8), ("deeplabv3plus", 8)]
)
def test_compiled_parts_compute_the_same_and_equal_blocks_share_a_program(name, programs):
    """SegFormer: three per stage. ResNet-18: the stem, one block, two of each later stage."""
    heads = 1 if name == "segformer" else 2
    # One more program is the augmentation.
    assert compiled_programs(name, dropout=True) == programs + heads + 1


def test_on_the_cpu_nothing_changes():
    model, _ = network("pspnet", dropout=True)
    set_up(model, precision="bf16", accelerated=True)
    assert model.step is None and not model.autocast


def test_mixed_precision_changes_losses_by_no_more_than_its_rounding():
    model, _ = network("segformer", dropout=False)
    want = losses_of(model, 1)["loss"]
    model.autocast = True
    assert losses_of(model, 1)["loss"].item() == pytest.approx(want.item(), rel=0.02)
    assert losses_of(model, 1)["loss"].dtype == torch.float32


@pytest.mark.parametrize("name", ["segformer", "pspnet"])
def test_weights_halved_at_once_train_as_those_that_autocast_converts(name):
    model, _ = network(name, dropout=False)
    model.autocast = True
    want = losses_of(model, 1)
    halves = half_weights(model)
    names = [key for key, value in model.named_parameters() if value.dim() > 1]
    assert set(names) <= set(halves)
    assert all(half.dtype == torch.bfloat16 for half in halves.values())
    torch.manual_seed(1)
    data = model.data_preprocessor(batch(1), True)
    got = functional_call(model, halves, (), {**data, "mode": "loss"})
    assert got["loss"].item() == pytest.approx(want["loss"].item(), rel=1e-4)
    model.zero_grad()
    torch.stack(list(got.values())).sum().backward()
    for key, value in model.named_parameters():
        assert value.grad is not None and value.grad.dtype == torch.float32
        assert (value.grad - want[key]).norm() <= 0.02 * want[key].norm() + 1e-5, key


def trained(
    name: str, *, recorded: bool, dropout: bool = False, painted: bool = False
) -> list[float]:
    """Train some steps with a falling rate and seeds as the loop sets them; return the losses."""
    model, config = network(name, dropout=dropout)
    model.cuda()
    wrapper = build_optimizer(model, config)
    set_up(model, precision="fp32", accelerated=True)
    if painted:
        model.data_preprocessor = PaintingPreprocessor(model.data_preprocessor, negative)  # pyright: ignore[reportAttributeAccessIssue]
    if not recorded:
        model.step = None
    losses = []
    for step in range(WARM_UP + 6):
        for group in wrapper.optimizer.param_groups:
            group["lr"] = 1e-3 / (step + 1)
        torch.manual_seed(step)
        losses.append(model.train_step(batch(step), wrapper)["loss"])
    return torch.stack(losses).tolist()


@pytest.mark.gpu
@pytest.mark.parametrize("name", MODELS)
def test_compiled_parts_compute_the_same_on_a_gpu(name):
    torch._dynamo.reset()
    model, _ = network(name, dropout=False)
    model.cuda()
    plain = copy.deepcopy(model)
    compile_parts(model)
    compiled, eager = (
        net.data_preprocessor({k: v.cuda() for k, v in batch(1).items()}, True)
        for net in (model, plain)
    )
    assert (compiled["seg_maps"] == eager["seg_maps"]).float().mean() > 0.999
    # Levels are rounded down: where two roundings differ, by one level, 1/57 of a deviation.
    assert (compiled["inputs"] - eager["inputs"]).abs().mean() < 1e-3
    model.data_preprocessor.augment = plain.data_preprocessor.augment
    got, want = losses_of(model, 1), losses_of(plain, 1)
    assert got["loss"].item() == pytest.approx(want["loss"].item(), rel=1e-4)
    names = [key for key in want if "loss" not in key]
    gradients = [torch.cat([found[name].flatten() for name in names]) for found in (got, want)]
    assert (gradients[0] - gradients[1]).norm() <= 0.02 * gradients[1].norm()


@pytest.mark.gpu
def test_attention_has_a_gradient_where_cudnns_is_nan():
    """Every score about -120 and 64 keys: cuDNN's overflows in the padding of its tile."""
    model, _ = network("segformer", dropout=False)
    model.cuda()
    set_up(model, precision="bf16", accelerated=False)
    query, key, value = torch.randn(3, 1, 1, 64, 64, device="cuda", dtype=torch.bfloat16) * 0.1
    query[..., 0], key[..., 0] = 1.0, -960.0
    query.requires_grad_()
    torch.nn.functional.scaled_dot_product_attention(query, key, value).sum().backward()
    assert query.grad is not None and query.grad.isfinite().all()


@pytest.mark.gpu
@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_recorded_steps_train_as_unrecorded_ones(name, dropout):
    """With dropout too: the graph draws from the generator that is seeded before each step."""
    want = trained(name, recorded=False, dropout=dropout)
    assert trained(name, recorded=True, dropout=dropout) == pytest.approx(want, rel=1e-3)


def negative(
    images: torch.Tensor, seg_maps: torch.Tensor, _: object
) -> tuple[torch.Tensor, torch.Tensor]:
    """Stand in for a painter; slow, so that a step which does not wait for it would be seen."""
    for _ in range(200):
        images = images + 1
    return 199 - images, 1 - seg_maps


@pytest.mark.gpu
def test_batches_painted_ahead_train_as_those_painted_in_the_step():
    want = trained("pspnet", recorded=False, painted=True)
    assert want != trained("pspnet", recorded=False)
    assert trained("pspnet", recorded=True, painted=True) == pytest.approx(want, rel=1e-3)


@pytest.mark.gpu
@pytest.mark.parametrize("name", MODELS)
def test_an_interrupted_run_on_a_gpu_goes_on_where_it_was(
    name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Weights, momentum, rate, order and random numbers come back: later weights are the same."""
    changes = {"iterations": 14, "eval_interval": 7, "checkpoint_interval": 7, "num_workers": 2}
    made = job(name, "faces/wo", input_px=64, precision="fp32", **changes)
    train_run(made, data, tmp_path / "undisturbed", tmp_path / "scratch")

    interrupt_second_score(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train_run(made, data, tmp_path / "resumed", tmp_path / "scratch")
    states = list((tmp_path / "scratch").rglob("*.pth"))
    half = next(state["model"] for state in map(read_checkpoint, states) if "optimizer" in state)
    train_run(made, data, tmp_path / "resumed", tmp_path / "scratch")

    want, got = (
        load_file(tmp_path / run / "last.safetensors") for run in ("undisturbed", "resumed")
    )
    names = [key for key, value in want.items() if value.is_floating_point()]
    wrong, way = (
        torch.cat([(want[key] - other[key]).flatten().float() for key in names]).norm()
        for other in (got, half)
    )
    assert way > 0 and wrong <= 0.05 * way
