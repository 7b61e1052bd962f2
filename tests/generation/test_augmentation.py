"""Affine, brightness, contrast and compression (Q20); D10."""

import dataclasses

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench import published
from face_occlusion.generation import augmentation
from tests.generation.drawn import SHAPE, draw_disc, draw_face, layer_of, params, rng

UNCHANGED = {"brightness": None, "contrast": None, "jpeg_quality": None}
TURN, _ = augmentation.cover_affine(SHAPE, 7.0, 2.0, 1.05, np.array([0.3, -0.4]))


def face_record(matrix=None):
    return UNCHANGED | {"rotation_deg": None, "shear_deg": None, "zoom": None, "matrix": matrix}


def test_convention_contrast_turns_about_mid_grey_and_brightness_adds_a_share_of_255():
    grey = np.array([[[0, 127, 255]]], np.uint8)
    record = UNCHANGED | {"contrast": 0.5, "brightness": 0.1}
    np.testing.assert_array_equal(augmentation.apply_tone(grey, record)[0, 0], [89, 153, 217])


def test_nothing_drawn_changes_nothing():
    inputs = draw_face()
    for same, given_ in zip(augmentation.apply_face(*inputs, face_record()), inputs, strict=True):
        np.testing.assert_array_equal(same, given_)
        assert not np.shares_memory(same, given_)
    disc = layer_of(draw_disc())
    assert augmentation.apply_tone_layer(disc, UNCHANGED) is disc


@given(st.integers(0, 2**32))
def test_the_same_number_of_draws_whatever_is_drawn(seed):
    never, always = rng(seed), rng(seed)
    for drawn, prob in ((never, 0), (always, 1)):
        changed = params("objects", face={"affine_prob": prob})
        augmentation.sample_face(drawn, SHAPE, changed.face)
        tone = dataclasses.replace(changed.occluder, tone_prob=prob, jpeg_prob=prob)
        augmentation.sample_tone(drawn, tone)
    assert never.integers(2**60) == always.integers(2**60)


@given(
    st.floats(-45, 45),
    st.floats(-20, 20),
    st.floats(1, 1.5),
    st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
    st.tuples(st.integers(20, 300), st.integers(20, 300)),
)
def test_a_turned_face_shows_nothing_beyond_its_photograph(rotation, shear, zoom, shift, shape):
    matrix, scale = augmentation.cover_affine(shape, rotation, shear, zoom, np.array(shift))
    height, width = shape
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]]) - 0.5
    seen = (corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    assert (seen >= -0.5 - 1e-6).all()
    assert (seen <= corners[3] + 1e-6).all()
    assert scale >= zoom * 0.999


def test_the_mask_turns_with_the_face_and_keeps_its_classes():
    """A face of one colour on a ground of another: the warped mask finds the warped colour."""
    _, seg_map = draw_face()
    image = np.where(seg_map[..., np.newaxis] == 1, np.uint8(255), np.uint8(0)).repeat(3, axis=2)
    turned, turned_map = augmentation.apply_face(image, seg_map, face_record(TURN.tolist()))
    np.testing.assert_array_equal(turned_map == 1, turned[..., 0] >= 128)
    np.testing.assert_array_equal(augmentation.warp_seg_map(seg_map, TURN), turned_map)
    assert set(np.unique(turned_map)) == {0, 1}
    lanczos = published.warp_mask(seg_map * np.uint8(255), TURN)
    assert len(np.unique(lanczos)) > 2  # defect D10
    seg_map[:30] = 255
    seg_map[140:] = 7
    _, more = augmentation.apply_face(image, seg_map, face_record(TURN.tolist()))
    assert set(np.unique(more)) == {0, 1, 7, 255}


def test_compression_keeps_coverage_and_stays_below_it():
    disc = layer_of(draw_disc(colour=(240, 20, 60)))
    for quality in (1, 30, 95):
        compressed = augmentation.apply_tone_layer(disc, UNCHANGED | {"jpeg_quality": quality})
        np.testing.assert_array_equal(compressed.alpha, disc.alpha)
        assert (compressed.colour <= compressed.alpha[..., np.newaxis]).all()
    # A plain disc over its own mean colour is plain: no dark border comes in (D9).
    inside = disc.alpha == 255
    assert np.abs(compressed.colour[inside].astype(int) - disc.colour[inside]).max() <= 6


@given(st.floats(0.5, 1.5), st.floats(-0.3, 0.3))
def test_premultiplied_tone_equals_straight_tone(contrast, brightness):
    record = UNCHANGED | {"contrast": contrast, "brightness": brightness}
    disc = layer_of(draw_disc(20, colour=(30, 128, 220)))
    plain = np.full((1, 1, 3), (30, 128, 220), np.uint8)
    straight = augmentation.apply_tone(plain, record)[0, 0].astype(float)
    expected = straight * (disc.alpha[..., np.newaxis] / 255)
    toned = augmentation.apply_tone_layer(disc, record)
    assert np.abs(toned.colour - expected).max() <= 2.5
