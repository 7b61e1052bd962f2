"""The generator against the published one: keys, vectors, checkpoints."""

import json

import numpy as np
import pytest
import torch

from face_occlusion.generation.harmonisation import rainnet
from tests.conftest import small_files
from tests.networks.test_checkpoint import Opens
from tests.tables import refuses


@pytest.fixture(scope="module")
def vectors(shared):
    return np.load(shared / "reference" / "rainnet_vectors.npz")


@pytest.fixture(scope="module")
def reference_network(vectors):
    names = (name for name in vectors.files if name.startswith("weight/"))
    weights = {name.removeprefix("weight/"): torch.from_numpy(vectors[name]) for name in names}
    network = rainnet.RainNet(width=4)
    network.load_state_dict(weights, strict=True)
    return network.eval()


def test_the_state_dict_is_the_published_one(shared):
    published = json.loads((shared / "reference" / "rainnet_keys.json").read_text())["keys"]
    with torch.device("meta"):
        state = rainnet.RainNet().state_dict()
    assert {name: list(tensor.shape) for name, tensor in state.items()} == published
    assert sum(tensor.numel() for tensor in state.values()) == 54_759_043


@torch.no_grad()
def test_outputs_equal_the_reference(vectors, reference_network):
    image = torch.from_numpy(vectors["input_u8"]).float() / 127.5 - 1
    mask = torch.from_numpy(vectors["mask"]).float()
    kept = image.clone()
    output = reference_network(image, mask).numpy()
    composite = reference_network.composite(image, mask).numpy()
    assert np.abs(output - vectors["generator_output"]).max() < 1e-4
    assert np.abs(composite - vectors["composite_output"]).max() < 1e-4
    assert torch.equal(image, kept)


@torch.no_grad()
def test_region_aware_norm_equals_a_slow_loop():
    rng = np.random.default_rng(0)
    features, mask = rng.normal(2, 3, (1, 2, 4, 6)), rng.random((4, 6)) < 0.4
    norm = rainnet.RegionAwareNorm(2)
    for parameter in norm.parameters():
        parameter.copy_(torch.from_numpy(rng.normal(0, 0.3, 2)))
    output = norm(*(torch.from_numpy(part).float() for part in (features, mask[None, None])))
    for channel in range(2):
        back, fore = features[0, channel][~mask], features[0, channel][mask]
        gains = {name: p.numpy()[channel] for name, p in norm.named_parameters()}
        expected = np.empty((4, 6))
        expected[~mask] = (back - back.mean()) / back.std() * (1 + gains["background_gamma"])
        expected[~mask] += gains["background_beta"]
        moved = (fore - fore.mean()) / fore.std() * back.std() + back.mean()
        expected[mask] = moved * (1 + gains["foreground_gamma"]) + gains["foreground_beta"]
        np.testing.assert_allclose(output[0, channel].numpy(), expected, atol=1e-3)


def test_sizes_that_do_not_fit_are_refused():
    network = rainnet.RainNet(width=1)
    refuses("multiples of 256", network, torch.zeros(1, 3, 128, 256), torch.zeros(1, 1, 128, 256))
    refuses("image and mask", network, torch.zeros(1, 3, 256, 256), torch.zeros(1, 3, 256, 256))


def test_a_checkpoint_comes_back_with_its_width(tmp_path):
    network, path = rainnet.RainNet(width=2), tmp_path / "folder" / "rainnet.pth"
    rainnet.save_rainnet(network, path)
    with small_files(1000), pytest.raises(OSError, match=r"File too large: '.*rainnet\.pth"):
        rainnet.save_rainnet(network, path)  # the former one is kept
    loaded = rainnet.load_rainnet(path)
    assert loaded.width == 2 and not loaded.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name
    assert list(path.parent.iterdir()) == [path]


KEYLESS = rainnet.RainNet(width=1).state_dict()
del KEYLESS["model_out.1.bias"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, ": no such RainNet checkpoint"),
        ("not a checkpoint", ": not a RainNet checkpoint"),
        ({"model_layer0.weight": Opens()}, ": not a RainNet checkpoint"),  # runs code in a pickle
        ({"weight": torch.zeros(3)}, ".*model_layer0"),
        (KEYLESS, r".*model_out\.1\.bias"),
    ],
)
def test_wrong_files_are_refused_by_name(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "other.pth"
    if isinstance(content, str):
        path.write_text(content)
    elif content:
        torch.save(content, path)
    refuses(rf"other\.pth{message}", rainnet.load_rainnet, path)
    assert not (tmp_path / "touched").exists()
