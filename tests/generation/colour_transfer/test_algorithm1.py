"""Algorithm 1, line by line, and the published departures D3 and D4."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from face_occlusion.generation.colour_transfer import algorithm1
from tests.generation.drawn import rng
from tests.tables import refuses

LIMITS = algorithm1.Thresholds(lower=np.array([50.0, 50, 50]), upper=np.array([200.0, 180, 160]))


def image(*counted):
    """Build (1, N, 3) uint8 from (count, colour) pairs."""
    colours = [colour for count, colour in counted for _ in range(count)]
    return np.array([colours], np.uint8)


def dark_count(prepared):
    return int((prepared < 50).all(axis=-1).sum())


def test_convention_thresholds_are_half_the_mean_and_mean_plus_deviation():
    pixels = np.array([[100, 0, 10], [200, 0, 30]], np.uint8)
    limits = algorithm1.face_thresholds(pixels)
    np.testing.assert_allclose(limits.lower, [75, 0, 10])
    np.testing.assert_allclose(limits.upper, [200, 0, 30])
    refuses("at least one pixel", algorithm1.face_thresholds, pixels[:0])


TENTH_BLACK = image((10, (0, 0, 0)), (90, (90, 90, 90)))
NO_BLACK = image((3, (9, 9, 9)))


@pytest.mark.parametrize(
    ("num_dark", "num_bright", "target", "reading", "left"),
    [
        (40, 60, TENTH_BLACK, "balanced", 10),
        (16, 84, TENTH_BLACK, "balanced", 10),
        (16, 84, TENTH_BLACK, "literal", 6),  # 16 / 10 - 1 = 0.6 of them go
        (5, 95, TENTH_BLACK, "balanced", 5),  # no darker than the target
        (5, 95, NO_BLACK, "balanced", 0),
        (5, 0, NO_BLACK, "balanced", 5),  # nothing to replace with
    ],
)
def test_as_many_dark_pixels_stay_as_the_reading_says(num_dark, num_bright, target, reading, left):
    source = image((num_dark, (10, 10, 10)), (num_bright, (100, 120, 140)))
    prepared = algorithm1.prepare_face(source, target, LIMITS, rng(), reading)
    assert dark_count(prepared) == left
    others = prepared[0][(prepared[0] >= 50).any(axis=1)]
    np.testing.assert_array_equal(others, np.tile([100, 120, 140], (len(others), 1)))


def test_the_draw_depends_on_the_generator_only_and_leaves_the_source_unchanged():
    source = image(*((1, (i, i, i)) for i in range(40)), (60, (100, 120, 140)))
    kept = source.copy()
    rngs = (rng(seed) for seed in (0, 0, 1))
    first, same, other = (algorithm1.prepare_face(source, TENTH_BLACK, LIMITS, one) for one in rngs)
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()
    np.testing.assert_array_equal(source, kept)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_balanced_share_restores_the_balance(dark, black):
    share = algorithm1.replaced_share(dark, black, "balanced")
    assert 0 <= share <= 1
    assert dark * (1 - share) == pytest.approx(min(dark, black), abs=1e-12)


def test_unknown_readings_and_empty_images_are_refused():
    source = image((1, (1, 2, 3)))
    with pytest.raises(ValueError, match="reading"):
        algorithm1.prepare_face(source, source, LIMITS, rng(), "other")  # type: ignore[arg-type]  # unknown
    refuses("hold pixels", algorithm1.prepare_face, source, source[:, :0], LIMITS, rng())


@pytest.mark.parametrize("reading", ["balanced", "literal", "published"])
def test_d03_pixels_are_counted_not_channels_and_d04_only_the_bright_channel_is_clipped(reading):
    """As many dark pixels as black ones; saturated red has two dark channels but is not dark."""
    source = image((10, (10, 10, 10)), (60, (180, 10, 10)), (30, (100, 100, 100)))
    left = dark_count(algorithm1.prepare_face(source, TENTH_BLACK, LIMITS, rng(), reading))
    assert (left == 10) == (reading != "published")
    source = image((1, (250, 100, 90)), (1, (60, 70, 80)))
    prepared = algorithm1.prepare_face(source, source, LIMITS, rng(), reading).tolist()
    assert (prepared == [[[200, 100, 90], [60, 70, 80]]]) == (reading != "published")
