import copy

import pytest
import torch
from mmengine.optim import build_optim_wrapper

from face_occlusion.networks.segmentor import build_segmentor
from face_occlusion.training.configs import resolve
from tests.training.conftest import job


@pytest.mark.parametrize("model", ["segformer", "pspnet"])
def test_merged_groups_update_as_mmengines_own_do(model: str):
    made = job(model, "faces/wo")
    config = resolve(model, made.model_params, made.train, distributed=False)
    torch.manual_seed(0)
    ours = build_segmentor(config["model"])
    stock = copy.deepcopy(ours)
    wrapper = config["optim_wrapper"]
    merged = build_optim_wrapper(ours, copy.deepcopy(wrapper))
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
