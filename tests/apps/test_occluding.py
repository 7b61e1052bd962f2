"""The commands `occlude` and `align`: all that users have is handled, or refused by its name."""

import json
from types import SimpleNamespace
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from PIL import Image

from face_occlusion.apps.aligning import align_folder
from face_occlusion.apps.occluding import read_occluders
from face_occlusion.apps.viewing.contact_sheet import FACE_COLOUR
from face_occlusion.core.images import decode_image, straight_alpha
from face_occlusion.generation import regenerate
from tests.apps.pictures import load, save, save_turned
from tests.conftest import files_of
from tests.generation.drawn import (
    draw_disc,
    draw_face,
    draw_hand,
    draw_texture,
    write_glasses,
    write_hands,
)
from tests.releases.build import ellipse, photo
from tests.tables import rows

FACES = {"plain": (120, 100), "grey": (90, 131), "turned": (100, 140)}


@pytest.fixture
def faces(tmp_path):
    """Faces of several sizes and kinds, their masks, a cut-out, a hand and a texture.

    That every format is read is tested in tests/core/images.
    """
    for number, (name, shape) in enumerate(FACES.items()):
        image, seg_map = draw_face(number, shape)
        kept = (save, "jpg", image), (save, "png", image[..., 0]), (save_turned, "jpg", image)
        write, suffix, pixels = kept[number]
        write(tmp_path / f"faces/{name}.{suffix}", pixels, quality=95)
        save(tmp_path / f"masks/{name}.png", seg_map if number else seg_map * np.uint8(255))
    save(tmp_path / "objects/disc.png", straight_alpha(draw_disc(40)))
    save(tmp_path / "hands/hand.png", straight_alpha(draw_hand()))
    save(tmp_path / "textures/stripes.jpg", draw_texture())
    return tmp_path


@pytest.fixture
def run(invoke, tmp_path):
    """Occlude the faces of the folder, and return what is printed."""

    def run(*options, occluders="objects", out="out", status=0):
        named = {"faces": "faces", "masks": "masks", "occluders": occluders, "out": out}
        words = [word for name, used in named.items() for word in (f"--{name}", tmp_path / used)]
        return invoke("occlude", *words, "--workers", 1, *options, status=status)

    return run


@pytest.mark.parametrize(
    ("occluders", "options", "harmonised", "transferred"), rows(__file__, "fitted")
)
def test_every_face_is_occluded_at_its_size_and_fitted_as_asked(
    faces, run, occluders, options, harmonised, transferred
):
    write_hands(faces / "set")
    printed = run(*options, occluders=occluders)
    assert "3 occluded faces; masks/: face is 255 (white), background 0" in printed
    for name, shape in FACES.items():
        assert load(faces / f"out/images/{name}.jpg").shape == (*shape, 3)
        assert set(np.unique(load(faces / f"out/masks/{name}.png"))) == {0, 255}
        record = json.loads((faces / f"out/records/{name}.json").read_text())
        assert transferred == "published" or 0.05 <= record["covered_frac"] <= 0.5
        assert (record["harmonisation"] and record["harmonisation"]["method"]) == harmonised
        assert (record["colour_transfer"] and record["colour_transfer"]["mode"]) == transferred
    if occluders == "set":
        assert -15 <= record["placement"]["rotation_deg"] <= 15
    assert not (faces / "out.partial").exists()


def test_glasses_of_a_set_are_put_at_the_eyes(faces, run):
    write_glasses(faces / "glasses")
    run("--exact-background", occluders="glasses")
    for name in FACES:
        placement = json.loads((faces / f"out/records/{name}.json").read_text())["placement"]
        assert -0.2 <= placement["offset_frac"][1] <= -0.04


