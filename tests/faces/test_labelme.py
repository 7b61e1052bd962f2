"""What `labelme_content` writes is drawn by `read_labelme` as it was."""

import json

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face_occlusion.faces.correction import CorrectionsParams
from face_occlusion.faces.labelme import labelme_content, read_labelme

PARAMS = CorrectionsParams(folder="mine", labels={"face": "face", "background": "background"})


def read_back(folder, face: np.ndarray, **options: float) -> np.ndarray:
    """Write a mask, and draw what our reader makes of the file."""
    (folder / "00012.json").write_text(json.dumps(labelme_content("00012.jpg", face, **options)))
    (correction,) = read_labelme(folder, PARAMS)
    assert correction.number == 12 and correction.size == face.shape
    return correction.apply(np.zeros(face.shape, np.uint8))


def rings() -> np.ndarray:
    """A face with a hole, a face in the hole, and one cut by the border."""
    mask = np.zeros((90, 120), np.uint8)
    for radius, value in ((35, 1), (18, 0), (6, 1)):
        cv2.circle(mask, (60, 45), radius, value, -1)
    mask[80:, 100:] = 1
    return mask


def test_holes_and_islands_come_back_to_the_pixel(tmp_path):
    np.testing.assert_array_equal(read_back(tmp_path, rings(), tolerance_px=0.1), rings())


def test_the_default_tolerance_moves_few_pixels_of_the_edge(tmp_path):
    changed = read_back(tmp_path, rings()) != rings()
    edge = cv2.morphologyEx(rings(), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    assert changed.sum() <= 0.05 * edge.sum() and not (changed & ~edge).any()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.2, 0.8))
def test_probabilities_are_outlined_at_the_threshold(tmp_path_factory, seed, threshold):
    noise = np.random.default_rng(seed).random((40, 60), dtype=np.float32)
    face = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 6), noise, 0, 1, cv2.NORM_MINMAX)
    folder = tmp_path_factory.mktemp("labelme")
    back = read_back(folder, face, threshold=threshold, tolerance_px=0.1) == 1
    doubtful = np.abs(face - threshold) < 0.06  # a pixel whose centre lies by the outline
    assert ((back == (face >= threshold)) | doubtful).all()


def test_an_empty_mask_has_no_shape_and_a_full_one_the_images_frame():
    empty = labelme_content("a.jpg", np.zeros((9, 7), np.uint8))
    assert (empty["shapes"], empty["imageHeight"]) == ([], 9)
    (shape,) = labelme_content("a.jpg", np.ones((9, 7), np.uint8))["shapes"]
    points = np.array(shape["points"])
    assert points.min(axis=0) == pytest.approx([0, 0], abs=0.6)
    assert points.max(axis=0) == pytest.approx([7, 9], abs=0.6)
