import csv
import json
import os
import shutil
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from face_occlusion.apps.prediction.inputs import JOURNAL, find_photos
from face_occlusion.apps.prediction.predict import PredictOptions, predict_image, predict_photos
from face_occlusion.core.images import encode_png
from face_occlusion.evaluation.inference import Segmenter, load_model
from tests.apps.pictures import load, save, save_turned
from tests.apps.prediction.conftest import photograph, write_run, write_training_set
from tests.conftest import files_of
from tests.tables import refuses, rows


def put(path: Path, height: int, width: int, seed: int = 0) -> Path:
    return save(path, photograph(height, width, seed), format="JPEG", quality=95)


@pytest.mark.parametrize(("files", "asked", "names"), rows(__file__, "found"))
def test_photos_come_in_order_and_those_of_one_name_are_told_apart(tmp_path, files, asked, names):
    for file in files:
        put(tmp_path / file, 4, 4)
    found = find_photos([tmp_path / name for name in asked], tmp_path / "out")
    assert [str(photo.name) for photo in found] == names


@pytest.mark.parametrize(("names", "asked", "said"), rows(__file__, "refused"))
def test_bad_photos_are_named(tmp_path, names, asked, said):
    for name in names:
        put(tmp_path / name, 4, 4)
    refuses(said, find_photos, [tmp_path / name for name in asked])


def test_predictions_equal_the_network_and_no_bad_photo_stops_the_others(run: Path, tmp_path):
    """Also: a photo turned by EXIF is predicted as it is seen."""
    put(tmp_path / "in/wide.jpg", 40, 70, 1)
    put(tmp_path / "in/sub/tall.jpg", 90, 20, 2)
    save_turned(tmp_path / "in/turned.jpg", photograph(70, 40))
    (tmp_path / "in/b.HEIC").write_bytes(b"whatever")
    (tmp_path / "in/broken.jpg").write_bytes(b"no image")
    (tmp_path / "in/c.jpg").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")  # as phones send it
    segmenter, out = load_model(run), tmp_path / "out"
    probability = segmenter.predict(load(tmp_path / "in/wide.jpg"))
    options = PredictOptions(threshold=float(np.median(probability)))
    results = predict_photos(segmenter, find_photos([tmp_path / "in"]), out, options)
    names = ["b.HEIC", "broken", "c", "sub/tall", "turned", "wide"]
    assert [str(result.photo.name) for result in results] == names
    heic, broken, sent, *done = [result.error or "" for result in results]
    assert "HEIC is not read; save it as" in heic and "HEIC is not read; save it as" in sent
    assert "broken.jpg" in broken and done == ["", "", ""]
    mask = load(out / "masks/wide.png")
    np.testing.assert_array_equal(mask, (probability >= options.threshold) * np.uint8(255))
    assert 0 < mask.mean() < 255  # else the line above says little
    assert results[4].size == load(out / "masks/turned.png").shape == (70, 40)
    rows = list(csv.DictReader((out / "predictions.csv").open()))
    assert [row["name"] for row in rows] == names
    assert float(rows[5]["face_frac"]) == pytest.approx(mask.mean() / 255, abs=1e-4)
    page = (out / "index.html").read_text()
    for said in ("overlays/sub/tall.jpg", "broken.jpg", "Not predicted: 3", "b.HEIC: HEIC is not"):
        assert said in page
    assert not list(out.rglob("*.partial"))
    back = json.loads((out / "labelme/sub/tall.json").read_text())["imagePath"]
    assert (out / "labelme/sub" / back).resolve() == (tmp_path / "in/sub/tall.jpg").resolve()


class Counting(Segmenter):
    """Counts the images it sees; like a user who presses Ctrl-C, stops at one of them."""

    def stop_at(self, number: int) -> "Counting":
        self.seen, self.last = 0, number
        return self

    def predict(self, image: np.ndarray, *, tta: bool = False) -> np.ndarray:
        self.seen += 1
        if self.seen == self.last:
            raise KeyboardInterrupt
        return super().predict(image, tta=tta)


