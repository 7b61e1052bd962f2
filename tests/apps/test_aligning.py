import json
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from PIL import Image

from face_occlusion.apps.aligning import align_folder
from tests.apps.pictures import load, save
from tests.releases.build import ellipse, photo

POINTS = np.array([[60.0, 50.0], [100.0, 50.0], [65.0, 90.0], [95.0, 90.0]])
HEIGHT, WIDTH = 140, 160


class HalfBlind:
    """Finds two faces in colourful pictures, none in grey ones."""

    def find_all(self, image):
        return [] if image.std() < 1 else [POINTS, POINTS + 3]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.setattr("face_occlusion.apps.aligning.LandmarkDetector", HalfBlind)
    save(tmp_path / "photos/anna.jpg", photo(HEIGHT, WIDTH), quality=95)
    save(tmp_path / "photos/grey.png", np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    (tmp_path / "photos/notes.txt").write_text("no photograph")
    for name in ("anna", "grey"):
        save(tmp_path / f"masks/{name}.png", ellipse(HEIGHT, WIDTH) * np.uint8(255))
    return tmp_path / "photos"


def test_faces_are_aligned_and_the_rest_is_listed(photos, tmp_path, invoke):
    out = tmp_path / "out"
    printed = invoke("align", photos, out, "--size", 64, "--workers", 1)
    assert "out: 1 faces aligned" in printed
    assert "1 photographs without a detection, listed in" in printed
    assert (out / "without_detection.txt").read_text() == "grey.png\n"
    assert sorted(path.name for path in (out / "images").iterdir()) == ["anna.jpg"]
    record = json.loads((out / "alignment.json").read_text())["anna.jpg"]
    assert (record["landmarks_by"], record["num_faces"]) == ("dlib", 2)
    aligned, to_photograph = load(out / "images/anna.jpg"), np.array(record["to_photograph"])
    back = cv2.warpAffine(aligned, to_photograph, (WIDTH, HEIGHT)).astype(int)
    assert np.abs(back - photo(HEIGHT, WIDTH))[40:100, 50:110].mean() < 8


def test_landmarks_by_hand_and_masks(photos, tmp_path, invoke, monkeypatch):
    out, points = tmp_path / "out", tmp_path / "eyes.json"
    points.write_text(json.dumps({"grey.png": POINTS.tolist()}))
    options = ["--landmarks", points, "--masks", tmp_path / "masks", "--size", 64, "--workers", 1]
    assert f"{out}: 2 faces aligned; masks/: face is 255" in invoke("align", photos, out, *options)
    assert not (out / "without_detection.txt").exists()
    mask = Image.open(out / "masks/grey.png")
    assert mask.size == (64, 64) and mask.convert("L").getextrema() == (0, 255)  # 1 is shown white
    assert set(np.unique(mask)) == {0, 1, 255}  # FFHQ's square leaves this photograph
    record = json.loads((out / "alignment.json").read_text())["grey.png"]
    assert (record["landmarks_by"], record["landmarks"]) == ("hand", POINTS.tolist())

    no_dlib = Mock(side_effect=ValueError("no dlib"))
    monkeypatch.setattr("face_occlusion.apps.aligning.LandmarkDetector", no_dlib)
    by_hand = {"grey": POINTS, "anna": POINTS}  # then no detector is needed
    align_folder(photos, tmp_path / "out2", size_px=32, by_hand=by_hand, workers=1)
    with pytest.raises(ValueError, match="no dlib"):
        align_folder(photos, tmp_path / "out3", size_px=32, workers=1)
