"""Cut-outs and faces measured; size, direction and place: D7, D13, D14, D15 and D18."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import published
from face_occlusion.core.arithmetic import direction, rotate, transform
from face_occlusion.generation import geometry, occlude
from face_occlusion.generation.compositing import warp
from face_occlusion.generation.placement import place_around, place_hand, sample_linear
from tests.generation import drawn
from tests.generation.drawn import DISC, HAND, SEG_MAP, SHAPE, draw_disc, draw_face, plain, rng

FACE = geometry.measure_face(SEG_MAP * np.uint8(255))


def placed_hands(params, hand=HAND, count=60):
    placed = (place_hand(hand, FACE, rng(seed), params) for seed in range(count))
    return [hand for hand in placed if hand is not None]


def pointing_after(matrix, pointing_deg):
    """Where the fingers point once the affine is applied, degrees."""
    turned = matrix[:, :2] @ direction(pointing_deg)
    return math.degrees(math.atan2(turned[1], turned[0]))


def difference_deg(one, other):
    return (one - other + 180) % 360 - 180


def test_convention_a_point_is_x_then_y_and_angles_turn_from_right_to_down():
    matrix = np.array([[1.0, 0, 10], [0, 2.0, 20]])
    np.testing.assert_array_equal(transform(matrix, np.array([[1.0, 3.0]])), [[11, 26]])
    np.testing.assert_allclose(direction(90), [0, 1], atol=1e-12)
    np.testing.assert_allclose(rotate(90) @ direction(0), direction(90), atol=1e-12)


def test_a_face_is_measured_to_a_pixel_also_where_it_is_one_or_fills_the_image():
    rows, columns = np.nonzero(SEG_MAP)
    extent = [np.ptp(columns) + 1, np.ptp(rows) + 1]
    assert FACE.area_px == SEG_MAP.sum()
    np.testing.assert_allclose(FACE.centre_xy, [columns.mean(), rows.mean()], atol=0.3)
    np.testing.assert_allclose(FACE.size_xy, extent, atol=2 * FACE.cell_px)
    assert FACE.small.sum() * FACE.cell_px**2 == pytest.approx(FACE.area_px, rel=1e-3)
    assert FACE.shape == SHAPE
    mask = np.zeros(SHAPE, np.uint8)
    mask[100, 20] = 255
    assert geometry.measure_face(mask).area_px == 1
    full = geometry.measure_face(np.full(SHAPE, 255, np.uint8))
    np.testing.assert_allclose(full.size_xy, SHAPE[::-1], atol=2 * full.cell_px)


@given(st.integers(0, 2**32), st.floats(-8, 8), st.floats(-180, 180))
def test_d07_size_is_square_root_of_area_ratio_after_every_transform(seed, shear, rotation):
    params = plain("objects", shear_deg_range=[shear] * 2, rotation_deg_range=[rotation] * 2)
    linear, record = sample_linear(DISC.area_px, FACE, rng(seed), params)
    size = math.sqrt(DISC.area_px * abs(np.linalg.det(linear)) / FACE.area_px)
    assert size == pytest.approx(record["size"], rel=1e-9)
    assert 0.5 <= record["size"] <= 1


def test_d07_the_size_is_that_of_the_pixels_drawn_and_the_published_one_leaves_the_range():
    params = plain("objects", offset_frac_range=[0, 0], scale_range=[0.6, 0.7])
    for seed in range(10):
        matrix, record = place_around(DISC.area_px, DISC.centre_xy, FACE, rng(seed), params)
        covered = warp(DISC, matrix, SHAPE, 4).alpha.sum(dtype=float) / 255
        assert math.sqrt(covered / FACE.area_px) == pytest.approx(record["size"], rel=0.01)
    sizes = [published.draw_size(rng(seed)) for seed in range(200)]
    assert max(sizes) > 1.05
    assert min(sizes) > 0.55  # small ones are missing


def test_heights_can_have_a_range_of_their_own():
    plainly = plain("objects", offset_frac_range=[-0.05, 0.05])
    eyes = dataclasses.replace(plainly, offset_y_frac_range=[-0.2, -0.1])
    for seed in range(40):
        _, record = place_around(DISC.area_px, DISC.centre_xy, FACE, rng(seed), eyes)
        x, y = record["offset_frac"]
        assert abs(x) <= 0.05 and -0.2 <= y <= -0.1
        _, before = place_around(DISC.area_px, DISC.centre_xy, FACE, rng(seed), plainly)
        assert before["offset_frac"][0] == x and abs(before["offset_frac"][1]) <= 0.05


def test_d13_objects_are_not_turned_to_the_face():
    params = plain("objects", rotation_deg_range=[-5, 5], shear_deg_range=[0, 0])
    for seed in range(40):
        matrix, record = place_around(DISC.area_px, DISC.centre_xy, FACE, rng(seed), params)
        turn = pointing_after(matrix, 0)
        assert turn == pytest.approx(record["rotation_deg"], abs=1e-5)
        assert record["turn_deg"] == 0 and abs(turn) <= 5
    theirs = [published.turn_towards(towards, rng(towards)) for towards in range(0, 360, 9)]
    assert max(abs(difference_deg(turn, 0)) for turn in theirs) > 90


@pytest.mark.parametrize("pointing_deg", [90.0, 0.0, -135.0, 37.5])
def test_d14_fingers_point_to_the_face_wherever_they_pointed_before(pointing_deg):
    """Without the small rotation the axis through the hand's centre meets the face's centre."""
    params = plain("hands", rotation_deg_range=[0, 0])
    whole = dataclasses.replace(HAND, pointing_deg=pointing_deg, cut_xy=np.zeros((0, 2)))
    for matrix, record in placed_hands(params, whole, count=20):
        after = pointing_after(matrix, pointing_deg)
        centre = transform(matrix, whole.centre_xy[np.newaxis])[0]
        to_face = FACE.centre_xy - centre
        assert abs(difference_deg(after, record["towards_deg"])) < 1e-5
        side = np.cross(np.append(direction(after), 0), np.append(to_face, 0))[2]
        assert abs(side) < 1e-5
    error = difference_deg(pointing_deg + published.turn_towards(20.0, rng(3)), 20.0)
    assert abs(error) > 15 or pointing_deg == 90.0


def test_d15_the_small_rotation_comes_after_the_pointing_and_is_never_skipped():
    """The last turn is the small one: it shows in full whatever the shear did before."""
    params = plain("hands", rotation_deg_range=[-15, 15], shear_deg_range=[-8, 8])
    shown = []
    for matrix, record in placed_hands(params):
        turned = difference_deg(pointing_after(matrix, 90.0), record["towards_deg"])
        assert turned == pytest.approx(record["rotation_deg"], abs=1e-5)
        shown.append(abs(turned))
    assert min(shown) > 0
    skipped = [published.turn_towards(90.0, rng(seed)) == 0 for seed in range(100)]
    assert 15 < sum(skipped) < 45


def test_hands_come_from_outside_and_their_cut_stays_there():
    params = plain("hands")
    placed = placed_hands(params)
    assert len(placed) > 20
    for matrix, record in placed:
        assert geometry.ends_outside(HAND, matrix, FACE.shape)
        alpha = warp(HAND, matrix, SHAPE, 0).alpha
        assert alpha.any() or record["slide"] > 0.9
    sides = {round(record["towards_deg"] / 90) % 4 for _, record in placed}
    assert sides == {0, 1, 2, 3}


@given(st.integers(0, 2**32))
def test_the_estimate_of_the_covered_share_is_close(seed):
    matrix, _ = place_around(DISC.area_px, DISC.centre_xy, FACE, rng(seed), plain("objects"))
    layer = warp(DISC, matrix, SHAPE, 0)
    canvas, part = layer.inside(SHAPE)
    face = draw_face()[1][canvas] == 1
    exact = (face & (layer.alpha[part] >= 128)).sum() / FACE.area_px
    assert geometry.estimate_covered(DISC, matrix, FACE) == pytest.approx(exact, abs=0.01)


def test_d18_the_covered_share_stays_within_its_bounds():
    wide = plain("objects", covered_frac_range=[0.2, 0.3], offset_frac_range=[-0.6, 0.6])
    narrow = dataclasses.replace(wide, covered_frac_range=[0.25, 0.252], max_attempts=5000)
    attempts = []
    for seed, params in [*((seed, wide) for seed in range(30)), *((s, narrow) for s in range(3))]:
        _, occluded, record = occlude(*draw_face(), [DISC], rng(seed), params)
        covered = 1 - (occluded == 1).sum() / (SEG_MAP == 1).sum()
        assert covered == pytest.approx(record["covered_frac"], abs=1e-12)
        low, high = params.covered_frac_range  # counted on the picture, not only estimated
        assert low <= covered <= high
        attempts.append(record["attempts"])
    assert max(attempts[:30]) > 1  # some were drawn again, and the record says so
    never = dataclasses.replace(wide, covered_frac_range=[0.99, 1.0], max_attempts=5)
    with pytest.raises(ValueError, match=r"none of 5 placements .* covered_frac_range \[0.99, 1"):
        occlude(*draw_face(), [DISC], rng(), never)
    same = plain("objects", offset_frac_range=[0, 0], scale_range=[0.5, 0.5], second_prob=1.0)
    assert "under" not in occlude(*draw_face(), [DISC], rng(), same)[2]  # it would hide no more
    disc, alpha = DISC.levels[0][..., :3], DISC.levels[0][..., 3]
    opaque = np.where(alpha >= 128, 255, 0).astype(np.uint8)
    mask = SEG_MAP * np.uint8(255)
    theirs = (np.ascontiguousarray(disc), opaque)
    labels = (published.occlude(draw_face()[0], mask, *theirs, rng(n))[1] for n in range(60))
    shares = [1 - label.sum() / SEG_MAP.sum() for label in labels]
    assert min(shares) < 0.2
    assert max(shares) > 0.3


def test_a_hand_has_its_cut_at_the_top_and_an_object_where_it_enters_its_photograph_alone():
    assert (HAND.cut_xy[:, 1] == -0.5).all()
    assert np.ptp(HAND.cut_xy[:, 0]) == pytest.approx(76, abs=2)
    assert len(geometry.make_occluder(draw_disc(), pointing_deg=0.0).cut_xy) == 0
    box = np.full((20, 30, 4), 255, np.uint8)  # an object with straight sides is whole
    assert len(geometry.make_occluder(box).cut_xy) == 0
    cut = geometry.make_occluder(box, enters="left")
    assert len(cut.cut_xy) == 17
    placement = (record := occlude(*draw_face(), [cut], rng(), plain("objects"))[2])["placement"]
    assert record["attempts"] > 1  # its cut was in the picture
    assert geometry.ends_outside(cut, np.array(placement["matrix"]), SHAPE)


@pytest.mark.parametrize("turns", range(4))
def test_convention_each_border_has_its_name(turns):
    alpha = np.zeros((30, 40), np.uint8)
    alpha[:20, 15:25] = 255
    alpha = np.ascontiguousarray(np.rot90(alpha, turns))  # counter-clockwise
    border = ("top", "left", "bottom", "right")[turns]
    points = geometry.cut_points(alpha, border, is_hand=True)
    across, along = (1, 0) if border in ("top", "bottom") else (0, 1)
    assert len(points) == 17
    assert set(points[:, across]) == {[-0.5, -0.5, 29.5, 29.5][turns]}
    assert (points[:, along].min(), points[:, along].max()) == (14.5, 24.5)
    np.testing.assert_array_equal(geometry.cut_points(alpha, "none", is_hand=True), points)


def test_geometry_of_a_disc():
    disc = geometry.make_occluder(draw_disc(40))
    assert disc.area_px == pytest.approx(np.pi * 40**2, rel=0.01)
    np.testing.assert_allclose(disc.centre_xy, [41, 41], atol=0.01)
    assert np.hypot(*(disc.hull_xy - 41).T).min() > 38
    assert len(disc.hull_xy) <= 64
    np.testing.assert_allclose(disc.extent_xy.min(axis=0), [-0.5, -0.5], atol=1)
    np.testing.assert_allclose(disc.extent_xy.max(axis=0), [82.5, 82.5], atol=1)
    assert "disc" in repr(geometry.make_occluder(draw_disc(), key="disc"))


def test_a_hull_spans_separate_pieces():
    alpha = np.zeros((50, 60), np.uint8)
    alpha[2, 3] = alpha[40:45, 50:55] = 255
    hull = geometry.convex_hull(alpha)
    np.testing.assert_array_equal(hull.min(axis=0), [3, 2])
    np.testing.assert_array_equal(hull.max(axis=0), [54, 44])


@pytest.mark.parametrize(
    ("cutout", "enters", "message"),
    [
        (drawn.draw_hand(), "below", "enters must be one of"),
        (np.zeros((4, 5, 4), np.uint8), "none", "covers no pixel"),
        (np.full((4, 5, 3), 9, np.uint8), "none", "must be .H, W, 4. uint8"),
        (np.full((4, 5, 4), 1.0), "none", "must be .H, W, 4. uint8"),
        (np.full((4, 5, 4), (9, 9, 9, 3), np.uint8), "none", "multiply colours by alpha"),
    ],
)
def test_what_is_no_cutout_is_refused_by_name(cutout, enters, message):
    with pytest.raises(ValueError, match=f"occluder cup: .*{message}"):
        geometry.make_occluder(cutout, key="cup", enters=enters)
