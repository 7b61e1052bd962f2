import json
import pickle

import numpy as np
import pytest

from face_occlusion.alignment.landmarks import COLUMNS, LandmarkDetector, points_of, read_landmarks
from face_occlusion.core.images import decode_image
from face_occlusion.releases.archives import Limits, unpack
from tests.tables import refuses, rows

POINTS = [[40.0, 50.0], [80.0, 50.0], [45.0, 90.0], [75.0, 90.0]]


def test_convention_of_68_29_5_and_4_landmarks():
    landmarks = np.arange(136, dtype=float).reshape(68, 2)
    points = points_of(landmarks)
    np.testing.assert_allclose(points[0], landmarks[36:42].mean(axis=0))
    np.testing.assert_allclose(points[2:], landmarks[[48, 54]])
    cofw = np.arange(58, dtype=float).reshape(29, 2)
    np.testing.assert_allclose(points_of(cofw), cofw[[16, 17, 22, 23]])
    five = np.array([*POINTS[:2], [60.0, 70.0], *POINTS[2:]])  # the nose is third
    np.testing.assert_array_equal(points_of(five), POINTS)
    np.testing.assert_array_equal(points_of(np.array(POINTS)), POINTS)
    refuses(r"4, 5, 29 or 68 landmarks .* got shape \(3, 2\)", points_of, five[:3])
    refuses("finite", points_of, np.full((4, 2), np.nan))


def csv_of(*rows):
    return "\n".join([",".join(COLUMNS), *rows, ""])


def read(tmp_path, content, name="points.csv"):
    (tmp_path / name).write_text(content)
    return read_landmarks(tmp_path / name)


def test_csv_and_json_say_the_same(tmp_path):
    row = "photos/anna.jpg,40,50,80,50,45,90,75,90"
    for found in (
        read(tmp_path, csv_of(row)),
        read(tmp_path, "\ufeff" + csv_of(row)),  # as spreadsheets save it
        read(tmp_path, json.dumps({"anna.jpg": POINTS}), "points.json"),
        read(tmp_path, json.dumps({"anna": [*POINTS[:2], [60, 70], *POINTS[2:]]}), "five.JSON"),
    ):
        assert list(found) == ["anna"]
        np.testing.assert_array_equal(found["anna"], POINTS)


@pytest.mark.parametrize(("content", "name", "message"), rows(__file__, "bad"))
def test_bad_landmarks_are_named(tmp_path, content, name, message):
    content = content if isinstance(content, str) else csv_of(*content)
    refuses(message, read, tmp_path, content, name)
    (tmp_path / name).write_bytes(b"\xff")
    refuses(rf"{name}: .*decode", read_landmarks, tmp_path / name)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    refuses(r"the package dlib; install it with pip install 'face-", LandmarkDetector)


def test_real_faces_are_found(tmp_path, small):
    from face_occlusion.alignment.alignment import ffhq_square

    pytest.importorskip("dlib", reason="the extra `align` is not installed")
    pytest.importorskip("importlib.metadata").version("face_recognition_models")
    detector = pickle.loads(pickle.dumps(LandmarkDetector()))
    unpack(small / "RealOcc.7z", tmp_path / "realocc", Limits())
    image_path = next(tmp_path.rglob("occ_005_hand.jpg"))
    image = decode_image(image_path.read_bytes(), image_path.name)
    whole = np.ones(image.shape[:2], bool)
    landmarks = detector.find(image, whole)
    assert landmarks is not None
    square = ffhq_square(points_of(landmarks))
    # CelebA-HQ is already cropped much like FFHQ: the square is nearly the image
    assert np.hypot(*square[1]) == pytest.approx(512, rel=0.15)
    assert detector.find(np.zeros_like(image), whole) is None
    assert detector.find(image, ~whole) is None  # no face in the mask
    faces = detector.find_all(image)
    np.testing.assert_array_equal(faces[0], landmarks)
    assert detector.find_all(np.zeros_like(image)) == []
    large = np.kron(image, np.ones((4, 4, 1), np.uint8))  # is shrunk before faces are looked for
    assert np.abs(detector.find_all(large)[0] - (4 * landmarks + 1.5)).mean() < 12
