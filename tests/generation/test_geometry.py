"""Measuring cut-outs: levels, hull, cuts and what is refused."""

import numpy as np
import pytest

from face_occlusion.generation.geometry import convex_hull, cut_points, make_occluder
from tests.generation.drawn import draw_disc, draw_hand


def test_a_hand_has_its_cut_at_the_top_and_a_disc_has_none():
    hand = make_occluder(draw_hand(), pointing_deg=90.0, enters="top")
    assert len(hand.cut_xy)
    assert (hand.cut_xy[:, 1] == -0.5).all()
    assert np.ptp(hand.cut_xy[:, 0]) == pytest.approx(76, abs=2)
    assert len(make_occluder(draw_disc(), pointing_deg=0.0).cut_xy) == 0


def test_an_object_with_a_straight_side_is_whole():
    box = np.full((20, 30, 4), 255, np.uint8)
    assert len(make_occluder(box).cut_xy) == 0
    assert len(make_occluder(box, enters="left").cut_xy) == 17


@pytest.mark.parametrize(
    ("border", "part", "axis", "value"),
    [
        ("left", np.s_[10:20, :10], 0, -0.5),
        ("right", np.s_[10:20, 20:], 0, 39.5),
        ("top", np.s_[:10, 10:20], 1, -0.5),
        ("bottom", np.s_[20:, 10:20], 1, 29.5),
    ],
)
def test_convention_each_border_has_its_name(border, part, axis, value):
    alpha = np.zeros((30, 40), np.uint8)
    alpha[10:20, 10:20] = alpha[part] = 255
    points = cut_points(alpha, border, is_hand=True)
    assert len(points) == 17
    assert (points[:, axis] == value).all()
    along = points[:, 1 - axis]
    assert (along.min(), along.max()) == (9.5, 19.5)
    np.testing.assert_array_equal(cut_points(alpha, "none", is_hand=True), points)


def test_geometry_of_a_disc():
    disc = make_occluder(draw_disc(40))
    assert disc.area_px == pytest.approx(np.pi * 40**2, rel=0.01)
    np.testing.assert_allclose(disc.centre_xy, [41, 41], atol=0.01)
    assert np.hypot(*(disc.hull_xy - 41).T).min() > 38
    assert len(disc.hull_xy) <= 64
    np.testing.assert_allclose(disc.extent_xy.min(axis=0), [-0.5, -0.5], atol=1)
    np.testing.assert_allclose(disc.extent_xy.max(axis=0), [82.5, 82.5], atol=1)
    assert "disc" in repr(make_occluder(draw_disc(), key="disc"))


def test_a_hull_spans_separate_pieces():
    alpha = np.zeros((50, 60), np.uint8)
    alpha[2, 3] = alpha[40:45, 50:55] = 255
    hull = convex_hull(alpha)
    np.testing.assert_array_equal(hull.min(axis=0), [3, 2])
    np.testing.assert_array_equal(hull.max(axis=0), [54, 44])


@pytest.mark.parametrize(
    ("cutout", "enters", "message"),
    [
        (draw_hand(), "below", "enters must be one of"),
        (np.zeros((4, 5, 4), np.uint8), "none", "covers no pixel"),
        (np.full((4, 5, 3), 9, np.uint8), "none", "must be .H, W, 4. uint8"),
        (np.full((4, 5, 4), 1.0), "none", "must be .H, W, 4. uint8"),
        (np.full((4, 5, 4), (9, 9, 9, 3), np.uint8), "none", "multiply colours by alpha"),
    ],
)
def test_what_is_no_cutout_is_refused_by_name(cutout, enters, message):
    with pytest.raises(ValueError, match=f"occluder cup: .*{message}"):
        make_occluder(cutout, key="cup", enters=enters)
