import pickle

import cv2
import numpy as np
import pytest

from face_occlusion.alignment import (
    LandmarkDetector,
    align_image,
    align_seg_map,
    ffhq_square,
    points_of_29,
    points_of_68,
)
from face_occlusion.images import decode_image
from face_occlusion.sources.archives import Limits, unpack
from tests.sources.build import ellipse, photo

POINTS = np.array([[40.0, 50.0], [80.0, 50.0], [45.0, 90.0], [75.0, 90.0]])


def square_at(left, top, side):
    return np.array([[left, top], [side, 0], [0, side]], dtype=float)


def turn(points, degrees, about):
    angle = np.deg2rad(degrees)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points - about) @ matrix.T + about


def slow_square(points):
    """FFHQ's published arithmetic, with its two `flipud` turns, as an oracle."""
    eye_avg = (points[0] + points[1]) * 0.5
    eye_to_eye = points[1] - points[0]
    eye_to_mouth = (points[2] + points[3]) * 0.5 - eye_avg
    x = eye_to_eye - np.flipud(eye_to_mouth) * [-1, 1]
    x = x / np.hypot(*x) * max(np.hypot(*eye_to_eye) * 2.0, np.hypot(*eye_to_mouth) * 1.8)
    y = np.flipud(x) * [-1, 1]
    centre = eye_avg + eye_to_mouth * 0.1
    return np.array([centre - x - y, 2 * x, 2 * y])


@pytest.mark.parametrize("degrees", [0, 17, -40, 170])
def test_the_square_is_ffhqs(degrees):
    rng = np.random.default_rng([degrees + 180, 3])
    points = turn(POINTS, degrees, POINTS.mean(axis=0)) + rng.normal(0, 3, (4, 2))
    np.testing.assert_allclose(ffhq_square(points), slow_square(points), atol=1e-9)


def test_the_square_turns_with_the_face():
    square = ffhq_square(POINTS)
    turned = ffhq_square(turn(POINTS, 30, np.zeros(2)))
    np.testing.assert_allclose(turned, turn(square, 30, np.zeros(2)), atol=1e-9)
    assert np.hypot(*square[1]) == pytest.approx(2 * max(2 * 40, 1.8 * 40))


def test_points_that_coincide_are_refused():
    with pytest.raises(ValueError, match="eyes and mouth coincide"):
        ffhq_square(np.zeros((4, 2)))


def test_convention_of_68_and_29_landmarks():
    landmarks = np.arange(136, dtype=float).reshape(68, 2)
    points = points_of_68(landmarks)
    np.testing.assert_allclose(points[0], landmarks[36:42].mean(axis=0))
    np.testing.assert_allclose(points[2:], landmarks[[48, 54]])
    cofw = np.arange(58, dtype=float).reshape(29, 2)
    np.testing.assert_allclose(points_of_29(cofw), cofw[[16, 17, 22, 23]])
    with pytest.raises(ValueError, match="68 landmarks"):
        points_of_68(cofw)
    with pytest.raises(ValueError, match="29 landmarks"):
        points_of_29(landmarks)


def test_an_upright_square_is_a_crop():
    image = photo(60, 80)
    aligned = align_image(image, square_at(20 - 0.5, 10 - 0.5, 32), 32)
    np.testing.assert_array_equal(aligned, image[10:42, 20:52])


def test_a_smaller_result_averages():
    image = photo(90, 120)
    aligned = align_image(image, square_at(19.5, 9.5, 64), 32)
    blocks = image[10:74, 20:84].reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(aligned - blocks).max() <= 1


def test_a_much_smaller_result_is_shrunk_first_and_stays_in_place():
    image = photo(800, 1000)
    aligned = align_image(image, square_at(99.5, 49.5, 640), 64)
    blocks = image[50:690, 100:740].reshape(64, 10, 64, 10, 3).mean(axis=(1, 3))
    assert np.abs(aligned - blocks).mean() < 1


def test_a_turned_face_comes_out_upright():
    image = photo(160, 160)
    centre = np.array([79.5, 79.5])
    matrix = cv2.getRotationMatrix2D((79.5, 79.5), -25, 1.0)
    turned = cv2.warpAffine(image, matrix, (160, 160), flags=cv2.INTER_CUBIC)
    square = square_at(47.5, 47.5, 64)
    corner = turn(square[:1], 25, centre)
    turned_square = np.vstack([corner, turn(square[1:], 25, np.zeros(2))])
    upright = align_image(turned, turned_square, 64)
    assert np.abs(upright.astype(int) - image[48:112, 48:112]).mean() < 2


def test_mask_and_image_move_together():
    face = ellipse(120, 160, 0.3)
    image = np.where(face[..., None], 255, 0).astype(np.uint8).repeat(3, axis=2)
    points = turn(POINTS, 20, np.array([60.0, 60.0]))
    square = ffhq_square(points)
    seg_map = align_seg_map(face.astype(np.uint8), square, 64)
    aligned = align_image(image, square, 64)
    known = seg_map != 255
    differs = (aligned[..., 0] >= 128) != (seg_map == 1)
    assert differs[known].mean() < 0.005


def test_what_lies_outside_is_padded_and_ignored():
    image, face = photo(60, 80), ellipse(60, 80)
    square = square_at(-20.5, -0.5, 60)
    seg_map = align_seg_map(face.astype(np.uint8), square, 60)
    assert (seg_map[:, :20] == 255).all()
    assert (seg_map[:, 20:] != 255).all()
    aligned = align_image(image, square, 60)
    assert aligned[:, :20].std() > 0  # reflected, not black
    inside = np.abs(aligned[:, 30:].astype(int) - image[:, 10:40])
    assert inside[8:-8, 8:].max() == 0  # away from the border nothing changes


def test_ignored_pixels_stay_ignored():
    seg_map = np.full((60, 80), 255, np.uint8)
    assert (align_seg_map(seg_map, square_at(5, 5, 40), 20) == 255).all()


def test_a_square_far_larger_than_the_image_is_padded():
    aligned = align_image(photo(20, 30), square_at(-100, -100, 230), 64)
    assert aligned.shape == (64, 64, 3)


def test_inputs_are_left_unchanged():
    image, square = photo(60, 80), square_at(-5, -5, 400)
    before = image.copy(), square.copy()
    align_image(image, square, 16)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(square, before[1])


def test_a_missing_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"the package dlib; install it with pip install 'face-"):
        LandmarkDetector()


def test_real_faces_are_found(tmp_path, small):
    pytest.importorskip("dlib", reason="the extra `align` is not installed")
    pytest.importorskip("importlib.metadata").version("face_recognition_models")
    detector = pickle.loads(pickle.dumps(LandmarkDetector()))
    unpack(small / "RealOcc.7z", tmp_path / "realocc", Limits())
    image_path = next(tmp_path.rglob("occ_005_hand.jpg"))
    image = decode_image(image_path.read_bytes(), image_path.name)
    whole = np.ones(image.shape[:2], bool)
    landmarks = detector.find(image, whole)
    assert landmarks is not None
    square = ffhq_square(points_of_68(landmarks))
    # CelebA-HQ is already cropped much like FFHQ: the square is nearly the image
    assert np.hypot(*square[1]) == pytest.approx(512, rel=0.15)
    assert detector.find(np.zeros_like(image), whole) is None
    assert detector.find(image, ~whole) is None  # no face in the mask
