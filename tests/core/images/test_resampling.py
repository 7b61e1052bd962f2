import cv2
import numpy as np
import pytest

from face_occlusion.core.classes import coverage, resize_seg_map
from face_occlusion.core.images import fitted_size, resize_image, warp_affine, warp_cutout
from face_occlusion.core.images.resampling import SMALL_PX
from tests.releases.build import ellipse, photo

SIZE = (70, 90)  # several bands, the last one incomplete
TURN = np.array([[0.9, -0.4, 12.3], [0.4, 0.9, -7.7]])
PIXELS = np.random.default_rng(1).integers(0, 256, (60, 80, 4), dtype=np.uint8)


@pytest.mark.parametrize("border", [cv2.BORDER_CONSTANT, cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT])
def test_channels_are_warped_alike_alone_and_together(border):
    alone = [warp_affine(PIXELS[..., k].copy(), TURN, SIZE, border) for k in range(4)]
    colour, alpha = warp_cutout(PIXELS, TURN, SIZE, border)
    np.testing.assert_array_equal(np.dstack([colour, alpha]), np.dstack(alone))
    for channels in (3, 4):
        together = warp_affine(PIXELS[..., :channels].copy(), TURN, SIZE, border)
        np.testing.assert_array_equal(together, np.dstack(alone[:channels]))


def test_only_what_is_needed_is_computed_and_a_small_result_is_the_part_of_a_large_one():
    size = (SIZE[0] + SMALL_PX // SIZE[1], SIZE[1])
    whole, needed = warp_affine(PIXELS, TURN, size, cv2.BORDER_REFLECT), np.zeros(size, np.uint8)
    needed[3:20, 50:60] = needed[10:12, 20] = 1
    some = warp_affine(PIXELS, TURN, size, cv2.BORDER_REFLECT, needed=needed)
    np.testing.assert_array_equal(some[needed > 0], whole[needed > 0])
    assert not some[:, :20].any() and not some[:, 60:].any() and not some[35:].any()
    small = warp_affine(PIXELS, TURN, SIZE, cv2.BORDER_REFLECT)
    np.testing.assert_array_equal(small, whole[: SIZE[0]])


def test_fitted_size_sets_the_longer_side():
    sizes = [fitted_size((300, 640), side) for side in (320, 0)]
    assert [*sizes, fitted_size((640, 300), 320)] == [(150, 320), (300, 640), (320, 150)]
    assert fitted_size((1, 1000), 10) == (1, 10)


def test_images_shrink_by_area_grow_by_cubic_interpolation_and_keep_their_own_size():
    image = photo(40, 60)
    assert resize_image(image, (40, 60)) is image
    blocks = image.reshape(20, 2, 30, 2, 3).mean(axis=(1, 3))
    assert np.abs(resize_image(image, (20, 30)) - blocks).max() <= 0.5
    for size in [(80, 120), (41, 77), (113, 60)]:
        expected = cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC)
        assert np.abs(resize_image(image, size) - expected.astype(float)).max() <= 1


@pytest.mark.parametrize("size", [(20, 30), (40, 60), (80, 120), (33, 49), (160, 240)])
def test_class_ids_stay_class_ids_and_keep_their_area(size):
    mask = ellipse(40, 60)
    assert coverage(mask, size).mean() == pytest.approx(mask.mean(), abs=0.01)
    resized = resize_seg_map(mask.astype(np.uint8), size)
    assert resized.shape == size
    assert set(np.unique(resized)) == {0, 1}
    assert resized.mean() == pytest.approx(mask.mean(), abs=0.02)
    if size == (160, 240):  # shrinking is the inverse of enlarging
        np.testing.assert_array_equal(resize_seg_map(resized, mask.shape), mask)


def test_half_a_pixel_is_face_and_ignored_pixels_stay_ignored():
    assert resize_seg_map(np.array([[1, 0, 0, 0], [1, 0, 1, 0]], "u1"), (1, 2)).tolist() == [[1, 0]]
    seg_map = np.zeros((8, 12), np.uint8)
    seg_map[:, 6:] = 255
    seg_map[:4, :6] = 1
    resized = resize_seg_map(seg_map, (4, 6))
    assert resized.tolist() == [[1, 1, 1, 255, 255, 255]] * 2 + [[0, 0, 0, 255, 255, 255]] * 2
