"""Algorithm 1, line by line, and the published departures D3 and D4."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from face_occlusion.generation.colour_transfer.algorithm1 import (
    Thresholds,
    face_thresholds,
    prepare_face,
    replaced_share,
)

LIMITS = Thresholds(lower=np.array([50.0, 50, 50]), upper=np.array([200.0, 180, 160]))


def image(*counted):
    """Build (1, N, 3) uint8 from (count, colour) pairs."""
    colours = [colour for count, colour in counted for _ in range(count)]
    return np.array([colours], np.uint8)


def rng():
    return np.random.default_rng(0)


def dark_count(prepared):
    return int((prepared < 50).all(axis=-1).sum())


def test_convention_thresholds_are_half_the_mean_and_mean_plus_deviation():
    pixels = np.array([[100, 0, 10], [200, 0, 30]], np.uint8)
    limits = face_thresholds(pixels)
    np.testing.assert_allclose(limits.lower, [75, 0, 10])
    np.testing.assert_allclose(limits.upper, [200, 0, 30])
    with pytest.raises(ValueError, match="at least one pixel"):
        face_thresholds(pixels[:0])


def test_balanced_leaves_as_many_dark_pixels_as_the_target_has_black():
    source = image((40, (10, 10, 10)), (60, (100, 120, 140)))
    target = image((10, (0, 0, 0)), (90, (90, 90, 90)))
    prepared = prepare_face(source, target, LIMITS, rng())
    assert dark_count(prepared) == 10
    others = prepared[0][(prepared[0] >= 50).any(axis=1)]
    np.testing.assert_array_equal(others, np.tile([100, 120, 140], (90, 1)))


def test_literal_replaces_ratio_minus_one():
    source = image((16, (10, 10, 10)), (84, (100, 120, 140)))
    target = image((10, (0, 0, 0)), (90, (90, 90, 90)))
    assert dark_count(prepare_face(source, target, LIMITS, rng(), "literal")) == 6  # 0.6 x 16 go
    assert dark_count(prepare_face(source, target, LIMITS, rng())) == 10


def test_a_source_no_darker_than_the_target_is_only_clipped():
    source = image((5, (10, 10, 10)), (95, (210, 100, 170)))
    target = image((5, (0, 0, 0)), (95, (90, 90, 90)))
    prepared = prepare_face(source, target, LIMITS, rng())
    assert dark_count(prepared) == 5
    np.testing.assert_array_equal(prepared[0, -1], [200, 100, 160])


def test_a_target_without_black_replaces_every_dark_pixel():
    source = image((5, (10, 10, 10)), (95, (100, 100, 100)))
    assert dark_count(prepare_face(source, image((3, (9, 9, 9))), LIMITS, rng())) == 0


def test_an_all_dark_source_has_nothing_to_replace_with():
    source = image((5, (10, 10, 10)))
    np.testing.assert_array_equal(
        prepare_face(source, image((3, (9, 9, 9))), LIMITS, rng()), source
    )


def test_the_draw_depends_on_the_generator_only_and_leaves_the_source_unchanged():
    source = image(*((1, (i, i, i)) for i in range(40)), (60, (100, 120, 140)))
    target = image((20, (0, 0, 0)), (80, (90, 90, 90)))
    kept = source.copy()
    first = prepare_face(source, target, LIMITS, rng())
    np.testing.assert_array_equal(first, prepare_face(source, target, LIMITS, rng()))
    assert (first != prepare_face(source, target, LIMITS, np.random.default_rng(1))).any()
    np.testing.assert_array_equal(source, kept)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_balanced_share_restores_the_balance(dark, black):
    share = replaced_share(dark, black, "balanced")
    assert 0 <= share <= 1
    if dark > black:
        assert dark * (1 - share) == pytest.approx(black, abs=1e-12)
    else:
        assert share == 0


def test_unknown_readings_and_empty_images_are_refused():
    source = image((1, (1, 2, 3)))
    with pytest.raises(ValueError, match="reading"):
        prepare_face(source, source, LIMITS, rng(), "other")  # type: ignore[arg-type]  # unknown
    with pytest.raises(ValueError, match="hold pixels"):
        prepare_face(source, source[:, :0], LIMITS, rng())


def check_d03_pixels_are_counted(reading):
    # As many dark pixels as black ones; saturated red has two dark channels but is not dark.
    source = image((10, (10, 10, 10)), (60, (180, 10, 10)), (30, (100, 100, 100)))
    target = image((10, (0, 0, 0)), (90, (90, 90, 90)))
    assert dark_count(prepare_face(source, target, LIMITS, rng(), reading)) == 10


def test_d03_pixels_are_counted_not_channels():
    check_d03_pixels_are_counted("balanced")
    check_d03_pixels_are_counted("literal")
    with pytest.raises(AssertionError):
        check_d03_pixels_are_counted("published")


def check_d04_channels_are_clipped_apart(reading):
    source = image((1, (250, 100, 90)), (1, (60, 70, 80)))
    prepared = prepare_face(source, source, LIMITS, rng(), reading)
    np.testing.assert_array_equal(prepared, [[[200, 100, 90], [60, 70, 80]]])


def test_d04_only_the_bright_channel_is_clipped():
    check_d04_channels_are_clipped_apart("balanced")
    check_d04_channels_are_clipped_apart("literal")
    with pytest.raises(AssertionError):
        check_d04_channels_are_clipped_apart("published")
