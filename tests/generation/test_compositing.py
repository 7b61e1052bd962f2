"""Warping, softening and blending; D8, D9, D12 and D17."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench import generation_quality, published
from bench.generation_quality import BRIGHT, GREY, SKIN, edge_offsets_px, halo_levels
from face_occlusion.core.arithmetic import rotate
from face_occlusion.generation import compositing
from face_occlusion.generation.geometry import make_occluder
from tests.generation.drawn import HAND, SHAPE, centred, draw_disc, draw_face, layer_of, premultiply

NOISE = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)


def disc_layer(radius_px, centre_xy, colour=(90, 120, 40)):
    disc = make_occluder(draw_disc(100, colour))
    return compositing.warp(disc, centred(disc, radius_px / 100 * np.eye(2), centre_xy), SHAPE, 12)


@pytest.mark.parametrize("width_px", [33, 64, 77])
def test_a_mirrored_picture_blurs_mirrored_also_where_values_are_ties(width_px):
    """Half of such values lie between two levels, and the last columns must round like others."""
    image = np.random.default_rng(0).integers(0, 2, (60, width_px, 3), dtype=np.uint8) * 128
    for sigma_px in (0.35, 0.6, 0.8, 1.2):
        mirrored = compositing.blur(np.ascontiguousarray(image[:, ::-1]), sigma_px)[:, ::-1]
        np.testing.assert_array_equal(compositing.blur(image, sigma_px), mirrored)


def test_convention_alpha_is_the_share_of_the_occluder():
    image = np.full((*SHAPE, 3), 100, np.uint8)
    rgba = np.zeros((20, 30, 4), np.uint8)
    rgba[...] = (50, 0, 25, 64)  # premultiplied: at full coverage 199, 0, 100
    compositing.blend(image, layer_of(rgba, 10, 5))
    assert image[5, 10].tolist() == image[24, 39].tolist() == [125, 75, 100]
    assert image[4, 10].tolist() == image[5, 9].tolist() == [100, 100, 100]


@pytest.mark.parametrize("factor", [1.3, 0.9, 0.5, 0.31, 0.13, 0.06])
def test_every_pyramid_level_places_the_centre_to_a_tenth_of_a_pixel(factor):
    disc = make_occluder(draw_disc(51)[:-1])  # 104 x 105, so that odd and even sizes are halved
    layer = compositing.warp(disc, centred(disc, factor * np.eye(2), (70.3, 90.7)), SHAPE, 4)
    moments = cv2.moments(layer.coverage_on(SHAPE))
    assert moments["m10"] / moments["m00"] == pytest.approx(70.3, abs=0.1)
    assert moments["m01"] / moments["m00"] == pytest.approx(90.7, abs=0.1)
    assert moments["m00"] / 255 == pytest.approx(disc.area_px * factor**2, rel=0.02)


@given(st.floats(-180, 180), st.floats(0.02, 1.2), st.floats(-0.3, 0.3))
def test_a_window_holds_the_whole_occluder(angle_deg, factor, shear):
    linear = factor * rotate(angle_deg) @ np.array([[1, shear], [0, 1]])
    matrix = centred(HAND, linear, (200.0, 210.0))
    tight, wide = (compositing.warp(HAND, matrix, (400, 420), padding) for padding in (0, 40))
    whole = wide.alpha.sum(dtype=int)
    outline_px = 4 * math.sqrt(whole / 255)
    moved = outline_px / 32 * 255  # positions are rounded to 1/32 px, from each window's corner
    assert tight.alpha.sum(dtype=int) == pytest.approx(whole, abs=moved)


def test_a_window_off_the_canvas_is_small_and_changes_nothing():
    image, layer = draw_face()[0], disc_layer(20, (900, -700))
    assert layer.alpha.size < 5_000
    compositing.blend(image, layer)
    np.testing.assert_array_equal(image, draw_face()[0])
    assert compositing.window(np.array([[-1e6, 5.0]]), SHAPE, 3)[2] >= 1


layers = arrays(np.uint8, (9, 7, 4)).map(
    lambda rgba: premultiply(rgba[..., :3], rgba[..., 3].copy())
)
corners = st.tuples(st.integers(-12, 12), st.integers(-12, 12))
images = arrays(np.uint8, (11, 8, 3))


@given(images, layers, corners)
def test_blending_is_within_a_level_of_the_ideal(image, rgba, corner):
    blended, layer = image.copy(), layer_of(rgba, *corner)
    compositing.blend(blended, layer)
    ideal = image.astype(float)
    canvas, part = layer.inside(image.shape)
    weight = layer.alpha[part][..., np.newaxis] / 255
    ideal[canvas] = layer.colour[part] + (1 - weight) * image[canvas]
    assert np.abs(blended - ideal).max() <= 0.5 + 1e-9


@given(arrays(np.uint8, (11, 8), elements=st.integers(0, 1)), layers, corners, st.integers(0, 9))
def test_a_label_only_loses_pixels_covered_by_half(seg_map, rgba, corner, class_id):
    occluded, layer = seg_map.copy(), layer_of(rgba, *corner)
    compositing.occlude_label(occluded, layer, class_id)
    covered = layer.coverage_on(seg_map.shape) >= 128
    assert (occluded[covered] == class_id).all()
    np.testing.assert_array_equal(occluded[~covered], seg_map[~covered])


@given(st.floats(0.3, 3), st.floats(0.4, 1))
def test_softening_and_fading_keep_colour_below_coverage(sigma, opacity):
    layer = compositing.soften(disc_layer(30, (80, 90), colour=(255, 255, 255)), sigma)
    assert (layer.colour <= layer.alpha[..., np.newaxis].astype(int) + 1).all()
    faded = compositing.fade(layer, opacity)
    np.testing.assert_allclose(faded.colour, layer.colour * opacity, atol=0.52)
    np.testing.assert_allclose(faded.alpha, layer.alpha * opacity, atol=0.52)


def test_softening_keeps_the_inside_sharp_and_the_edge_in_place():
    alpha = np.zeros((120, 120), np.uint8)
    alpha[20:100, 20:100] = 255
    layer = layer_of(premultiply(NOISE[:120, :120], alpha))
    soft = compositing.soften(layer, 1.5)
    np.testing.assert_array_equal(soft.colour[30:90, 30:90], layer.colour[30:90, 30:90])
    np.testing.assert_array_equal(soft.alpha[40:80] >= 128, alpha[40:80] >= 128)
    assert 0 < soft.alpha[60, 19] < 128 < soft.alpha[60, 20] < 255


def test_d08_the_label_ends_on_the_visible_edge_and_d09_it_has_no_fringe(monkeypatch):
    """Nothing is darker or brighter than both colours: a grey disc on the same grey vanishes.

    The label's radius is the coverage's; eroded alpha under a whole label is 1 px off.
    """
    monkeypatch.setattr(generation_quality, "NUM_DISCS", 6)
    ours, theirs = edge_offsets_px()
    assert abs(ours) < 0.25
    assert theirs > 1
    for colours in ((GREY, GREY), (SKIN, BRIGHT)):
        ours, theirs = halo_levels(*colours)
        assert ours <= 1  # rounding
        assert theirs > 20


def test_d12_blending_rounds_and_does_not_darken():
    alpha = NOISE[::-1, :, 0]
    weight = alpha[..., np.newaxis] / 255
    ideal = weight * NOISE[:, ::-1] + (1 - weight) * NOISE
    blended = NOISE.copy()
    compositing.blend(blended, layer_of(premultiply(NOISE[:, ::-1], alpha)))
    assert abs((blended - ideal).mean()) < 0.02
    assert (published.blend(NOISE, NOISE[:, ::-1], alpha / 255) - ideal).mean() < -0.4


def test_d17_the_second_blur_touches_only_the_edge_over_the_face():
    image, (_, seg_map) = NOISE.copy(), draw_face()
    layer = compositing.soften(disc_layer(45, (120, 90)), 1.0)
    compositing.blend(image, layer)
    blurred = image.copy()
    compositing.soften_contact(blurred, seg_map * np.uint8(255), layer, 1.2)
    changed = (blurred != image).any(axis=2)
    alpha = layer.coverage_on(SHAPE)
    assert changed.any()
    assert not changed[(alpha == 0) | (alpha == 255) | (seg_map == 0)].any()
    outline = published.blur_outline(image, np.where(alpha >= 128, 255, 0).astype(np.uint8))
    assert (outline != image).any(axis=2)[seg_map == 0].any()


@pytest.mark.parametrize(
    ("mask", "centre_x", "sigma"), [(0, 80, 1.0), (255, -500, 1.0), (255, 80, 0.0)]
)
def test_the_second_blur_leaves_alone_what_does_not_meet(mask, centre_x, sigma):
    image = NOISE.copy()
    face, layer = np.full(SHAPE, mask, np.uint8), disc_layer(30, (centre_x, 90))
    compositing.soften_contact(image, face, layer, sigma)
    np.testing.assert_array_equal(image, NOISE)
