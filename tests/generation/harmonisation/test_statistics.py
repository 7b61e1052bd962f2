"""Colour statistics: what they match, and how far they may go."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from face_occlusion.core.arithmetic import eigen
from face_occlusion.generation.harmonisation.statistics import (
    MAX_GAIN,
    MAX_SHIFT,
    mkl,
    reinhard,
    to_lab,
    to_rgb,
)


def cloud(seed, mean, spread, count=4000):
    mixing = np.eye(3) + 0.2 * np.random.default_rng(7).normal(size=(3, 3))
    return np.random.default_rng(seed).normal(0, spread, (count, 3)) @ mixing.T + mean


def test_lab_is_opencv_s_and_comes_back():
    colours = np.random.default_rng(0).uniform(0, 255, (500, 3))
    expected = cv2.cvtColor((colours[None] / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    np.testing.assert_allclose(to_lab(colours), expected, atol=0.5)  # OpenCV uses tables
    np.testing.assert_allclose(to_rgb(to_lab(colours)), colours, atol=1e-6)
    np.testing.assert_allclose(to_lab(np.full((1, 3), 255.0)), [[100, 0, 0]], atol=0.01)


def test_mkl_matches_mean_and_covariance_within_its_caps():
    foreground, background = cloud(1, 120, 20), cloud(2, 135, 25)
    moved = foreground + mkl(foreground, background)
    np.testing.assert_allclose(moved.mean(axis=0), background.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(np.cov(moved.T), np.cov(background.T), rtol=0.02, atol=8)


def test_reinhard_matches_mean_and_deviation_in_lab_within_its_caps():
    foreground, background = cloud(1, 120, 12), cloud(2, 135, 14)
    moved = to_lab(foreground + reinhard(foreground, background))
    wanted = to_lab(background)
    np.testing.assert_allclose(moved.mean(axis=0), wanted.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(moved.std(axis=0), wanted.std(axis=0), rtol=0.1)


@pytest.mark.parametrize("move", (mkl, reinhard))
def test_equal_statistics_change_nothing_and_a_plain_colour_stays_plain(move):
    colours = cloud(3, 128, 20)
    np.testing.assert_allclose(move(colours, colours), 0, atol=1e-6)
    change = move(np.full((50, 3), 90.0), cloud(4, 120, 30))
    np.testing.assert_allclose(change, np.tile(change[0], (50, 1)), atol=1e-6)
    assert np.isfinite(change).all()


@given(st.integers(0, 2**31))
def test_mkl_never_exceeds_its_caps(seed):
    rng = np.random.default_rng(seed)
    foreground = rng.normal(rng.uniform(0, 255, 3), rng.uniform(0, 90), (60, 3))
    background = rng.normal(rng.uniform(0, 255, 3), rng.uniform(0, 90), (60, 3))
    change = mkl(foreground, background)
    assert np.linalg.norm(change.mean(axis=0)) <= MAX_SHIFT + 1e-6
    away = np.linalg.norm(foreground - foreground.mean(axis=0), axis=1)
    stretched = np.linalg.norm(change - change.mean(axis=0), axis=1)
    assert (stretched <= away * (MAX_GAIN - 1) + 1e-6).all()


def test_eigenvectors_of_what_is_all_but_diagonal():
    matrix = np.diag([2.0, 2.0, 1.0])
    matrix[0, 1] = matrix[1, 0] = 1e-200  # its square is 0
    values, vectors = eigen(matrix)
    np.testing.assert_allclose((vectors * values) @ vectors.T, matrix, atol=1e-12)
