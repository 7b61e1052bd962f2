import cv2
import numpy as np
import pytest

from face_occlusion.core.images import warp_affine, warp_cutout

SIZE = (70, 90)  # several bands, the last one incomplete
TURN = np.array([[0.9, -0.4, 12.3], [0.4, 0.9, -7.7]])
PIXELS = np.random.default_rng(1).integers(0, 256, (60, 80, 4), dtype=np.uint8)


@pytest.mark.parametrize("border", [cv2.BORDER_CONSTANT, cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT])
def test_channels_are_warped_alike_alone_and_together(border):
    alone = [warp_affine(PIXELS[..., k].copy(), TURN, SIZE, border) for k in range(4)]
    colour, alpha = warp_cutout(PIXELS, TURN, SIZE, border)
    np.testing.assert_array_equal(np.dstack([colour, alpha]), np.dstack(alone))
    np.testing.assert_array_equal(warp_affine(PIXELS, TURN, SIZE, border), np.dstack(alone))
    three = warp_affine(PIXELS[..., :3].copy(), TURN, SIZE, border)
    np.testing.assert_array_equal(three, np.dstack(alone[:3]))


def test_only_what_is_needed_is_computed():
    whole, needed = warp_affine(PIXELS, TURN, SIZE, cv2.BORDER_REFLECT), np.zeros(SIZE, np.uint8)
    needed[3:20, 50:60] = needed[10:12, 20] = 1
    some = warp_affine(PIXELS, TURN, SIZE, cv2.BORDER_REFLECT, needed=needed)
    np.testing.assert_array_equal(some[needed > 0], whole[needed > 0])
    assert not some[:, :20].any() and not some[:, 60:].any() and not some[35:].any()
