"""Networks that go by colour, and a drawn photograph."""

from pathlib import Path

import numpy as np
import pytest

from tests.apps.pictures import save
from tests.generation.drawn import draw_face, write_occluders

IMAGE, FACE = draw_face()


class Reddish:
    """Calls face what is red enough; drawn faces are from 150 on, their ground below."""

    input_px = 64

    def __init__(self, least: int) -> None:
        self.least = least

    def predict(self, image: np.ndarray, *, tta: bool = False) -> np.ndarray:
        return (image[..., 0] >= self.least).astype(np.float32)

    def predict_batch(self, images: list[np.ndarray], *, tta: bool = False) -> list[np.ndarray]:
        return [self.predict(image) for image in images]


NETWORKS = {"careful": Reddish(150), "credulous": Reddish(0)}


@pytest.fixture(scope="session")
def occluders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("occluders")
    write_occluders(folder)
    return folder


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return save(tmp_path / "anna.png", IMAGE)
