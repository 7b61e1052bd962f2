"""The whole transfer: contract for every mode, smoothing, and D1, D2 and D5."""

import dataclasses

import cv2
import numpy as np
import pytest
from scipy import ndimage

from bench.generation_quality import colour_distance
from face_occlusion.generation.colour_transfer import transfer_colours
from face_occlusion.generation.colour_transfer.transfer import (
    PUBLISHED_RADIUS_PX,
    PUBLISHED_SIGMA_PX,
    colour_displacement,
    smooth_displacement,
    smooth_published,
)
from face_occlusion.generation.colour_transfer.transport import random_directions
from face_occlusion.generation.params import SOT
from tests.generation.drawn import rng
from tests.tables import refuses

PARAMS = dataclasses.replace(SOT, steps=3, downscale=2, smoothing_frac=0.05)
MODES = ("masked", "partial", "faithful", "published")


def with_mode(mode, **changes):
    return dataclasses.replace(PARAMS, mode=mode, **changes)


def scene():
    """A dark reddish face, a bright hand of another size with a soft edge, all textured."""
    draw = rng()
    face = np.clip(draw.normal((120, 80, 60), 12, (90, 80, 3)), 0, 255).astype(np.uint8)
    rows, columns = np.mgrid[:90, :80]
    face_mask = ((rows - 45) / 40) ** 2 + ((columns - 40) / 30) ** 2 < 1
    hand = np.clip(draw.normal((220, 190, 180), 10, (100, 70, 3)), 0, 255).astype(np.uint8)
    rows, columns = np.mgrid[:100, :70]
    distance = 30 - np.hypot((rows - 50) / 1.4, columns - 35)
    return face, face_mask, *premultiplied(hand, np.clip(distance / 4 + 0.5, 0, 1))


def premultiplied(hand, alpha):
    """Straight colours and coverage in 0-1 as premultiplied uint8 colours and uint8 coverage."""
    coded = np.rint(alpha * 255).astype(np.uint8)
    return np.rint(hand * (coded[..., None] / 255)).astype(np.uint8), coded


@pytest.mark.parametrize("mode", MODES)
def test_the_hand_comes_nearer_to_the_face_and_inputs_stay(mode):
    inputs, params = scene(), with_mode(mode, steps=8)
    moved = transfer_colours(*inputs, rng(), params)
    for array, before in zip(inputs, scene(), strict=True):
        np.testing.assert_array_equal(array, before)
    np.testing.assert_array_equal(moved, transfer_colours(*inputs, rng(), params))
    assert (moved != transfer_colours(*inputs, rng(4), params)).any()
    face, face_mask, hand, alpha = inputs
    assert moved.shape == hand.shape and moved.dtype == np.uint8
    assert (moved <= alpha[..., None]).all()
    directions = random_directions(rng(1), 1, 20)
    before, after = (
        colour_distance(colours[alpha == 255], face[face_mask], directions)
        for colours in (hand, moved)
    )
    assert after < 0.6 * before, (before, after)


@pytest.mark.parametrize("mode", ("masked", "partial", "faithful"))
def test_strength_scales_the_change_and_soft_edges_get_the_straight_one(mode):
    *_, hand, alpha = inputs = scene()
    assert (transfer_colours(*inputs, rng(), with_mode(mode, strength=0)) == hand).all()
    whole = colour_displacement(*inputs, rng(), with_mode(mode))
    half = colour_displacement(*inputs, rng(), with_mode(mode, strength=0.5))
    np.testing.assert_allclose(half, whole / 2, atol=1e-4)
    moved = transfer_colours(*inputs, rng(), with_mode(mode))
    full = cv2.resize(whole, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)
    straight = np.clip(hand + full * (alpha[..., None] / 255), 0, alpha[..., None])
    assert np.abs(moved - straight).max() <= 0.53  # the change in steps of 1/32


@pytest.mark.parametrize("mode", ("masked", "partial"))
def test_constant_colours_become_the_face_s_mean(mode):
    face, face_mask, hand, alpha = scene()
    face[:] = (100, 60, 40)
    hand, alpha = premultiplied(np.full(hand.shape, (200, 210, 220)), alpha / 255)
    moved = transfer_colours(face, face_mask, hand, alpha, rng(), with_mode(mode))
    solid = moved[alpha == 255].astype(int)
    assert np.abs(solid - (100, 60, 40)).max() <= 1


def test_a_colour_counts_as_often_as_it_occurs():
    face, face_mask, _, _ = scene()
    hand = np.full((40, 50, 3), 100, np.uint8)
    hand[:4] = 200  # a tenth of the hand takes the brightest tenth of the face
    params = with_mode("masked", smoothing_frac=0, downscale=1, algorithm1="off", steps=6)
    moved = transfer_colours(face, face_mask, hand, np.full((40, 50), 255, np.uint8), rng(), params)
    np.testing.assert_allclose(moved.mean((0, 1)), face[face_mask].mean(0), atol=1)


