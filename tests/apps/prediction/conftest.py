"""A run with random weights, and noise to look at."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.core.imageset import write_image_set
from face_occlusion.core.params import build
from face_occlusion.networks.checkpoint import write_weights
from face_occlusion.networks.segmentor import build_segmentor
from face_occlusion.training.architectures import ARCHITECTURES
from face_occlusion.training.recipe import resolve
from tests.training.conftest import MODELS, train_params

LITE = {"backbone": "efficientnet_lite0", "depth": None, "base_channels": None}


def write_run(
    folder: Path, model: str, params: Mapping[str, Any] | None = None, **train: Any
) -> Path:
    """Write what prediction needs of a run, with some parameters changed."""
    changed = build("models", MODELS[model] | dict(params or {}), ARCHITECTURES[model])
    config = resolve(changed, train_params(**train), distributed=False)
    torch.manual_seed(0)
    network = build_segmentor(config["model"])
    torch.nn.init.normal_(network.decode_head.conv_seg.weight, std=0.05)  # so that predictions vary
    torch.nn.init.zeros_(network.decode_head.conv_seg.bias)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    card = {"run": folder.name, "iterations": 6, "seed": 7}
    name = "last.safetensors"
    card["sha256"] = {name: write_weights(folder / name, network.state_dict())}
    card["combination"] = {"title": "C-WO", "masks": "corrected", "data": ["faces/wo"]}
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def write_training_set(folder: Path) -> None:
    """Write the set that a run of `write_run` was trained on, as the miniature's."""
    data = {"jpg": encode_jpeg(photograph(8, 8), 90), "png": encode_png(np.eye(8, dtype=np.uint8))}
    about = {"title": "CelebAMask-HQ", "licence": "research only", "origin": "miniature"}
    info = {"kind": "faces", "name": "wo", "sources": [], "releases": {"celebamask_hq": about}}
    write_image_set(folder, [("00000", data)], info=info, samples_per_shard=2)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "segformer", "segformer")


def photograph(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
