import numpy as np
import pytest

from face_occlusion.evaluation.calibration import (
    NUM_BINS,
    calibration_counts,
    expected_calibration_error,
)


def test_bins_hold_pixels_probabilities_and_faces():
    probability = np.array([[0.0, 0.05, 0.95], [1.0, 0.5, 0.7]], np.float32)
    target = np.array([[0, 1, 1], [1, 255, 0]], np.uint8)
    counts = calibration_counts(probability, target)
    assert counts.shape == (NUM_BINS, 3)
    np.testing.assert_allclose(counts[0], [2, 0.05, 1], atol=1e-6)
    np.testing.assert_allclose(counts[9], [2, 1.95, 2], atol=1e-6)
    assert counts[5].tolist() == [0, 0, 0]  # the ignored pixel


def test_error_is_zero_for_honest_probabilities_and_large_for_overconfident_ones():
    rng = np.random.default_rng(3)
    probability = rng.random((400, 500)).astype(np.float32)
    target = (rng.random((400, 500)) < probability).astype(np.uint8)
    assert expected_calibration_error(calibration_counts(probability, target)) < 0.01
    overconfident = np.where(probability > 0.5, 0.99, 0.01).astype(np.float32)
    error = expected_calibration_error(calibration_counts(overconfident, target))
    assert error == pytest.approx(0.24, abs=0.02)


def test_error_without_pixels_is_nan():
    assert np.isnan(expected_calibration_error(np.zeros((NUM_BINS, 3))))
