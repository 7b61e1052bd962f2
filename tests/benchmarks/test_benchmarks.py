import numpy as np
import pytest

from face_occlusion.benchmarks.benchmarks import BenchmarkParams, import_benchmark
from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.core.release import Release
from tests.benchmarks.test_readers import cofw_files
from tests.conftest import files_of, processes
from tests.faces.celebamask import celebamask_files
from tests.releases.build import ellipse, make_release, photo
from tests.tables import refuses, rows, with_changes

PARAMS = {"source": "realocc", "align": "none", "landmarks": "cofw", "by_hand": "none"}
PARAMS |= {"size_px": 0, "jpeg_quality": 95, "samples_per_shard": 2}
HEIGHT, WIDTH = 48, 64
ROOT = "RealOcc/RealOcc"
STEMS = ("occ_000_hand", "occ_001_face_mask", "wild_002")
IMAGE = f"{ROOT}/image/occ_000_hand.jpg"
SPLIT = f"{ROOT}/split/val.txt"


def realocc_files(split=True):
    files = {}
    for stem in STEMS:
        files[f"{ROOT}/image/{stem}.jpg"] = encode_jpeg(photo(HEIGHT, WIDTH), 90)
        files[f"{ROOT}/mask/{stem}.png"] = encode_png(ellipse(HEIGHT, WIDTH).astype(np.uint8))
    if split:
        files[SPLIT] = b"occ_001_face_mask\nocc_000_hand\n"
    return files


def run(tmp_path, files, workers=1, out="bench", by_hand=None, **changes):
    params = BenchmarkParams(**PARAMS | changes)
    release = make_release(tmp_path / "raw", params.source, files)
    with processes(workers):
        return import_benchmark("realocc", release, tmp_path / out, params, by_hand or {})


@pytest.mark.parametrize(("changes", "message"), rows(__file__, "bad"))
def test_bad_input_is_named_and_nothing_remains(tmp_path, changes, message):
    files = with_changes(realocc_files(), {f"{ROOT}/{name}": new for name, new in changes.items()})
    refuses(message, run, tmp_path, files)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]


def test_the_split_chooses_and_names_carry_the_kind(tmp_path):
    files = realocc_files()
    bench = run(tmp_path, files)
    assert bench.keys == ["occ_001_face_mask", "occ_000_hand"]  # the list's order
    assert (bench.info["kind"], bench.info["split"]) == ("benchmark", SPLIT)
    record = bench.record("occ_001_face_mask")
    assert (record["occluder_kind"], record["name"]) == ("face_mask", "occ_001_face_mask.jpg")
    assert bench.read("occ_000_hand", "jpg") == files[IMAGE]
    np.testing.assert_array_equal(bench.seg_map("occ_000_hand"), ellipse(HEIGHT, WIDTH))
    again = run(tmp_path, files, workers=2, out="again")
    assert files_of(again.folder) == files_of(bench.folder)


def test_a_split_may_be_missing_or_name_files_and_masks_are_resized_as_images(tmp_path):
    files = realocc_files()
    named = run(tmp_path, files | {SPLIT: b"image/wild_002.jpg\n"}, size_px=32)
    assert named.keys == ["wild_002"] and named.record("wild_002")["occluder_kind"] is None
    assert named.image("wild_002").shape == (*named.seg_map("wild_002").shape, 3) == (24, 32, 3)
    (tmp_path / "raw" / SPLIT).unlink()
    every = run(tmp_path, {}, out="every")
    assert every.keys == ["occ_000_hand", "occ_001_face_mask", "wild_002"]
    assert every.info["split"].startswith("all images")


def test_other_sources_are_read_as_they_are_kept(tmp_path):
    bench = run(tmp_path, celebamask_files(), source="celebamask_hq")
    assert bench.keys == ["00003", "00004"] and bench.info["counts"]["wo_test"] == 2
    assert bench.seg_map("00003").shape == (64, 64)
    options = {"source": "cofw", "align": "ffhq", "size_px": 64}
    bench = run(tmp_path / "cofw", cofw_files(), **options)
    assert bench.keys == ["0001", "0002", "0003", "0004", "0005"]
    assert bench.info["mask_numbering"] == "image number from 1"
    assert bench.image("0002").shape == (64, 64, 3)
    assert set(np.unique(bench.seg_map("0002"))) <= {0, 1, 255}
    assert bench.info["without_detection"] == [] and bench.record("0002")["ignored_frac"] >= 0
    (tmp_path / "raw" / "release.json").write_text('{"source": "cofw", "absent": "not public"}')
    params = BenchmarkParams(**PARAMS | options)
    bench = import_benchmark("cofw", Release(tmp_path / "raw"), tmp_path / "absent", params, {})
    assert len(bench) == 0 and bench.absent == "not public"
    refuses(r"source: must be one of realocc, .*; got 'dtd'", run, tmp_path, {}, source="dtd")


class Detector:
    """Finds the same landmarks in every image whose first pixel is bright."""

    def find(self, image, face):
        if image[0, 0].sum() < 300:
            return None
        landmarks = np.tile([32.0, 24.0], (68, 1))
        landmarks[36:42], landmarks[42:48] = (26, 18), (38, 18)
        landmarks[48], landmarks[54] = (28, 32), (36, 32)
        return landmarks


@pytest.fixture
def detect(tmp_path, monkeypatch):
    """Return a function that imports images of some brightness, aligned by a detector."""
    monkeypatch.setattr("face_occlusion.benchmarks.benchmarks.LandmarkDetector", Detector)

    def detect(levels, **more):
        files = realocc_files(split=False)
        for stem, level in zip(STEMS, levels, strict=True):
            image = np.full((HEIGHT, WIDTH, 3), level, np.uint8)
            files[f"{ROOT}/image/{stem}.jpg"] = encode_jpeg(image, 95)
        return run(tmp_path, files, align="ffhq", landmarks="dlib", size_px=32, **more)

    return detect


def test_faces_without_a_detection_are_listed_and_landmarks_by_hand_add_them(detect, caplog):
    points = np.array([[26.0, 18], [38, 18], [28, 32], [36, 32]])
    with caplog.at_level("INFO"):
        bench = detect([50, 150, 50], by_hand={"wild_002": points})
    assert bench.keys == ["occ_001_face_mask", "wild_002"]
    assert bench.info["by_hand"] == ["wild_002"]
    assert bench.record("wild_002")["points_by"] == "hand"
    assert bench.record("wild_002")["points"] == points.tolist()
    assert bench.info["without_detection"] == ["occ_000_hand"]
    assert "1 faces without a detection are left out" in caplog.text
    assert "add them: occ_000_hand" in caplog.text


def test_landmarks_of_no_image_and_no_detection_at_all_are_refused(detect, tmp_path):
    with pytest.raises(ValueError, match="landmarks of wild_2, not among the 3 images of realocc"):
        detect([50, 50, 50], by_hand={"wild_2": np.zeros((4, 2))})
    refuses("benchmark realocc: no face was found", detect, [50, 50, 50])
    assert not (tmp_path / "bench").exists()