def test_exact_backgrounds_and_samples_made_again_from_records_and_whatever_other_faces(faces, run):
    run("--exact-background", "--seed", 5, "--second", 1)
    (item,) = read_occluders(faces / "objects", "natocc", faces)
    for name in ("plain.jpg", "grey.png"):
        stem = name.split(".")[0]
        face = decode_image((faces / "faces" / name).read_bytes(), "face")
        image, label = load(faces / f"out/images/{stem}.png"), load(faces / f"out/masks/{stem}.png")
        same = (image == face).all(axis=2)
        mask = load(faces / f"masks/{stem}.png") > 0
        occluded = mask & (label == 0)
        assert occluded.any() and same.mean() > 0.5
        ring = cv2.dilate(occluded.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        assert same[mask & ~ring].all()
        record = json.loads((faces / f"out/records/{stem}.json").read_text())
        assert item.key == record["occluder"] == record["under"]["occluder"]
        again, again_label = face, mask.astype(np.uint8)
        for one in (record["under"], record):
            again, again_label = regenerate(again, again_label, item, one)
        np.testing.assert_array_equal(again, image)
        np.testing.assert_array_equal(again_label * 255, label)
    made = files_of(faces / "out")
    for name in ("faces/grey.png", "masks/grey.png"):
        (faces / name).unlink()
    run("--exact-background", "--seed", 5, "--second", 1, out="again")
    for name in ("images/plain.png", "masks/plain.png", "records/plain.json"):
        assert made[name] == (faces / "again" / name).read_bytes()


def test_further_classes_are_kept(faces, run):
    seg_map = load(faces / "masks/plain.png")
    classes = np.where(seg_map > 0, 3, 9).astype(np.uint8)
    classes[60:][classes[60:] == 3] = 4
    for name in ("plain", "grey", "turned"):
        save(faces / f"masks/{name}.png", cv2.resize(classes, FACES[name][::-1], interpolation=0))
    run("--keep-classes", "3,4", "--occluded-class", "77", "--exact-background")
    kept = load(faces / "out/masks/plain.png")
    assert set(np.unique(kept)) == {3, 4, 9, 77}
    np.testing.assert_array_equal(kept[kept != 77], classes[kept != 77])


def test_ignored_pixels_keep_masks_visible(faces, run):
    mask = load(faces / "masks/grey.png").copy()
    mask[:9] = 255
    save(faces / "masks/grey.png", mask)
    run()
    kept = Image.open(faces / "out/masks/grey.png")
    assert kept.mode == "P" and set(np.unique(np.asarray(kept))) == {0, 1, 255}
    assert kept.convert("L").getextrema() == (0, 255)


def test_faces_without_masks_get_those_that_a_run_predicts(faces, run, monkeypatch):
    """A network's place is taken by one that calls the brighter pixels face."""
    monkeypatch.chdir(faces)
    (faces / "models/mine").mkdir(parents=True)
    (faces / "models/mine/config.json").write_text("{}")
    (faces / "models/mine/last.safetensors").write_text("weights")
    network = SimpleNamespace(predict=lambda image: (image.max(axis=2) > 150) * np.float32(0.9))
    monkeypatch.setattr("face_occlusion.apps.prediction.predict.load_model", lambda *_: network)
    run("--masks", "predicted:mine", "--exact-background", "--colours", "keep")
    found = load(faces / "faces/plain.jpg").max(axis=2) > 150
    label = load(faces / "out/masks/plain.png") == 255
    assert found.any() and not (label & ~found).any() and (label != found).any()
    record = json.loads((faces / "out/records/plain.json").read_text())
    assert record["masks"].startswith("predicted by mine last ")

    save(faces / "faces/dark.png", np.zeros((50, 60, 3), np.uint8))
    failed = run("--masks", "predicted:mine", out="other", status=1)
    assert "dark.png: mine finds no face in it" in failed and not (faces / "other").exists()
    assert "not a run" in run("--masks", "predicted:nobody", out="other", status=1)


def test_a_contact_sheet_of_occluded_faces_shows_their_masks_and_records(faces, run, invoke):
    run("--exact-background")
    sheet = faces / "sheet.png"
    largest = ("--largest", "covered_frac", "--num", 2, "--thumb-px", 64)
    assert "2 of 3 samples" in invoke("look", faces / "out", "--out", sheet, *largest)
    drawn = load(sheet)[..., :3].astype(int)
    assert (np.abs(drawn - FACE_COLOUR).max(axis=2) < 60).any()  # outlines
    save(faces / "out/masks/plain.png", np.full((120, 100), 7, np.uint8))  # a map of class ids
    invoke("look", faces / "out", "--out", sheet, "--key", "plain", "--key", "grey")


def test_images_with_masks_serve_as_occluders(faces, run):
    disc = straight_alpha(draw_disc(40))
    save(faces / "photos/disc.png", disc[..., :3])
    cut = save(faces / "cuts/disc.png", (disc[..., 3] > 127).astype(np.uint8))
    options = ["--occluder-masks", cut.parent]
    run(*options, occluders="photos")
    assert json.loads((faces / "out/records/plain.json").read_text())["occluder"] == "disc"
    save(cut, np.ones((5, 5), np.uint8))
    failed = run(*options, occluders="photos", out="other", status=1)
    assert "disc.png must have the size of" in failed


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
