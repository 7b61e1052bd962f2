"""Confidence intervals of scores and of their differences, and Holm's correction.

The bootstrap draws images with replacement; a resample is a row of weights that says how often it
drew each image. Runs scored on one benchmark share these rows, so that their difference is paired:
an image that is hard for one is hard for the other. Where a cell of the table has several seeds,
each resample draws among them as well, for each cell independently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy import special  # scipy.stats takes a second to import


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A score or a difference of scores with its interval; fractions."""

    value: float
    low: float
    high: float
    error: float  # the bootstrap's standard error
    num_images: int
    num_seeds: int = 1
    freedom: float | None = None  # degrees of the t distribution; None: num_images - 1

    def p_value(self, threshold: float = 0.0) -> float:
        """Return the two-sided p-value of a true value of `threshold`; NaN without an interval.

        A t test with the bootstrap's standard error, because the share of resamples beyond the
        threshold cannot fall below 1 / num_resamples: too large to be significant after a
        correction for 100 tests. At least a sign test's 2 / 2^n, so that n images that agree
        closely prove no more than that they agree.
        """
        if np.isnan(self.error):
            return float("nan")
        distance = abs(self.value - threshold)
        if distance == 0:
            return 1.0
        freedom = self.num_images - 1 if self.freedom is None else self.freedom
        with np.errstate(divide="ignore"):
            by_error = 2 * special.stdtr(freedom, -np.divide(distance, self.error))
        least = max(2.0 ** (1 - self.num_images), np.finfo(float).tiny)
        return float(max(by_error, least))


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """A score of one cell with its resamples, one row for each seed."""

    values: np.ndarray  # (S,) the score of each seed's run on the images themselves
    resamples: np.ndarray  # (S, B) the same on each resample of the images

    def __sub__(self, other: Resampled) -> Resampled:
        """Return the difference of two scores of the same runs, on the same resamples."""
        values = self.values - other.values
        return Resampled(values=values, resamples=self.resamples - other.resamples)

    @property
    def value(self) -> float:
        """The score: the mean over the seeds."""
        return float(self.values.mean())

    @property
    def mean(self) -> np.ndarray:
        """(B,) the score of each resample of the images, averaged over the seeds as they are."""
        return self.resamples.mean(axis=0)

    def drawn(self, rng: np.random.Generator) -> np.ndarray:
        """Resample the seeds too: (B,), the second level of a hierarchical bootstrap.

        The mean of S resampled seeds varies too little, by the factor sqrt((S - 1) / S); its
        distance from the mean of all seeds is scaled by the inverse (Rao & Wu 1988). A single seed
        is not resampled.
        """
        num_seeds, num_resamples = self.resamples.shape
        if num_seeds == 1:
            return self.resamples[0]
        draws = rng.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), size=num_resamples)
        drawn = (draws.T * self.resamples).sum(axis=0) / num_seeds
        return self.mean + np.sqrt(num_seeds / (num_seeds - 1)) * (drawn - self.mean)

    def seed_variance(self) -> float:
        """Variance of the score from the choice of seeds; 0 for one seed, where it is unknown."""
        return float(self.values.var(ddof=1) / len(self.values)) if len(self.values) > 1 else 0.0


def resample_weights(num_images: int, num_resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Draw bootstrap resamples of images with replacement; ValueError below one of either.

    Returns (num_resamples, num_images) float64: how often each image was drawn; rows sum to
    num_images.
    """
    if num_images < 1 or num_resamples < 1:
        raise ValueError(
            f"num_images and num_resamples must be at least 1; got {num_images}, {num_resamples}"
        )
    shares = np.full(num_images, 1 / num_images)
    return rng.multinomial(num_images, shares, size=num_resamples).astype(float)


def estimate(
    value: float, resampled: np.ndarray, num_images: int, confidence: float = 0.95
) -> Estimate:
    """Turn resampled scores into an interval.

    Percentile interval, its tails widened for few images (the "expanded percentile" interval of
    Hesterberg 2015, section 5.3): the plain one is too narrow by the factor sqrt((n - 1) / n)
    and by using a normal for a t quantile.

    `value` is the score of the images themselves, `resampled` the (B,) scores of the resamples,
    where NaN (a resample without the class) is left out. With fewer than 2 images behind the score,
    bounds and error are NaN; `confidence` is the coverage, in (0, 1).
    """
    resampled = resampled[~np.isnan(resampled)]
    numbers = (float("nan"),) * 3
    if num_images > 1 and len(resampled):
        few, tail = _widening(num_images, confidence)
        numbers = (*np.quantile(resampled, [tail, 1 - tail]), few * resampled.std())
    low, high, error = map(float, numbers)
    return Estimate(value=float(value), low=low, high=high, error=error, num_images=num_images)


@cache
def _widening(num_images: int, confidence: float) -> tuple[float, float]:
    """Return the factor of the standard error and the tail of the percentile interval."""
    few = float(np.sqrt(num_images / (num_images - 1)))
    tail = special.ndtr(few * special.stdtrit(num_images - 1, (1 - confidence) / 2))
    return few, float(tail)


def estimate_sum(
    terms: Sequence[tuple[float, Resampled]],
    num_images: int,
    confidence: float,
    rng: np.random.Generator,
) -> Estimate:
    """Estimate a weighted sum of cells that share their resamples of the images.

    The terms are (weight, cell): one for a score, (1, a), (-1, b) for a difference; `num_images`
    are behind the cells, and `rng` draws the seeds where a cell has several. There the estimate has
    a t interval on the bootstrap's standard error, its degrees of freedom combined from those of
    the images and of the seeds.
    """
    value = sum(weight * cell.value for weight, cell in terms)
    num_seeds = min(len(cell.values) for _, cell in terms)
    seeds = [(weight**2 * cell.seed_variance(), len(cell.values) - 1) for weight, cell in terms]
    mean = np.sum([weight * cell.mean for weight, cell in terms], axis=0)
    over_images = estimate(value, mean, num_images, confidence)
    if not any(variance for variance, _ in seeds):
        return replace(over_images, num_seeds=num_seeds)
    drawn = np.sum([weight * cell.drawn(rng) for weight, cell in terms], axis=0)
    over_both = estimate(value, drawn, num_images, confidence)
    freedom = _satterthwaite([(over_images.error**2, num_images - 1), *seeds])
    half = float(special.stdtrit(freedom, (1 + confidence) / 2) * over_both.error)
    low, high = value - half, value + half
    return replace(over_both, low=low, high=high, num_seeds=num_seeds, freedom=freedom)


def _satterthwaite(parts: Sequence[tuple[float, int]]) -> float:
    """Degrees of freedom of a sum of (variance, freedom) parts (Satterthwaite 1946).

    It makes the interval wide where few seeds say how much seeds vary.
    """
    whole = sum(variance for variance, _ in parts)
    return float(whole**2 / sum(part**2 / freedom for part, freedom in parts if part > 0))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Adjust (K,) p-values in [0, 1] for many tests (Holm 1979); NaN stays NaN and is no test.

    A hypothesis whose adjusted value is below alpha is rejected at the family-wise level alpha.
    """
    p_values = np.asarray(p_values, dtype=float)
    adjusted = np.full_like(p_values, np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p_values[order] * factors))
    return adjusted