def test_an_interrupted_prediction_goes_on_to_the_same_files(run: Path, tmp_path):
    for number in range(6):
        put(tmp_path / f"in/{number}.jpg", 40, 50, number)
    (tmp_path / "in/2b.jpg").write_bytes(b"no image")
    photos, out, options = find_photos([tmp_path / "in"]), tmp_path / "out", PredictOptions()
    whole = load_model(run)
    segmenter = Counting(whole.model, whole.input_px, whole.device)
    with pytest.raises(KeyboardInterrupt):
        predict_photos(segmenter.stop_at(5), photos, out, options)
    assert not (out / "index.html").exists()
    with (out / "unfinished.jsonl").open("a") as journal:
        journal.write('{"photo": "cut sh')  # as a kill may leave it
    put(tmp_path / "in/1.jpg", 40, 50, 99)  # another photograph by now
    with pytest.raises(ValueError, match=r"begun with .*threshold 0\.5.*this call has .*0\.7"):
        predict_photos(segmenter, photos, out, PredictOptions(threshold=0.7))
    results = predict_photos(segmenter.stop_at(-1), photos, out, options)
    assert segmenter.seen == 3  # the changed one, and two that were left
    assert results[3].error is not None and len(results) == 7
    at_once = tmp_path / "at_once"  # as deep: files hold relative paths
    assert predict_photos(whole, photos, at_once, options) == results
    assert files_of(out) == files_of(at_once)


def test_convention_an_aligned_prediction_lies_where_the_face_does():
    height, width = 120, 160
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    blob = np.exp(-((columns - 85) ** 2 + (rows - 60) ** 2) / 200)
    points = np.array([[70, 50], [95, 55], [70, 75], [90, 80]], float)
    landmarks = np.zeros((68, 2))
    landmarks[36:42], landmarks[42:48], landmarks[48], landmarks[54] = points
    image = np.repeat((255 * blob[..., np.newaxis]).astype(np.uint8), 3, axis=2)
    network = Mock(input_px=200)
    network.predict_batch = lambda faces, tta: [np.float32(face[..., 0] / 255) for face in faces]
    back = predict_image(network, image, [landmarks])
    assert np.abs(back - blob)[30:90, 50:120].max() < 0.02
    moments = [(grid * back).sum() / back.sum() for grid in (rows, columns)]
    assert moments == pytest.approx([60, 85], abs=0.1)  # a tenth of a pixel


def test_the_command_finds_runs_by_name_and_lists_what_it_could_not_read(
    run: Path, tmp_path, monkeypatch, invoke
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run, tmp_path / "models/mine")
    put(tmp_path / "a.jpg", 40, 40)
    (tmp_path / "b.png").write_bytes(encode_png(np.zeros((4, 4), np.uint8))[:30])
    put(tmp_path / os.fsdecode(b"c\xff.jpg"), 40, 40)
    (tmp_path / os.fsdecode(b"d\xff.jpg")).write_bytes(b"no image")
    (tmp_path / "e.jpg").symlink_to("nowhere")
    printed = invoke("predict", "mine", ".", status=1)
    assert "index.html: 2 photographs; masks/: face is 255 (white)" in printed
    assert "3 photographs could not be read" in printed
    page = (tmp_path / "predictions/index.html").read_text()
    table = (tmp_path / "predictions/predictions.csv").read_text()
    for said in ("b.png: ", r"d\udcff.jpg: not a readable image", "e.jpg: No such file"):
        assert said in page and said in table and said in printed
    for kept in ("a", "c%ff"):
        assert (tmp_path / f"predictions/masks/{kept}.png").is_file() and kept in table
    assert not (tmp_path / "predictions" / JOURNAL).exists()


def test_two_runs_are_compared_and_drawings_are_named(run: Path, tmp_path, monkeypatch, invoke):
    monkeypatch.chdir(tmp_path)
    other = write_run(tmp_path / "models/other", "pspnet")
    shutil.copytree(run, tmp_path / "models/mine")
    put(tmp_path / "a.jpg", 40, 60)
    image = load(tmp_path / "a.jpg")
    masks = [load_model(folder).predict(image) >= 0.5 for folder in (run, other)]
    assert "drawn" not in invoke("predict", "mine", "a.jpg", "--compare", "other")
    (row,) = csv.DictReader(Path("predictions/predictions.csv").read_text().splitlines())
    assert float(row["agreement"]) == pytest.approx((masks[0] == masks[1]).mean(), abs=1e-4) != 1
    for folder, mask in zip(("masks", "masks_other"), masks, strict=True):
        np.testing.assert_array_equal(load(f"predictions/{folder}/a.png"), mask * np.uint8(255))
    page = Path("predictions/index.html").read_text()
    for said in ("<code>masks_other/", "differ most", f"on {100 * float(row['agreement']):.1f} %"):
        assert said in page

    write_training_set(tmp_path / "data/faces/wo")
    said = "mine and other have only seen drawn faces"
    assert said in invoke("predict", "mine", "a.jpg", "--compare", "other", "--out", "again")
    assert said in Path("again/index.html").read_text()
