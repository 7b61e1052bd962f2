import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from face_occlusion.evaluation.boundary import band_width_px
from face_occlusion.evaluation.occluded import Regions, border_band, occluded_region

SHAPE = (150, 190)  # H != W


def face_map():
    target = np.zeros(SHAPE, np.uint8)
    cv2.ellipse(target, (95, 75), (45, 62), 0, 0, 360, (1,), -1)
    return target


def test_a_hole_and_a_notch_are_found_whole():
    target = face_map()
    target[60:80, 80:110] = 0  # a hole: glasses
    target[100:118, 30:90] = 0  # a notch from the left: a hand
    missing = (face_map() == 1) & (target == 0)
    found = occluded_region(target)
    assert (found & missing).sum() > 0.97 * missing.sum()
    assert (found & ~missing).sum() < 0.05 * missing.sum()


def test_a_hand_across_the_face_lies_between_its_two_parts():
    target = face_map()
    target[70:90] = 0
    crossed = (face_map() == 1) & (target == 0)
    found = occluded_region(target)
    assert (found & crossed).sum() > 0.95 * crossed.sum()


def test_a_whole_face_and_no_face_have_none_and_specks_do_not_stretch_the_hull():
    assert not occluded_region(face_map()).any()
    assert not occluded_region(np.zeros(SHAPE, np.uint8)).any()
    speck = face_map()
    speck[2:4, 2:4] = 1
    assert not occluded_region(speck).any()


def test_an_occluder_that_takes_a_whole_side_is_not_seen():
    target = face_map()
    target[90:] = 0  # what is left is convex: the estimate's known limit
    assert not occluded_region(target).any()


def test_pixels_that_are_not_counted_are_in_neither_region():
    target = face_map()
    target[60:80, 80:110] = 0
    target[60:80, 80:95] = 255
    regions = Regions.of(target)
    assert regions.occluded.any() and regions.border.any()
    assert not (regions.occluded & (target == 255)).any()
    assert not (regions.border & (target == 255)).any()


@given(st.integers(0, 2**32 - 1))
def test_the_estimate_is_background_inside_the_hull_whatever_the_mask(seed):
    rng = np.random.default_rng(seed)
    target = rng.choice(np.array([0, 1, 255], np.uint8), (6, 8))
    target = cv2.resize(target, SHAPE[::-1], interpolation=cv2.INTER_NEAREST)
    regions = Regions.of(target)
    assert (target[regions.occluded] == 0).all()
    rows, columns = np.nonzero(target == 1)
    if regions.occluded.any():
        found = np.nonzero(regions.occluded)
        assert rows.min() <= found[0].min() and found[0].max() <= rows.max()
        assert columns.min() <= found[1].min() and found[1].max() <= columns.max()


def test_border_equals_a_slow_search():
    target = np.zeros((40, 60), np.uint8)
    target[5:30, 10:50] = 1
    target[12:22, 20:36] = 0
    occluded = np.zeros_like(target, bool)
    occluded[12:22, 20:36] = True
    width = band_width_px(*target.shape)

    def near(mask, row, column):
        rows = slice(max(0, row - width), row + width + 1)
        return mask[rows, max(0, column - width) : column + width + 1].any()

    expected = [
        [near(occluded, row, column) and near(target == 1, row, column) for column in range(60)]
        for row in range(40)
    ]
    np.testing.assert_array_equal(border_band(occluded, target), expected)
    assert border_band(np.zeros_like(occluded), target).sum() == pytest.approx(0)
