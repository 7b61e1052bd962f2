import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from face_occlusion.evaluation.boundary import (
    band_width_px,
    boundary_counts,
    boundary_iou,
    boundary_region,
)

SHAPE = (9, 11)


def slow_region(mask, width_px):
    """Go through every pixel: in the mask, and a non-mask pixel or the edge within reach."""
    height, width = mask.shape
    region = np.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            if not mask[y, x]:
                continue
            for dy in range(-width_px, width_px + 1):
                for dx in range(-width_px, width_px + 1):
                    inside = 0 <= y + dy < height and 0 <= x + dx < width
                    if not inside or not mask[y + dy, x + dx]:
                        region[y, x] = True
    return region


@settings(max_examples=30)
@given(arrays(bool, SHAPE), st.integers(1, 3))
def test_region_equals_a_slow_reference(mask, width_px):
    np.testing.assert_array_equal(boundary_region(mask, width_px), slow_region(mask, width_px))


@settings(max_examples=30)
@given(arrays(bool, SHAPE), arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 1, 255])))
def test_counts_equal_a_slow_reference(pred, target):
    width_px = band_width_px(*SHAPE)
    first = slow_region(pred & (target != 255), width_px)
    second = slow_region(target == 1, width_px)
    counts = boundary_counts(pred, target)
    assert counts.tolist() == [(first & second).sum(), (first | second).sum()]


def test_width_is_two_per_cent_of_the_diagonal_at_least_one():
    assert band_width_px(300, 400) == 10
    assert band_width_px(5, 5) == 1


def test_a_shift_costs_more_at_the_boundary_than_inside():
    target = np.zeros((200, 240), np.uint8)
    target[40:160, 50:190] = 1
    pred = np.roll(target == 1, 4, axis=1)
    overlap = ((target == 1) & pred).sum() / ((target == 1) | pred).sum()
    assert boundary_iou(boundary_counts(pred, target)) < overlap - 0.2


def test_an_image_without_a_boundary_has_no_score():
    np.testing.assert_array_equal(
        boundary_iou(np.array([[1, 2], [0, 0], [3, 3]])), [0.5, np.nan, 1]
    )
