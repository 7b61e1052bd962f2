"""Margins of scores and of differences: a paired bootstrap over images, and Holm's correction.

A resample is a row of weights, how often it drew each image. Two runs scored on one benchmark
share the rows, so that their difference is paired: a hard image is hard for both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

Score = Callable[[np.ndarray], np.ndarray]  # counts (..., 4) -> (...)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A score or a difference of scores with its interval; fractions."""

    value: float
    low: float
    high: float
    error: float  # the bootstrap's standard error
    num_images: int

    def p_value(self, threshold: float = 0.0) -> float:
        """Return the two-sided p-value of a true value of `threshold`; NaN without an interval.

        A t test with the bootstrap's standard error: the share of resamples beyond the threshold
        cannot fall below 1 / num_resamples, which no correction for 100 tests survives.
        """
        if np.isnan(self.error):
            return float("nan")
        distance = abs(self.value - threshold)
        if self.error == 0:
            return 1.0 if distance == 0 else 0.0
        return float(2 * stats.t.sf(distance / self.error, self.num_images - 1))


def resample_weights(num_images: int, num_resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Draw bootstrap resamples of `num_images` images with replacement.

    Returns:
        (num_resamples, num_images) float64: how often each image was drawn; rows sum to
        num_images.

    Raises:
        ValueError: If there is nothing to draw from.
    """
    if num_images < 1 or num_resamples < 1:
        raise ValueError(
            f"num_images and num_resamples must be at least 1; got {num_images}, {num_resamples}"
        )
    shares = np.full(num_images, 1 / num_images)
    return rng.multinomial(num_images, shares, size=num_resamples).astype(float)


def pooled(counts: np.ndarray, weights: np.ndarray, score: Score) -> np.ndarray:
    """Score each resample on its pooled counts.

    Args:
        counts: (N, 4) per image.
        weights: (B, N) of `resample_weights`.
        score: A score of `metrics`, (..., 4) -> (...).

    Returns:
        (B,) float64.
    """
    return score(weights @ np.asarray(counts, dtype=float))


def averaged(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of per-image values in each resample, leaving images of NaN out.

    Args:
        values: (N,) one value per image.
        weights: (B, N) of `resample_weights`.

    Returns:
        (B,) float64; NaN where a resample holds no image with a value.
    """
    present = ~np.isnan(values)
    drawn = weights @ present
    sums = weights @ np.where(present, values, 0)
    return np.divide(sums, drawn, out=np.full(len(weights), np.nan), where=drawn > 0)


def estimate(
    value: float, resampled: np.ndarray, num_images: int, confidence: float = 0.95
) -> Estimate:
    """Turn resampled scores into an interval.

    Percentile interval, its tails widened for few images (the "expanded percentile" interval of
    Hesterberg 2015, section 5.3): the plain one is too narrow by the factor sqrt((n - 1) / n)
    and by using a normal for a t quantile.

    Args:
        value: The score of the images themselves.
        resampled: (B,) scores of the resamples; NaN (a resample without the class) is left out.
        num_images: Images behind the score.
        confidence: Coverage, in (0, 1).

    Returns:
        The estimate; its bounds and error are NaN for fewer than 2 images.
    """
    resampled = resampled[~np.isnan(resampled)]
    low = high = error = float("nan")
    if num_images > 1 and len(resampled):
        few = np.sqrt(num_images / (num_images - 1))
        tail = stats.norm.cdf(few * stats.t.ppf((1 - confidence) / 2, num_images - 1))
        low, high = np.quantile(resampled, [tail, 1 - tail])
        error = few * resampled.std()
    return Estimate(
        value=float(value),
        low=float(low),
        high=float(high),
        error=float(error),
        num_images=num_images,
    )


def holm(p_values: np.ndarray) -> np.ndarray:
    """Adjust p-values for many tests (Holm 1979); NaN stays NaN and is not counted as a test.

    Args:
        p_values: (K,) in [0, 1].

    Returns:
        (K,) adjusted, in the same order: below alpha means refused at family-wise level alpha.
    """
    p_values = np.asarray(p_values, dtype=float)
    adjusted = np.full_like(p_values, np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p_values[order] * factors))
    return adjusted
