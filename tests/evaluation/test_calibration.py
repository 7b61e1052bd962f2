import numpy as np
import pytest

from face_occlusion.evaluation.calibration import (
    NUM_BINS,
    calibration_counts,
    expected_calibration_error,
)


def error_of(probability, target):
    return float(expected_calibration_error(calibration_counts(probability, target).ravel()))


def test_counts_equal_a_slow_loop_over_the_bins():
    rng = np.random.default_rng(9)
    probability = rng.beta(0.2, 0.3, (211, 307)).astype(np.float32)  # mostly near 0 and 1
    target = rng.choice(np.array([0, 1, 255], np.uint8), (211, 307))
    counts = calibration_counts(probability, target)
    for number in range(NUM_BINS):
        low, high = number / NUM_BINS, (number + 1) / NUM_BINS
        inside = (probability >= low) & ((probability < high) | (number == NUM_BINS - 1))
        inside &= target != 255
        assert counts[number, 0] == pytest.approx(inside.sum(), abs=1)  # a float on an edge
        total = probability[inside].sum(dtype=float)
        assert counts[number, 1] == pytest.approx(total, abs=1 + 5e-5 * inside.sum())
        assert counts[number, 2] == pytest.approx((inside & (target == 1)).sum(), abs=1)
    assert counts[:, 0].sum() == (target != 255).sum()


def test_bins_hold_pixels_probabilities_and_faces():
    probability = np.array([[0.0, 0.05, 0.95], [1.0, 0.5, 0.7]], np.float32)
    target = np.array([[0, 1, 1], [1, 255, 0]], np.uint8)
    counts = calibration_counts(probability, target)
    assert counts.shape == (NUM_BINS, 3)
    np.testing.assert_allclose(counts[0], [2, 0.05, 1], atol=1e-3)
    np.testing.assert_allclose(counts[9], [2, 1.95, 2], atol=1e-3)
    assert counts[5].tolist() == [0, 0, 0]  # the ignored pixel


def test_error_is_zero_for_honest_probabilities_and_large_for_overconfident_ones():
    rng = np.random.default_rng(3)
    probability = rng.random((400, 500)).astype(np.float32)
    target = (rng.random((400, 500)) < probability).astype(np.uint8)
    assert error_of(probability, target) < 0.01
    overconfident = np.where(probability > 0.5, 0.99, 0.01).astype(np.float32)
    assert error_of(overconfident, target) == pytest.approx(0.24, abs=0.02)


def test_error_without_pixels_is_nan():
    assert np.isnan(expected_calibration_error(np.zeros(3 * NUM_BINS)))
