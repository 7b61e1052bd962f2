"""What stood in for what, as a reader of the page is told."""

import numpy as np
import pytest

from face_occlusion.reporting.provenance import are_drawn, release_files, substitutions
from tests.generation.drawn import write_drawn


@pytest.fixture(scope="module")
def told(inputs):
    """Return what is told of the made-up project, or of one that differs in something."""

    def tell(occluders=inputs.occluders, models=inputs.sections.models):
        given = inputs.inventory, occluders, inputs.cards, inputs.grid, models
        return {item["what"]: item["here"] for item in substitutions(*given)}

    return tell


def release(tmp_path, origin):
    """An image set of one release, fetched or drawn."""
    about = {"title": "11k Hands", "origin": origin, "licence": "any", "citation": ""}
    about |= {"licence_url": "", "files": [{"name": "Hands.zip", "size": 9, "sha256": "ab"}]}
    hands = [("hand", {"rgba.png": np.zeros((4, 3, 4), np.uint8)}, {})]
    info = {"sources": ["hands_11k"], "releases": {"hands_11k": about}}
    return write_drawn(tmp_path / origin, "cutouts", "hands", hands, **info)


def test_drawn_images_are_not_passed_off_as_a_releases(tmp_path, told, inputs):
    drawn, fetched = release(tmp_path, "miniature"), release(tmp_path, "folder")
    assert are_drawn([fetched, drawn]) and not are_drawn([fetched])
    assert "11k Hands (drawn by this project" in told({"hands": drawn})["Hands"]
    assert told({"hands": fetched})["Hands"] == "1 of 11k Hands"
    listed = release_files([fetched, fetched, *inputs.occluders.values()])
    assert listed == [("hands_11k", "Hands.zip", 9, "ab")]


def test_networks_are_told_by_size_and_how_they_were_trained(told):
    here = told()
    assert here["Backbones"] == "ResNet-101 of 64 channels / MiT-B5"
    assert here["Optimiser"] == "SGD 0.01, decay 0.0005 / AdamW 6e-05, decay 0.01"
    small = {"variant": "b0", "optimizer": {"type": "AdamW", "lr": 0.004, "weight_decay": 0.01}}
    models = {"segformer": small, "pspnet": small | {"backbone": "efficientnet_lite0"}}
    del models["pspnet"]["variant"]
    assert told(models=models)["Backbones"] == "MiT-B0 / EfficientNet-Lite0"
    assert here["Iterations"] == "40 of 4 images"
    assert here["Seeds"] == "one: 1"
    assert here["Benchmark images as seen"] == "input 48 px; one view only"
