import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from face_occlusion.evaluation import metrics
from face_occlusion.evaluation.bootstrap import (
    Resampled,
    estimate,
    estimate_sum,
    holm,
    resample_weights,
)


def draw_counts(rng, num_images, skill):
    """Draw per-image counts whose error share differs much from image to image."""
    size = rng.integers(500, 4000, num_images)
    faces = (size * rng.uniform(0.2, 0.6, num_images)).astype(int)
    wrong = rng.beta(1.2, 8, num_images) * (1 - skill)
    missed = rng.binomial(faces, wrong)
    extra = rng.binomial(size - faces, wrong / 2)
    return np.stack([size - faces - extra, extra, missed, faces - missed], axis=1)


def test_weights_draw_as_many_images_as_there_are():
    weights = resample_weights(7, 50, np.random.default_rng(1))
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()
    np.testing.assert_array_equal(weights, resample_weights(7, 50, np.random.default_rng(1)))
    with pytest.raises(ValueError, match="at least 1"):
        resample_weights(0, 50, np.random.default_rng(1))


@pytest.mark.parametrize("num_images", [8, 48])
def test_interval_of_a_score_covers_the_truth_as_often_as_it_says(num_images):
    rng = np.random.default_rng(10)
    truth = float(metrics.mean_iou(draw_counts(rng, 200_000, 0.2).sum(axis=0)))
    covered = 0
    for _ in range(400):
        counts = draw_counts(rng, num_images, 0.2)
        weights = resample_weights(num_images, 400, rng)
        resampled = metrics.mean_iou(weights @ counts)
        value = float(metrics.mean_iou(counts.sum(axis=0)))
        interval = estimate(value, resampled, num_images, 0.9)
        covered += interval.low <= truth <= interval.high
    assert 0.85 <= covered / 400 <= 0.96  # 90 % nominal


def test_interval_of_a_paired_difference_covers_and_is_narrower_than_unpaired():
    rng = np.random.default_rng(20)
    covered, false_alarms, paired, unpaired = 0, 0, [], []
    for _ in range(300):
        first = draw_counts(rng, 40, 0.2)
        # The second run errs alike on each image but for noise of its own: no true difference.
        flips = rng.binomial(first[:, 2:3], 0.1) - rng.binomial(first[:, 2:3], 0.1)
        second = np.maximum(first + flips * np.array([0, 0, 1, -1]), 0)
        weights = resample_weights(40, 300, rng)
        resampled = [metrics.mean_iou(weights @ counts) for counts in (first, second)]
        values = [float(metrics.mean_iou(counts.sum(axis=0))) for counts in (first, second)]
        interval = estimate(values[0] - values[1], resampled[0] - resampled[1], 40, 0.9)
        covered += interval.low <= 0 <= interval.high
        false_alarms += interval.p_value() < 0.1
        paired.append(interval.high - interval.low)
        unpaired.append(np.ptp(np.quantile(resampled[0], [0.05, 0.95])))
    assert 0.85 <= covered / 300 <= 0.96
    assert 0.04 <= false_alarms / 300 <= 0.16
    assert np.mean(paired) < 0.5 * np.mean(unpaired)


def draw_images(rng):
    return rng.normal(0, 0.1, 30)  # of differing difficulty


def draw_cell(rng, images, num_seeds, weights, base=0.0):
    """Draw a cell: seeds of differing luck on some images, noise of each."""
    luck = rng.normal(0, 0.05, (num_seeds, 1))
    scores = base + images + luck + rng.normal(0, 0.05, (num_seeds, len(images)))
    return Resampled(values=scores.mean(axis=1), resamples=scores @ weights.T / weights.sum(axis=1))


@pytest.mark.parametrize("num_seeds", [2, 3, 6])
def test_interval_over_seeds_and_images_covers_as_often_as_it_says(num_seeds):
    rng = np.random.default_rng(30 + num_seeds)
    covered, over_images_alone = 0, 0
    for _ in range(500):
        weights = resample_weights(30, 200, rng)
        cell = draw_cell(rng, draw_images(rng), num_seeds, weights)
        interval = estimate_sum([(1, cell)], 30, 0.9, rng)
        assert interval.num_seeds == num_seeds
        covered += interval.low <= 0 <= interval.high
        alone = estimate(cell.value, cell.mean, 30, 0.9)
        over_images_alone += alone.low <= 0 <= alone.high
    assert 0.84 <= covered / 500 <= 0.96  # 90 % nominal; two seeds fall a little short
    assert over_images_alone < covered - 25  # what leaving the seeds out would claim


def test_difference_over_seeds_covers_and_raises_few_false_alarms():
    rng = np.random.default_rng(50)
    covered = alarms = 0
    for _ in range(400):
        weights = resample_weights(30, 200, rng)
        images = draw_images(rng)
        first = draw_cell(rng, images, 3, weights, base=0.02)
        second = draw_cell(rng, images, 3, weights)
        interval = estimate_sum([(1, first), (-1, second)], 30, 0.9, rng)
        covered += interval.low <= 0.02 <= interval.high
        alarms += interval.p_value(0.02) < 0.1
    assert 0.86 <= covered / 400 <= 0.96
    assert 0.04 <= alarms / 400 <= 0.14


def test_seeds_are_resampled_with_the_variance_they_have():
    rng = np.random.default_rng(60)
    values = np.array([0.1, 0.2, 0.6])
    cell = Resampled(values=values, resamples=np.repeat(values[:, None], 40_000, axis=1))
    drawn = cell.drawn(rng)
    assert drawn.mean() == pytest.approx(values.mean(), abs=0.003)
    assert drawn.var() == pytest.approx(cell.seed_variance(), rel=0.03)
    assert cell.seed_variance() == pytest.approx(values.var(ddof=1) / 3)


def test_one_seed_gives_the_interval_over_images():
    rng = np.random.default_rng(70)
    cell = draw_cell(rng, draw_images(rng), 1, resample_weights(30, 300, rng))
    assert estimate_sum([(1, cell)], 30, 0.9, rng) == estimate(cell.value, cell.mean, 30, 0.9)


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
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.one_of(st.floats(0, 1), st.just(np.nan)), max_size=12))
def test_holm_never_lowers_keeps_order_and_stays_below_bonferroni(p_values):
    p_values = np.array(p_values)
    adjusted, known = holm(p_values), ~np.isnan(p_values)
    assert (np.isnan(adjusted) == ~known).all()
    assert (adjusted[known] >= p_values[known]).all()
    assert (adjusted[known] <= np.minimum(1, known.sum() * p_values[known]) + 1e-12).all()
    order = np.argsort(p_values[known], kind="stable")
    assert (np.diff(adjusted[known][order]) >= 0).all()
