"""The paper's recipes, number by number, and the published configuration's."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper

from face_occlusion.core.params import build, read_yaml
from face_occlusion.networks.segmentor import IMAGENET, build_segmentor
from face_occlusion.training.architectures import ARCHITECTURES
from face_occlusion.training.recipe import build_optimizer, build_schedules, resolve
from face_occlusion.training.settings import RunParams, TrainParams
from tests.conftest import ROOT
from tests.tiny import profile
from tests.training.conftest import network_config

PAPER = profile("paper")


def recipe(model: str, **loss: Any) -> dict[str, Any]:
    """Return the resolved configuration of an architecture at `paper`."""
    train = PAPER["train"] | {"loss": PAPER["train"]["loss"] | loss}
    return resolve(
        build("models", PAPER["models"][model], ARCHITECTURES[model]),
        build("train", train, TrainParams),
        distributed=True,
    )


def assert_holds(config: dict[str, Any], expected: dict[str, Any]) -> None:
    """Every expected key has its value, however deep."""
    for key, value in expected.items():
        if isinstance(value, dict):
            assert_holds(config[key], value)
        elif isinstance(value, list) and isinstance(value[0], dict):
            for part, wanted in zip(config[key], value, strict=True):
                assert_holds(part, wanted)
        else:
            assert np.array_equal(config[key], value), key


def test_recipes_and_their_quantities():
    expected = read_yaml(Path(__file__).with_name("recipes.yaml"))
    for model, weights in expected.pop("pretrained").items():
        assert_holds(recipe(model), expected.pop(model))
        assert PAPER["models"][model]["pretrained"].rsplit("/")[-1] == weights
    assert_holds(PAPER["train"], expected.pop("train"))
    train = build("train", PAPER["train"], TrainParams)
    assert train.iterations * train.batch_size == 240_000 and not expected
    assert IMAGENET == ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


def test_text_and_published_configuration_are_one_parameter_apart():
    for channels in (1, 2):
        config = recipe("deeplabv3plus", out_channels=channels)
        assert config["model"]["decode_head"]["out_channels"] == channels
    mining = {"thresh": 0.7, "min_kept_per_image": 10_000, "divide_by": "kept"}
    assert_holds(config["model"]["loss"], mining)
    assert recipe("pspnet", divide_by="valid")["model"]["loss"]["divide_by"] == "valid"


@pytest.mark.parametrize("model", ["pspnet", "segformer"])
def test_rates_of_30000_iterations_are_those_of_mmsegmentation(model: str):
    """SGD: its poly. AdamW, as its 0.x: poly from the start, times 1 - (1 - t / 1500)(1 - 1e-6)."""
    config, rates = recipe(model), []
    rate = config["optim_wrapper"]["optimizer"]["lr"]
    optimizer: Any = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)
    schedulers = build_schedules(optimizer, config)
    optimizer.step()
    for _ in range(30_000):
        rates.append(optimizer.param_groups[0]["lr"])
        for scheduler in schedulers:
            scheduler.step()
    step = np.arange(29_000)  # mmengine ends a step earlier
    if model == "pspnet":
        want = (0.01 - 1e-4) * (1 - step / 30_000) ** 0.9 + 1e-4
        assert rates[-1] == pytest.approx(1e-4)
    else:
        warm_up = 1 - np.maximum(0, 1 - step / 1_500) * (1 - 1e-6)
        want = 6e-5 * (1 - step / 30_000) * warm_up
    np.testing.assert_allclose(rates[:29_000], want, rtol=2e-3)


@pytest.mark.parametrize("model", ["segformer", "pspnet"])
def test_merged_groups_update_as_mmengines_own_do(model: str):
    config = network_config(model)
    ours = build_segmentor(config["model"])
    stock = copy.deepcopy(ours)
    wrapper = config["optim_wrapper"]
    merged = build_optimizer(ours, config)
    plain = build_optim_wrapper(
        stock, {key: value for key, value in wrapper.items() if key != "constructor"}
    )
    if model == "segformer":  # backbone, its norms without decay, head with ten times the rate
        assert [group["lr"] for group in merged.optimizer.param_groups] == [1e-3, 1e-3, 1e-2]
        assert [group["weight_decay"] for group in merged.optimizer.param_groups] == [5e-4, 0, 5e-4]
        assert len(plain.optimizer.param_groups) == len(list(stock.parameters()))
    for _ in range(3):
        for network, optimizer in ((ours, merged), (stock, plain)):
            torch.manual_seed(1)
            for value in network.parameters():
                value.grad = torch.randn_like(value)
            optimizer.step()
    for got, want in zip(ours.parameters(), stock.parameters(), strict=True):
        assert torch.equal(got, want)


def test_a_run_may_replace_the_seed():
    raw = read_yaml(ROOT / "params.yaml")
    train = build("train", raw["train"], TrainParams)
    entry = raw["runs"]["pspnet_c_wo"]
    assert build("run", entry, RunParams).seeded(train) == train
    again = build("run", entry | {"seed": train.seed + 1}, RunParams)
    assert again.seeded(train) == replace(train, seed=train.seed + 1)