@pytest.mark.parametrize("mode", MODES)
def test_tiny_hands_and_one_that_the_grid_misses_are_handled(mode):
    missed = [((512, 512), np.s_[100:101, 77:78])] if mode == "masked" else []
    for size, inside in [((1, 1), np.s_[:]), ((1, 9), np.s_[:]), ((40, 3), np.s_[:]), *missed]:
        hand, alpha = np.zeros((*size, 3), np.uint8), np.zeros(size, np.uint8)
        hand[inside], alpha[inside] = 200, 255
        moved = transfer_colours(*scene()[:2], hand, alpha, rng(), with_mode(mode, downscale=8))
        assert moved.shape == hand.shape and (moved != hand).any()


def test_a_coarse_grid_gives_nearly_the_exact_result():
    rows, columns = np.mgrid[:512, :448]
    hand = 150 + 40 * np.sin(rows / 90)[..., None] + rng(5).normal(0, 4, (512, 448, 3))
    inside = np.hypot(rows - 256, columns - 224) < 200
    hand, alpha = premultiplied(np.clip(hand, 0, 255), inside)
    exact, coarse = (
        transfer_colours(*scene()[:2], hand, alpha, rng(), with_mode("masked", **changes))
        for changes in ({"downscale": d, "smoothing_frac": 0.1} for d in (1, 8))
    )
    assert np.abs(exact - coarse.astype(int))[alpha > 0].mean() < 1


def test_other_types_and_sizes_are_refused():
    face, face_mask, hand, alpha = scene()
    for inputs, message in [
        ((face, face_mask, hand[1:], alpha), "hand must"),
        ((face / 255, face_mask, hand, alpha), "face must"),
        ((face, face_mask, hand, alpha / 255), "alpha must be uint8"),
        ((face, face_mask * 255, hand, alpha), "face_mask must be bool or uint8"),
    ]:
        refuses(f"^{message}", transfer_colours, *inputs, rng=rng(), params=PARAMS)


@pytest.mark.parametrize("ours", [True, False])
def test_d01_smoothing_is_normalised_by_the_mask_and_does_not_wrap(ours):
    def smooth(change, weight):
        if ours:
            return smooth_displacement(change, weight, PUBLISHED_SIGMA_PX / 3)
        return smooth_published(change * weight[..., None])

    weight = np.zeros((80, 70), np.float32)
    weight[30:, 20:50] = 1  # a hand of one change, which enters from below
    inside = smooth(np.full((80, 70, 3), 20, np.float32), weight)[weight > 0]
    assert (np.abs(inside - 20).max() < 1e-3) == ours
    change = np.zeros((160, 70, 3), np.float32)
    change[:20] = 40
    opposite = smooth(change, np.ones((160, 70), np.float32))[-20:]
    assert (np.abs(opposite).max() < 1e-3) == ours


def test_d01_the_edge_of_a_transferred_hand_has_no_halo():
    alpha = np.zeros((100, 70))
    alpha[20:, 15:55] = 1
    hand, alpha = premultiplied(np.full((100, 70, 3), (220, 190, 180)), alpha)

    def halo(mode):
        moved = transfer_colours(*scene()[:2], hand, alpha, rng(), with_mode(mode)).astype(float)
        inner, edge = moved[45:70, 30:40], moved[70:95, 15:17]
        return np.abs(inner.mean((0, 1)) - edge.mean((0, 1))).max()

    assert halo("masked") < 2
    assert halo("published") > 8


def slow_filter(displacement, weight, kernel, mode):
    """Sum all shifts by a square kernel, as the published code does: 3,721 of them for 61x61."""
    weighted = np.dstack([displacement * weight[..., None], weight]).astype(float)
    total = ndimage.convolve(weighted, (kernel @ kernel.T)[..., None], mode=mode)
    return total[..., :3] / total[..., 3:]


def test_d02_two_passes_equal_the_sum_of_all_shifts():
    draw = rng(6)
    change = draw.normal(0, 20, (36, 41, 3)).astype(np.float32)
    weight = draw.random((36, 41)).astype(np.float32) + 0.1
    kernel = cv2.getGaussianKernel(13, 2.0)
    expected = slow_filter(change, weight, kernel, "constant")
    np.testing.assert_allclose(smooth_displacement(change, weight, 2.0), expected, atol=1e-3)
    kernel = cv2.getGaussianKernel(2 * PUBLISHED_RADIUS_PX + 1, PUBLISHED_SIGMA_PX)
    expected = slow_filter(change, np.ones_like(weight), kernel, "wrap")
    np.testing.assert_allclose(smooth_published(change), expected, atol=1e-3)


@pytest.mark.parametrize("mode", MODES)
def test_d05_a_failed_transfer_is_passed_over_by_the_published_way_alone(mode):
    face, face_mask, hand, alpha = scene()
    no_face = face & 0, face_mask & False, hand, alpha, rng(), with_mode(mode)
    if mode == "published":  # keeps the hand and says nothing
        transfer_colours(*no_face)
        return
    refuses("face_mask", transfer_colours, *no_face)
    with pytest.raises(ValueError, match="alpha must reach"):
        transfer_colours(face, face_mask, hand, alpha * 0, rng(), with_mode(mode))
