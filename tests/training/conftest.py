"""Tiny image sets and parameters: drawn ellipses on noise, networks of a few channels."""

import atexit
import itertools
import json
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from face_occlusion.core.combination import Combination, CombinationParams, combine
from face_occlusion.core.params import build, read_yaml
from face_occlusion.networks.segmentor import FaceSegmentor, build_segmentor
from face_occlusion.training.architectures import ARCHITECTURES
from face_occlusion.training.loop import Job, SelectionSet
from face_occlusion.training.recipe import resolve
from face_occlusion.training.run import train_run
from face_occlusion.training.settings import TrainParams
from tests.generation.drawn import write_drawn

SETTINGS = read_yaml(Path(__file__).with_name("settings.yaml"))
MODELS: dict[str, dict[str, Any]] = SETTINGS["models"]
TRAIN: dict[str, Any] = SETTINGS["train"]
LITE = {"backbone": "efficientnet_lite0", "depth": None, "base_channels": None}


def train_params(**changes: Any) -> TrainParams:
    """Return small training parameters with some changed."""
    return build("train", TRAIN | changes, TrainParams)


def combination(data: Path, *entries: str, masks: str = "corrected") -> Combination:
    """List the samples of some image sets below the folder `data`."""
    params = CombinationParams(title="test", masks=masks, data=list(entries))
    return combine("test", params, data)


def job(
    model: str, *entries: str, run: str = "run", data: Path | None = None, **changes: Any
) -> Job:
    """Return a job on some image sets below `data`, with some training parameters changed."""
    return Job(
        run=run,
        model=model,
        model_params=build("models", MODELS[model], ARCHITECTURES[model]),
        combination=combination(data or drawn_data(), *entries),
        train=train_params(**changes),
    )


def network_config(model: str) -> dict[str, Any]:
    """Return the resolved configuration of a small network."""
    made = job(model, "faces/wo")
    return resolve(made.model_params, made.train, distributed=False)


def random_network(model: str, seed: int = 0) -> FaceSegmentor:
    torch.manual_seed(seed)
    return build_segmentor(network_config(model)["model"])


def machine_log(scratch: Path, run: str = "run") -> dict[str, Any]:
    """Read what a finished run logged of its machine."""
    return json.loads((scratch / run / "log" / "machine.json").read_text())


def draw_face(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a bright ellipse: (H, W, 3) uint8 RGB and its (H, W) uint8 seg_map."""
    image = rng.integers(0, 120, (height, width, 3), dtype=np.uint8)
    seg_map = np.zeros((height, width), np.uint8)
    center = (int(width * rng.uniform(0.4, 0.6)), int(height * rng.uniform(0.4, 0.6)))
    cv2.ellipse(seg_map, center, (width // 4, height // 3), 0.0, 0.0, 360.0, 1, -1)
    image[seg_map == 1] = rng.integers((180, 130, 100), (240, 190, 160), dtype=np.uint8)
    return image, seg_map


def write_faces(
    folder: Path, kind: str, num: int, seed: int, size: tuple[int, int] = (40, 40)
) -> None:
    """Write an image set of drawn faces; key N shows the same face for the same seed."""

    def sample(number: int) -> tuple[str, dict[str, np.ndarray], dict]:
        image, seg_map = draw_face(np.random.default_rng([number, seed]), *size)
        parts = {"jpg": image, "png": seg_map}
        if kind == "faces":
            parts["original.png"] = cv2.dilate(seg_map, np.ones((3, 3), np.uint8))
        return f"{number:05d}", parts, {}

    info = {} if num else {"absent": "the release is not here"}
    write_drawn(folder, kind, folder.name, map(sample, range(num)), **info)


@cache
def drawn_data() -> Path:
    """Draw faces/wo, faces/o, sets/natocc_hand, benchmarks/realocc, the same in every process."""
    folder = Path(tempfile.mkdtemp(prefix="face-occlusion-data-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    write_faces(folder / "faces" / "wo", "faces", 10, seed=1)
    write_faces(folder / "faces" / "o", "faces", 4, seed=2)
    write_faces(folder / "sets" / "natocc_hand", "synthetic", 10, seed=3)
    write_faces(folder / "benchmarks" / "realocc", "benchmark", 5, seed=4, size=(48, 40))
    return folder


@pytest.fixture(scope="session")
def data() -> Path:
    return drawn_data()


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., tuple[Path, dict[str, Any]]]:
    """Train to the end below `tmp_path`; return the run's folder and its card."""

    def train(made: Job, data: Path | None = None) -> tuple[Path, dict[str, Any]]:
        out = tmp_path / "out"
        train_run(made, data or drawn_data(), out, tmp_path / "scratch")
        return out, json.loads((out / "card.json").read_text())

    return train


def interrupt_second_score(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the second scoring on the benchmark raise KeyboardInterrupt, and later ones score."""
    score, calls = SelectionSet.miou, itertools.count(1)

    def stopping(*args: Any) -> float:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return score(*args)

    monkeypatch.setattr(SelectionSet, "miou", stopping)
