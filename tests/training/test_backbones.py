"""EfficientNet-Lite in the place of ResNet: configuration, refusals, a run, its acceleration.

That an exported file scales its input as well is tested in tests/apps/prediction/test_export.py.
"""

import pytest
import torch

from face_occlusion.core.params import build
from face_occlusion.evaluation.inference import load_model
from face_occlusion.networks.segmentor import build_segmentor
from face_occlusion.training.architectures import ARCHITECTURES
from face_occlusion.training.recipe import resolve
from face_occlusion.training.weights import fetch_weights
from tests.tables import refuses, rows
from tests.training.conftest import LITE, MODELS, job
from tests.training.test_acceleration import compiled_programs

CONVOLUTIONAL = ["pspnet", "deeplabv3plus"]


@pytest.fixture(autouse=True)
def on_lite(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put both architectures on a pretrained Lite0."""
    for model in CONVOLUTIONAL:
        monkeypatch.setitem(MODELS, model, MODELS[model] | LITE | {"pretrained": "imagenet"})


@pytest.mark.parametrize(("changes", "said"), rows(__file__, "refused"))
def test_unknown_combinations_are_refused(changes, said):
    refuses(said, build, "models", MODELS["pspnet"] | changes, ARCHITECTURES["pspnet"])
    with pytest.raises(ValueError, match="which EfficientNet-Lite has; got the backbone b0"):
        fetch_weights("imagenet", None, "b0")


@pytest.mark.parametrize("changes", [LITE, {"backbone": "resnet", "depth": 18, "base_channels": 8}])
@pytest.mark.parametrize("model", CONVOLUTIONAL)
def test_the_last_stage_can_be_left_out(model, changes):
    changes = changes | {"num_stages": 3, "output_stride": 16, "pretrained": None}
    made = job(model, "faces/wo")
    params = build("models", MODELS[model] | changes, ARCHITECTURES[model])
    config = resolve(params, made.train, distributed=False)["model"]
    assert config["decode_head"]["in_index"] == 2 and config["auxiliary_head"]["in_index"] == 1
    network = build_segmentor(config).eval()
    assert len(network.backbone(torch.zeros(1, 3, 64, 64))) == 3
    assert network(torch.zeros(1, 3, 64, 64)).shape[:2] == (1, 1)


def test_a_run_starts_from_the_package_and_keeps_its_scaling(train):
    out, card = train(job("deeplabv3plus", "faces/wo"))
    assert card["initial_weights"].startswith("ImageNet: efficientnet-lite0-57934424.pth")
    segmenter = load_model(out)
    images = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    inputs = segmenter.model.data_preprocessor({"inputs": images})["inputs"]
    torch.testing.assert_close(inputs, images.permute(0, 3, 1, 2) / 127.5 - 1)


@pytest.mark.slow
def test_compiled_parts_compute_the_same():
    assert compiled_programs("deeplabv3plus", dropout=False) > 1
