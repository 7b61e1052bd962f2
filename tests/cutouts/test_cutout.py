import cv2
import numpy as np
import pytest

from face_occlusion import cutouts
from face_occlusion.core.images import reduced
from tests.releases.build import ellipse, photo


def over(cutout, backdrop):
    """Composite a premultiplied cut-out on one colour, float."""
    return cutout[..., :3] + (1 - cutout[..., 3:] / 255.0) * backdrop


def test_convention_rgba_is_premultiplied_and_rounded():
    image = np.full((1, 3, 3), 200, np.uint8)
    rgba = cutouts.premultiply(image, np.array([[0.0, 0.5, 1.0]]))
    assert rgba[0].tolist() == [[0, 0, 0, 0], [100, 100, 100, 128], [200, 200, 200, 255]]


def test_clean_mask_keeps_the_largest_piece_and_its_input_fills_holes_and_closes_cracks():
    mask = np.zeros((40, 60), bool)
    mask[5:30, 5:40] = True
    mask[10:12, 10:12] = False  # a small hole
    mask[15:28, 15:35] = False  # a large one
    mask[35:37, 50:52] = True  # a speck
    mask[5:8, 30:33] = False  # one that is open
    cleaned = cutouts.clean_mask(mask, hole_frac=0.05, close_px=0)
    assert cleaned[10, 10]
    assert not cleaned[[20, 36, 6], [20, 51, 31]].any()
    mask = np.ones((20, 30), bool)
    mask[:3, 10:13] = False  # open to the border of the photograph
    assert not cutouts.clean_mask(mask, hole_frac=0.5, close_px=0)[:3, 10:13].any()
    mask = np.ones((30, 40), bool)
    mask[:, 18:20] = False
    assert cutouts.clean_mask(mask, hole_frac=0, close_px=5).all()
    assert mask[:, 18:20].sum() == 0
    diagonal = np.eye(5, 7) > 0
    diagonal[[2, 3], [2, 3]] = False
    assert cutouts.largest_piece(diagonal).sum() == 2  # joined at a corner


def test_no_fringe_of_a_white_background():
    """A dark disc photographed on white, its edge blurred by the lens, leaves no bright rim."""
    disc = ellipse(120, 160, 0.3)
    sharp = np.where(disc[..., None], 60, 250).astype(np.uint8).repeat(3, axis=2)
    image = cv2.GaussianBlur(sharp, (0, 0), 1.5)
    clean = cutouts.cut_out(image, disc, soft_px=1.0, edge_px=4)
    raw = cutouts.cut_out(image, disc, soft_px=1.0, edge_px=0)
    assert np.abs(over(clean, 60) - 60).max() <= 2  # vanishes on its own colour
    assert np.abs(over(raw, 60) - 60).max() > 30


def test_alpha_is_half_on_the_outline_and_hard_at_the_photographs_border():
    image, mask = photo(60, 80), np.zeros((60, 80), bool)
    mask[:30, 20:60] = True  # enters at the top
    cutout = cutouts.cut_out(image, mask, soft_px=1.5, edge_px=2)
    alpha = cutout[..., 3]
    assert alpha[0, alpha.shape[1] // 2] == 255
    column = alpha[:, alpha.shape[1] // 2].astype(float)
    assert 1 < int((column < 128).sum()) < 8
    assert (alpha / 255.0).sum() == pytest.approx(mask.sum(), rel=0.01)


def test_colours_are_extended_from_the_nearest_inside_and_thin_parts_keep_their_own():
    image = np.full((40, 90, 3), 40, np.uint8)
    image[20, 60:85] = image[:, 20:35] = 200
    mask = np.zeros((40, 90), bool)
    mask[5:35, 5:35] = True  # a block with an inside
    mask[20, 35:85] = True  # a wire without
    extended = cutouts.extend_colours(image, mask, edge_px=4)
    assert (extended[:12, :20] == 40).all() and (extended[:12, 20:40] == 200).all()
    assert (extended[20, 70:85] == 200).all()


def test_cut_out_refuses_another_size_and_leaves_its_input():
    image, mask = photo(20, 30), ellipse(20, 30)
    cutouts.cut_out(image, mask, soft_px=1, edge_px=2)
    np.testing.assert_array_equal(image, photo(20, 30))
    np.testing.assert_array_equal(mask, ellipse(20, 30))
    with pytest.raises(ValueError, match="a mask of 30x20 pixels, while its image has 20x30"):
        cutouts.cut_out(image, mask.T, soft_px=1, edge_px=2)


@pytest.mark.parametrize("pixel", [(0, 0), (19, 29), (10, 4)])
def test_one_pixel_is_cut_out(pixel):
    mask = np.zeros((20, 30), bool)
    mask[pixel] = True
    cutout = cutouts.cut_out(photo(20, 30), mask, soft_px=0, edge_px=3)
    assert cutout.shape == (1, 1, 4)
    assert cutout[0, 0].tolist() == [*photo(20, 30)[pixel].tolist(), 255]


def test_crop_and_shrink():
    rgba = np.zeros((30, 40, 4), np.uint8)
    rgba[4:24, 10:40] = (10, 20, 30, 40)
    cropped = cutouts.crop_to_alpha(rgba)
    assert reduced(cropped, 30) is cropped
    assert reduced(cropped, 15).shape == (10, 15, 4)
    assert (reduced(cropped, 15) == (10, 20, 30, 40)).all()
