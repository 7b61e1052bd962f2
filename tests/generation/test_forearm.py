"""Forearms extended where no hand reaches the face from outside the picture."""

import cv2
import numpy as np
import pytest

from face_occlusion.core.arithmetic import rotate
from face_occlusion.generation import make_occluder, occlude, regenerate
from face_occlusion.generation.compositing import HALF, warp
from face_occlusion.generation.forearm import extend_forearm
from face_occlusion.generation.placement import make_layer
from tests.generation.drawn import HAND as PALM
from tests.generation.drawn import SMALL_FACE, centred, draw_face, draw_wrist, plain, rng
from tests.generation.drawn import WRIST as CUT

SHAPE = SMALL_FACE[1].shape
WHOLE = make_occluder(np.pad(draw_wrist(), ((9, 0), (5, 5), (0, 0))), pointing_deg=90.0)


def placed(hand, turn_deg):
    """A hand in the middle of the picture, turned: (2, 3) affine."""
    return centred(hand, 0.5 * rotate(turn_deg), (300, 280))


def extended(hand, matrix):
    return extend_forearm(hand, *hand.shrunk(matrix), SHAPE)


def on_canvas(hand_and_matrix):
    layer, colour = warp(*hand_and_matrix, SHAPE, 0), np.zeros((*SHAPE, 3), np.uint8)
    canvas, part = layer.inside(SHAPE)
    colour[canvas] = layer.colour[part]
    return colour, layer.coverage_on(SHAPE)


def border_of(alpha):
    return np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]]) >= HALF


@pytest.mark.parametrize("hand", [CUT, WHOLE], ids=["cut", "whole"])
@pytest.mark.parametrize("turn_deg", [0, 37, 90, 180, 251])
def test_an_arm_leads_out_of_the_picture_in_one_piece(hand, turn_deg):
    matrix = placed(hand, turn_deg)
    _, alone = on_canvas((hand, matrix))
    colour, alpha = on_canvas(extended(hand, matrix))
    border = border_of(alpha)
    assert border.sum() > 10
    assert np.abs(np.diff(border.astype(int))).sum() <= 4  # it leaves at one place
    assert cv2.connectedComponents((alpha >= HALF).astype(np.uint8))[0] == 2
    assert alpha.sum(dtype=float) > 1.5 * alone.sum(dtype=float)
    straight = colour[alpha > 60] * 255.0 / alpha[alpha > 60, np.newaxis]
    assert np.abs(straight - [195, 155, 125]).max() < 45  # the hand's, on soft sides too: no rim
    fingers = (alone >= HALF) & (np.abs(alpha.astype(int) - alone) > 60)
    assert fingers.sum() < 0.1 * (alone >= HALF).sum()  # the hand stays as it is


def test_a_palm_cut_by_the_border_and_a_sleeve_s_edge_are_no_wrists():
    assert extended(PALM, placed(CUT, 0)) is None
    with pytest.raises(ValueError, match="cut end outside the image"):
        occlude(*SMALL_FACE, [PALM], rng(), plain("hands"))
    sleeved = draw_wrist()
    sleeved[:, :50, :3] = sleeved[:, :50, 3:] // 8
    square = np.full((100, 100, 4), 200, np.uint8)
    for cutout in (sleeved, square):
        hand = make_occluder(cutout, pointing_deg=90.0, enters="top")
        assert extended(hand, placed(hand, 0)) is None
    assert extended(make_occluder(draw_wrist()), placed(CUT, 0)) is None


@pytest.mark.parametrize("hand", [CUT, WHOLE], ids=["cut", "whole"])
def test_a_face_that_no_hand_reaches_gets_an_arm_and_the_record_says_so(hand):
    _, _, near = occlude(*draw_face(), [hand], rng(), plain("hands"))
    assert not near["placement"]["arm_drawn"]
    params = plain("hands", scale_range=[0.5, 0.6])
    for seed in range(4):
        image, seg_map, record = occlude(*SMALL_FACE, [hand], rng(seed), params)
        assert record["placement"]["arm_drawn"]
        assert record["attempts"] > params.max_attempts // 2
        assert 0.5 <= record["placement"]["size"] <= 0.6
        assert border_of(make_layer(hand, record, SHAPE).coverage_on(SHAPE)).any()
        again, again_map = regenerate(*SMALL_FACE, hand, record)
        np.testing.assert_array_equal(again, image)
        np.testing.assert_array_equal(again_map, seg_map)
