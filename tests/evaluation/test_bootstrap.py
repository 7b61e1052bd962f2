import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from face_occlusion.evaluation import metrics
from face_occlusion.evaluation.bootstrap import averaged, estimate, holm, pooled, resample_weights


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


def test_pooled_and_averaged_equal_a_slow_loop():
    rng = np.random.default_rng(2)
    counts = draw_counts(rng, 6, 0.2)
    weights = resample_weights(6, 9, rng)
    values = np.array([0.1, np.nan, 0.4, 0.5, 0.9, 0.2])
    for row, pool, mean in zip(
        weights, pooled(counts, weights, metrics.mean_iou), averaged(values, weights), strict=True
    ):
        drawn = np.repeat(np.arange(6), row.astype(int))
        assert pool == pytest.approx(float(metrics.mean_iou(counts[drawn].sum(axis=0))))
        assert mean == pytest.approx(np.nanmean(values[drawn]))


def test_averaged_over_nothing_is_nan():
    assert np.isnan(averaged(np.array([np.nan, 1.0]), np.array([[2.0, 0.0]])))[0]


@pytest.mark.parametrize("num_images", [8, 48])
def test_interval_of_a_score_covers_the_truth_as_often_as_it_says(num_images):
    rng = np.random.default_rng(10)
    truth = float(metrics.mean_iou(draw_counts(rng, 200_000, 0.2).sum(axis=0)))
    covered = 0
    for _ in range(400):
        counts = draw_counts(rng, num_images, 0.2)
        weights = resample_weights(num_images, 400, rng)
        resampled = pooled(counts, weights, metrics.mean_iou)
        value = float(metrics.mean_iou(counts.sum(axis=0)))
        margin = estimate(value, resampled, num_images, 0.9)
        covered += margin.low <= truth <= margin.high
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
        resampled = [pooled(counts, weights, metrics.mean_iou) for counts in (first, second)]
        values = [float(metrics.mean_iou(counts.sum(axis=0))) for counts in (first, second)]
        margin = estimate(values[0] - values[1], resampled[0] - resampled[1], 40, 0.9)
        covered += margin.low <= 0 <= margin.high
        false_alarms += margin.p_value() < 0.1
        paired.append(margin.high - margin.low)
        unpaired.append(np.ptp(np.quantile(resampled[0], [0.05, 0.95])))
    assert 0.85 <= covered / 300 <= 0.96
    assert 0.04 <= false_alarms / 300 <= 0.16
    assert np.mean(paired) < 0.5 * np.mean(unpaired)


def test_estimate_of_one_image_has_no_interval():
    margin = estimate(0.5, np.full(100, 0.5), 1)
    assert np.isnan([margin.low, margin.high, margin.error, margin.p_value()]).all()


def test_p_value_of_identical_runs_is_one_and_of_a_constant_gap_zero():
    assert estimate(0.0, np.zeros(100), 9).p_value() == 1
    assert estimate(0.25, np.full(100, 0.25), 9).p_value() == 0
    assert estimate(0.25, np.full(100, 0.25), 9).p_value(threshold=0.25) == 1


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
