import json
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from PIL import Image

from face_occlusion.apps.aligning import align_folder
from face_occlusion.core.images import decode_image, decode_mask, encode_jpeg, encode_png
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
    folder, masks = tmp_path / "photos", tmp_path / "masks"
    folder.mkdir()
    masks.mkdir()
    (folder / "anna.jpg").write_bytes(encode_jpeg(photo(HEIGHT, WIDTH), 95))
    (folder / "grey.png").write_bytes(encode_png(np.full((HEIGHT, WIDTH, 3), 90, np.uint8)))
    (folder / "notes.txt").write_text("no photograph")
    for name in ("anna", "grey"):
        mask = encode_png(ellipse(HEIGHT, WIDTH).astype(np.uint8) * 255)
        (masks / f"{name}.png").write_bytes(mask)
    return folder


def test_faces_are_aligned_and_the_rest_is_listed(photos, tmp_path, invoke):
    out = tmp_path / "out"
    printed = invoke("align", photos, out, "--size", 64, "--workers", 1)
    assert "out: 1 faces aligned" in printed
    assert "1 photographs without a detection, listed in" in printed
    assert (out / "without_detection.txt").read_text() == "grey.png\n"
    assert sorted(path.name for path in (out / "images").iterdir()) == ["anna.jpg"]
    record = json.loads((out / "alignment.json").read_text())["anna.jpg"]
    assert (record["landmarks_by"], record["num_faces"]) == ("dlib", 2)
    aligned = decode_image((out / "images" / "anna.jpg").read_bytes(), "anna")
    back = cv2.warpAffine(aligned, np.array(record["to_photograph"]), (WIDTH, HEIGHT))
    middle = (slice(40, 100), slice(50, 110))
    assert np.abs(back[middle].astype(int) - photo(HEIGHT, WIDTH)[middle]).mean() < 8


def test_landmarks_by_hand_and_masks(photos, tmp_path, invoke, monkeypatch):
    out, points = tmp_path / "out", tmp_path / "eyes.json"
    points.write_text(json.dumps({"grey.png": POINTS.tolist()}))
    options = ["--landmarks", points, "--masks", tmp_path / "masks", "--size", 64, "--workers", 1]
    assert f"{out}: 2 faces aligned; masks/: face is 255" in invoke("align", photos, out, *options)
    assert not (out / "without_detection.txt").exists()
    with Image.open(out / "masks/grey.png") as file:
        assert file.convert("L").getextrema() == (0, 255)  # class 1 is shown white
    mask = decode_mask((out / "masks/grey.png").read_bytes(), "mask")
    assert mask.shape == (64, 64)
    assert set(np.unique(mask)) == {0, 1, 255}  # FFHQ's square leaves this photograph
    record = json.loads((out / "alignment.json").read_text())["grey.png"]
    assert (record["landmarks_by"], record["landmarks"]) == ("hand", POINTS.tolist())

    no_dlib = Mock(side_effect=ValueError("no dlib"))
    monkeypatch.setattr("face_occlusion.apps.aligning.LandmarkDetector", no_dlib)
    by_hand = {"grey": POINTS, "anna": POINTS}  # then no detector is needed
    align_folder(photos, tmp_path / "out2", size_px=32, by_hand=by_hand, workers=1)
    with pytest.raises(ValueError, match="no dlib"):
        align_folder(photos, tmp_path / "out3", size_px=32, workers=1)


@pytest.mark.parametrize(
    ("spoil", "change", "message"),
    [
        (None, {"by_hand": {"otto": POINTS}}, "landmarks of otto, which are not in"),
        (None, {"size_px": 4}, "size: must be at least 16"),
        (lambda mask: mask.unlink(), {}, "masks: no mask for anna"),
        (
            lambda mask: mask.write_bytes(encode_png(ellipse(9, 9).astype(np.uint8))),
            {},
            r"anna\.png must have the size of .*140x160; got 9x9",
        ),
    ],
)
def test_bad_input_is_named_and_nothing_remains(photos, tmp_path, spoil, change, message):
    masks, out = tmp_path / "masks", tmp_path / "out"
    if spoil:
        spoil(masks / "anna.png")
    with pytest.raises(ValueError, match=message):
        align_folder(photos, out, **{"size_px": 32, "workers": 1, "masks": masks} | change)
    assert not out.exists()
