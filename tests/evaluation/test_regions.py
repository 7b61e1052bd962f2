import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_dilation

from face_occlusion.evaluation import regions

SHAPE = (9, 11)
FACE_SHAPE = (150, 190)  # H != W


def near(mask, width_px):
    """Where a pixel of a mask lies within reach, by scipy."""
    side = 2 * width_px + 1
    return binary_dilation(mask, np.ones((side, side)))


def slow_region(mask, width_px):
    """In the mask, with a pixel that is not, or the edge, within reach."""
    outside = np.pad(~mask, width_px, constant_values=True)
    return mask & near(outside, width_px)[width_px:-width_px, width_px:-width_px]


@given(arrays(bool, SHAPE), st.integers(1, 3))
def test_region_equals_a_slow_reference(mask, width_px):
    found = regions.boundary_region(mask, width_px)
    np.testing.assert_array_equal(found, slow_region(mask, width_px))


@given(arrays(bool, SHAPE), arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 1, 255])))
def test_counts_equal_a_slow_reference(pred, target):
    width_px = regions.band_width_px(*SHAPE)
    first = slow_region(pred & (target != 255), width_px)
    second = slow_region(target == 1, width_px)
    counts = regions.boundary_counts(pred, target)
    assert counts.tolist() == [(first & second).sum(), (first | second).sum()]


def test_convention_a_band_is_two_per_cent_of_the_diagonal_and_no_boundary_no_score():
    assert (regions.band_width_px(300, 400), regions.band_width_px(5, 5)) == (10, 1)  # at least one
    scores = regions.boundary_iou(np.array([[1, 2], [0, 0], [3, 3]]))
    np.testing.assert_array_equal(scores, [0.5, np.nan, 1])


def face_map():
    target = np.zeros(FACE_SHAPE, np.uint8)
    cv2.ellipse(target, (95, 75), (45, 62), 0, 0, 360, (1,), -1)
    return target


def test_holes_notches_and_a_hand_across_the_face_are_found_whole():
    target = face_map()
    target[60:80, 80:110] = 0  # a hole: glasses
    target[100:118, 30:90] = 0  # a notch from the left: a hand
    missing = (face_map() == 1) & (target == 0)
    found = regions.occluded_region(target)
    assert (found & missing).sum() > 0.97 * missing.sum()
    assert (found & ~missing).sum() < 0.05 * missing.sum()
    target = face_map()
    target[70:90] = 0  # between two parts of the face
    crossed = (face_map() == 1) & (target == 0)
    assert (regions.occluded_region(target) & crossed).sum() > 0.95 * crossed.sum()


def test_a_convex_rest_and_no_face_have_no_occluded_region():
    speck = face_map()
    speck[2:4, 2:4] = 1  # too small to stretch the hull
    half = face_map()
    half[90:] = 0  # the known limit: an occluder over a whole side is not seen
    for target in (face_map(), np.zeros(FACE_SHAPE, np.uint8), speck, half):
        occluded = regions.occluded_region(target)
        assert not occluded.any() and not regions.border_band(occluded, target).any()


@given(st.integers(0, 2**32 - 1))
def test_the_estimate_is_background_inside_the_hull_whatever_the_mask(seed):
    rng = np.random.default_rng(seed)
    target = rng.choice(np.array([0, 1, 255], np.uint8), (6, 8))
    target = cv2.resize(target, FACE_SHAPE[::-1], interpolation=cv2.INTER_NEAREST)
    occluded = regions.occluded_region(target)
    border = regions.border_band(occluded, target)
    assert (target[occluded] == 0).all() and (target[border] != 255).all()
    rows, columns = np.nonzero(target == 1)
    if occluded.any():
        found = np.nonzero(occluded)
        assert rows.min() <= found[0].min() and found[0].max() <= rows.max()
        assert columns.min() <= found[1].min() and found[1].max() <= columns.max()


def test_border_equals_a_slow_search():
    target = np.zeros((40, 60), np.uint8)
    target[5:30, 10:50] = 1
    target[12:22, 20:36] = 0
    occluded = np.zeros_like(target, bool)
    occluded[12:22, 20:36] = True
    width = regions.band_width_px(*target.shape)
    expected = near(occluded, width) & near(target == 1, width)
    np.testing.assert_array_equal(regions.border_band(occluded, target), expected)
