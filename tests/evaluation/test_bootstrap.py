import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from face_occlusion.evaluation import bootstrap
from face_occlusion.evaluation.bootstrap import Resampled, estimate, estimate_sum


def test_weights_draw_as_many_images_as_there_are():
    weights, again = (bootstrap.resample_weights(7, 50, np.random.default_rng(1)) for _ in range(2))
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()
    np.testing.assert_array_equal(weights, again)
    with pytest.raises(ValueError, match="at least 1"):
        bootstrap.resample_weights(0, 50, np.random.default_rng(1))


def draw_cell(rng, images, num_seeds, weights, base=0.0):
    """Draw a cell: seeds of differing luck on some images, noise of each."""
    luck = rng.normal(0, 0.05 if num_seeds > 1 else 0, (num_seeds, 1))  # of one it is unknown
    scores = base + images + luck + rng.normal(0, 0.05, (num_seeds, len(images)))
    return Resampled(values=scores.mean(axis=1), resamples=scores @ weights.T / weights.sum(axis=1))


@pytest.mark.parametrize(("num_seeds", "num"), [(1, 8), (1, 48), (2, 30), (3, 30), (6, 30)])
def test_intervals_over_seeds_and_images_cover_as_often_as_they_say(num_seeds, num):
    """Of a score, and of the difference of two, with few false alarms."""
    rng = np.random.default_rng(30 + num_seeds)
    found = np.zeros(4)
    for _ in range(300):
        weights = bootstrap.resample_weights(num, 200, rng)
        images = rng.normal(0, 0.1, num)  # of differing difficulty
        first, second = (draw_cell(rng, images, num_seeds, weights, base) for base in (0.02, 0))
        score = estimate_sum([(1, second)], num, 0.9, rng)
        difference = estimate_sum([(1, first), (-1, second)], num, 0.9, rng)
        assert score.num_seeds == difference.num_seeds == num_seeds
        alone = estimate(second.value, second.mean, num, 0.9)
        intervals = (score, 0), (difference, 0.02), (alone, 0)
        found[:3] += [interval.low <= truth <= interval.high for interval, truth in intervals]
        found[3] += difference.p_value(0.02) < 0.1
    of_score, of_difference, over_images_alone, alarms = found / 300
    assert 0.84 <= of_score <= 0.96  # 90 % nominal; two seeds fall a little short
    assert 0.84 <= of_difference <= 0.96
    if num_seeds > 1:
        assert over_images_alone < of_score - 0.05  # what leaving the seeds out would claim
    assert 0.04 <= alarms <= 0.16


def test_seeds_are_resampled_with_the_variance_they_have():
    rng = np.random.default_rng(60)
    values = np.array([0.1, 0.2, 0.6])
    cell = Resampled(values=values, resamples=np.repeat(values[:, None], 40_000, axis=1))
    drawn = cell.drawn(rng)
    assert drawn.mean() == pytest.approx(values.mean(), abs=0.003)
    assert drawn.var() == pytest.approx(cell.seed_variance(), rel=0.03)
    assert cell.seed_variance() == pytest.approx(values.var(ddof=1) / 3)
    one = Resampled(values=values[:1], resamples=rng.random((1, 300)))
    assert estimate_sum([(1, one)], 30, 0.9, rng) == estimate(one.value, one.mean, 30, 0.9)


def test_few_images_prove_little_and_no_p_value_is_zero():
    one = estimate(0.5, np.full(100, 0.5), 1)
    assert np.isnan([one.low, one.high, one.error, one.p_value()]).all()  # no interval
    assert estimate(0.0, np.zeros(100), 9).p_value() == 1
    assert estimate(0.25, np.full(100, 0.25), 9).p_value() == 2 / 2**9  # a sign test's
    assert estimate(0.25, np.full(100, 0.25), 9).p_value(threshold=0.25) == 1
    two = np.random.default_rng(80).choice([0.2, 0.2 + 1e-12], 100)
    assert estimate(0.2, two, 2).p_value() == 0.5
    for num_images in (2, 9, 48, 716, 5000):
        assert estimate(0.9, 0.9 + np.linspace(-1e-9, 1e-9, 100), num_images).p_value() > 0


def test_holm_on_the_worked_example():
    adjusted = bootstrap.holm(np.array([0.01, 0.04, 0.03, 0.005]))
    np.testing.assert_allclose(adjusted, [0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.one_of(st.floats(0, 1), st.just(np.nan)), max_size=12))
def test_holm_never_lowers_keeps_order_and_stays_below_bonferroni(p_values):
    p_values = np.array(p_values)
    adjusted, known = bootstrap.holm(p_values), ~np.isnan(p_values)
    assert (np.isnan(adjusted) == ~known).all()
    assert (adjusted[known] >= p_values[known]).all()
    assert (adjusted[known] <= np.minimum(1, known.sum() * p_values[known]) + 1e-12).all()
    order = np.argsort(p_values[known], kind="stable")
    assert (np.diff(adjusted[known][order]) >= 0).all()
