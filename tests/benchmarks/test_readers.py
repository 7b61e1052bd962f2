import io
import pickle

import h5py
import numpy as np
import pytest

from face_occlusion.benchmarks.readers import CofwReader
from face_occlusion.core.images import encode_png
from tests.releases.build import ellipse, make_release, photo
from tests.tables import refuses, rows, with_changes

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
