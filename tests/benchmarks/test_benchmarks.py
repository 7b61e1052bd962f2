import io
import pickle

import h5py
import numpy as np
import pytest

from face_occlusion.benchmarks.benchmarks import BenchmarkParams, import_benchmark
from face_occlusion.benchmarks.readers import CofwReader
from face_occlusion.core.images import encode_jpeg, encode_png
from face_occlusion.core.release import Release
from tests.conftest import files_of, processes
from tests.faces.drawn import celebamask_files
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


def test_faces_without_a_detection_are_listed_and_landmarks_by_hand_add_them(
    detect, tmp_path, caplog
):
    with pytest.raises(ValueError, match="landmarks of wild_2, not among the 3 images of realocc"):
        detect([50, 50, 50], by_hand={"wild_2": np.zeros((4, 2))})
    refuses("benchmark realocc: no face was found", detect, [50, 50, 50])
    assert not (tmp_path / "bench").exists()
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


MAT = "COFW_color/COFW_color/COFW_train_color.mat"
MASK = "COFW_train_masks/COFW_train_masks/002.png"
SIZES = [(40, 50), (44, 36), (50, 50), (30, 60), (36, 36)]


def matlab(images, phis, drop=()):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        refs = file.create_group("#refs#")
        cells = file.create_dataset("IsTr", (1, len(images)), h5py.ref_dtype)
        for index, image in enumerate(images):
            cells[0, index] = refs.create_dataset(f"i{index}", data=image.T).ref
        file["phisTr"] = phis.T
        for name in drop:
            del file[name]
    return buffer.getvalue()


def landmarks(size, dx=0.0):
    """29 points inside the central ellipse, counted from 1; the last five occluded."""
    height, width = size
    angles = np.linspace(0, 2 * np.pi, 29, endpoint=False)
    xs = width / 2 + dx + 0.2 * width * np.cos(angles)
    ys = height / 2 + 0.2 * height * np.sin(angles)
    return np.concatenate([xs + 0.5, ys + 0.5, np.arange(29) >= 24])


def images():
    pictures = [photo(*size, seed) for seed, size in enumerate(SIZES)]
    pictures[1] = pictures[1][..., 0]  # a grey one
    return pictures


def cofw_files(numbers=range(1, 6), first=0, drop=()):
    phis = np.array([landmarks(size) for size in SIZES])
    files = {MAT: matlab(images(), phis, drop)}
    for offset, number in enumerate(numbers):
        mask = ellipse(*SIZES[first + offset]).astype(np.uint8) * 255
        files[f"COFW_train_masks/COFW_train_masks/{number:03d}.png"] = encode_png(mask)
    return files


def read(tmp_path, files):
    return CofwReader(make_release(tmp_path / "raw", "cofw", files))


def test_images_come_out_upright_in_colour_and_landmarks_count_from_zero(tmp_path):
    cofw = read(tmp_path, cofw_files())
    np.testing.assert_array_equal(cofw.image(0), images()[0])
    grey = pickle.loads(pickle.dumps(cofw)).image(1)  # as another process opens it
    assert grey.shape == (44, 36, 3)
    np.testing.assert_array_equal(grey[..., 2], images()[1])
    points, occluded = cofw.landmarks(0)
    assert points.shape == (29, 2) and occluded.sum() == 5
    assert points[0].tolist() == pytest.approx([25 + 10 - 0.5, 20 - 0.5])  # (x, y)
    wrong = [images()[0].astype(np.float64), *images()[1:]]
    phis = np.array([landmarks(size) for size in SIZES])
    cofw = read(tmp_path, {MAT: matlab(wrong, phis)})
    refuses(r"image 1 must be 8-bit grey or RGB; got .*float64", cofw.image, 0)


@pytest.mark.parametrize(("numbers", "first", "rule", "image_of_mask"), rows(__file__, "numbering"))
def test_masks_find_their_images(tmp_path, numbers, first, rule, image_of_mask):
    cofw = read(tmp_path, cofw_files(numbers, first))
    assert {number: int(key) - 1 for key, number in cofw.number_of.items()} == image_of_mask
    assert cofw.numbering == rule
    assert cofw.on_mask_frac > 0.95


EMPTY_MASKS = {
    MASK.replace("002", f"{number:03d}"): encode_png(np.zeros(size, np.uint8))
    for number, size in enumerate(SIZES, start=1)
}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({MASK: encode_png(np.ones((36, 44), np.uint8))}, "do not fit the 5 images"),
        (EMPTY_MASKS, "visible landmarks lie off the face"),
        ({MASK.replace("002", "x"): b""}, "must be named by a number"),
        ({MASK: b"broken"}, r"002\.png"),
        ({MAT: b"MATLAB 5.0 MAT-file"}, r"COFW_train_color\.mat: not a MATLAB v7\.3"),
        ({MAT: cofw_files(drop=["IsTr"])[MAT]}, r"no 'IsTr'; found #refs#, phisTr"),
        ({MAT: cofw_files(drop=["phisTr"])[MAT]}, r"no 'phisTr'"),
        ({MAT: matlab(images(), np.zeros((5, 58)))}, r"'phisTr' must be 5 x 87 .*got \(58, 5\)"),
        ({MAT: matlab(images(), np.zeros((4, 87)))}, r"'phisTr' must be 5 x 87 .*got \(4, 87\)"),
        ({MAT: None}, r"one file like '\*COFW_train\*\.mat'"),
    ],
)  # fmt: skip
def test_bad_files_are_named(tmp_path, changed, message):
    refuses(message, read, tmp_path, with_changes(cofw_files(), changed))
