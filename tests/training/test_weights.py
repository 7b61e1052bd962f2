import hashlib
from pathlib import Path

import pytest
import torch
from torch import nn

from face_occlusion.training.configs import resolve
from face_occlusion.training.segmentor import build_segmentor
from face_occlusion.training.weights import check_hash, fetch_weights, load_backbone
from tests.training.conftest import job


def backbone(model: str = "pspnet") -> nn.Module:
    made = job(model, "faces/wo")
    config = resolve(model, made.model_params, made.train, distributed=False)
    return build_segmentor(config["model"]).backbone


@pytest.mark.parametrize("model", ["pspnet", "segformer"])
def test_a_released_state_dict_is_loaded_whole(tmp_path: Path, model: str):
    state = {
        key: torch.randn_like(value.float()) for key, value in backbone(model).state_dict().items()
    }
    content = {"state_dict": {f"backbone.{key}": value for key, value in state.items()}}
    content["state_dict"]["fc.weight"] = torch.zeros(1000, 3)  # the classifier is dropped
    torch.save(content, tmp_path / "w.pth")
    target = backbone(model)
    load_backbone(target, tmp_path / "w.pth")
    for key, value in target.state_dict().items():
        if "num_batches" not in key:
            assert torch.equal(value, state[key]), key


def test_weights_of_another_width_are_refused(tmp_path: Path):
    state = backbone().state_dict()
    state["stem.0.weight"] = torch.zeros(99, 3, 3, 3)
    del state["stem.1.weight"]
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"w\.pth: does not fit.*missing.*of another shape"):
        load_backbone(backbone(), tmp_path / "w.pth")


def test_a_missing_file_says_what_to_put_where():
    with pytest.raises(ValueError, match=r"nowhere/r\.pth: no such file; put the ImageNet weights"):
        fetch_weights("nowhere/r.pth")


def test_the_hash_in_the_name_is_checked(tmp_path: Path):
    digest = hashlib.sha256(b"weights").hexdigest()
    good = tmp_path / f"net_2022-{digest[:8]}.pth"
    good.write_bytes(b"weights")
    check_hash(good)
    assert fetch_weights(str(good)) == good
    bad = tmp_path / "net-00000000.pth"
    bad.write_bytes(b"weights")
    with pytest.raises(ValueError, match="promises a sha256 that starts with 00000000"):
        fetch_weights(str(bad))
