"""A run with random weights, and noise to look at."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from face_occlusion.core.params import build
from face_occlusion.networks.checkpoint import write_weights
from face_occlusion.networks.efficientnet_lite import find_weights
from face_occlusion.networks.segmentor import FaceSegmentor, build_segmentor
from face_occlusion.training.architectures import ARCHITECTURES
from face_occlusion.training.recipe import resolve
from face_occlusion.training.weights import load_backbone
from tests.generation.drawn import write_drawn
from tests.training.conftest import MODELS, draw_face, train_params


def drawing(height: int, width: int, seed: int = 9) -> np.ndarray:
    """Draw a face that is no noise, (height, width, 3) uint8."""
    return draw_face(np.random.default_rng(seed), height, width)[0]


def varied_network(
    config: Mapping[str, Any], seed: int, deviation: float, normalised: bool
) -> FaceSegmentor:
    """Build a network of random weights whose log-odds vary: around 0, with this deviation.

    With features `normalised` over four faces they also differ from image to image.
    """
    torch.manual_seed(seed)
    network = build_segmentor(config).eval()
    if config["backbone"]["type"] == "EfficientNetLite":
        load_backbone(network.backbone, find_weights("lite0"))  # random ones let signals vanish
    images = torch.from_numpy(np.stack([drawing(64, 64, k) for k in (9, 0, 1, 2)]))
    inputs = network.data_preprocessor({"inputs": images}, False)["inputs"]
    last: Any = network.decode_head.conv_seg
    with torch.no_grad():
        if normalised:
            for module in network.modules():
                module.momentum = 1.0  # of batch norms: the statistics of this batch
            network.train()(inputs)
            network.eval()
        torch.nn.init.normal_(last.weight)
        logits = network(inputs if normalised else inputs[:1])
        last.weight *= deviation / logits.std()
        last.bias -= deviation * logits.mean() / logits.std()
    return network


def write_run(
    folder: Path,
    model: str,
    params: Mapping[str, Any] | None = None,
    *,
    weights: Sequence[str] = ("last",),
    deviation: float = 0.5,
    normalised: bool = False,
    **train: Any,
) -> Path:
    """Write what prediction needs of a run, with some parameters changed."""
    changed = build("models", MODELS[model] | dict(params or {}), ARCHITECTURES[model])
    config = resolve(changed, train_params(**train), distributed=False)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    card: dict[str, Any] = {"run": folder.name, "model": model, "iterations": 6, "seed": 7}
    card["combination"] = {"title": "C-WO", "masks": "corrected", "data": ["faces/wo"]}
    card["selected"], card["sha256"] = {"iteration": 3, "miou": 0.5}, {}
    for seed, name in enumerate(weights):
        file = f"{name}.safetensors"
        network = varied_network(config["model"], seed, deviation, normalised)
        card["sha256"][file] = write_weights(folder / file, network.state_dict())
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def write_training_set(folder: Path) -> None:
    """Write the set that a run of `write_run` was trained on, as the miniature's."""
    parts = {"jpg": photograph(8, 8), "png": np.eye(8, dtype=np.uint8)}
    about = {"title": "CelebAMask-HQ", "licence": "research only", "origin": "miniature"}
    write_drawn(folder, "faces", "wo", [("00000", parts, {})], releases={"celebamask_hq": about})


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "segformer", "segformer")


def photograph(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
