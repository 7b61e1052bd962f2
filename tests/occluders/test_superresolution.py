import cv2
import numpy as np

from face_occlusion.occluders.cutout import premultiply
from face_occlusion.occluders.superresolution import METHODS, enlarge_lanczos
from tests.sources.build import ellipse, photo


def test_lanczos_is_four_times_larger_and_premultiplied():
    rgba = premultiply(photo(20, 30), ellipse(20, 30).astype(float))
    large = enlarge_lanczos(rgba)
    assert large.shape == (80, 120, 4)
    assert (large[..., :3] <= large[..., 3:]).all()
    small = cv2.resize(large, (30, 20), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(small - rgba).mean() < 6


def test_a_flat_colour_stays_flat_up_to_its_edge():
    rgba = premultiply(np.full((20, 30, 3), 100, np.uint8), ellipse(20, 30).astype(float))
    large = enlarge_lanczos(rgba).astype(float)
    covered = large[..., 3] > 40
    colours = large[covered][:, :3] / large[covered][:, 3:] * 255
    assert np.abs(colours - 100).max() < 6  # no dark fringe


def test_none_changes_nothing():
    rgba = premultiply(photo(5, 7), np.ones((5, 7)))
    assert METHODS["none"](rgba) is rgba
