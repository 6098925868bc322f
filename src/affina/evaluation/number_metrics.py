"""Metrics of numbers: RMSE, MAE, R2, Pearson's r and Spearman's rho, with bootstrap intervals over the rows.

R2 is 1 minus the squared error over that of the mean of the same rows; Spearman's rho is Pearson's r of mid-ranks, of
the rows that a resample draws. A correlation with something that never changes cannot be told, and is 0. How the
intervals are drawn is `intervals`'.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np

from affina.evaluation.intervals import Floats, bootstrap
from affina.record.payloads import Measured, Scores

METRICS: Final = ("rmse", "mae", "r2", "pearson", "spearman")
"""In the order in which they are computed."""
_ROUNDING: Final = 1e-12
"""Of the square of the values: a smaller variance is that of rounding."""


def quick(found: Floats, truth: Floats) -> dict[str, float]:
    """The metrics without intervals; what these rows cannot tell is 0."""
    figures = np.nan_to_num(_measure(found, truth, np.ones(len(truth))))
    return dict(zip(METRICS, figures.tolist(), strict=True))


def score(  # noqa: PLR0913 - all named at the call
    found: Floats, truth: Floats, *, who: str, split: str, resamples: int, confidence: float, seed: int
) -> Scores:
    """All metrics with their intervals.

    Args:
        found: [rows], the predicted numbers.
        truth: [rows].
        who: whose predictions these are.
        split: which rows these are.
        resamples: bootstrap draws.
        confidence: the level of the intervals.
        seed: decides the draws.
    """
    measure = partial(_measure, found, truth)
    drawn = bootstrap(measure, len(truth), resamples=resamples, confidence=confidence, seed=seed)
    figures = [
        Measured(value=value, low=low, high=high, n=len(truth))
        for value, low, high in zip(*(part.tolist() for part in drawn), strict=True)
    ]
    return Scores(who=who, split=split, metrics=dict(zip(METRICS, figures, strict=True)))


def _measure(found: Floats, truth: Floats, weights: Floats) -> Floats:
    """Every figure where row i counts `weights[i]` times; what these rows cannot tell is not a number."""
    share = weights / weights.sum()
    errors = found - truth
    squared = float(share @ errors**2)
    variance = _variance(truth, share)
    return np.array(
        [
            np.sqrt(squared),
            share @ np.abs(errors),
            np.nan if variance == 0 else 1 - squared / variance,
            _correlation(found, truth, share),
            _correlation(_ranks(found, weights), _ranks(truth, weights), share),
        ]
    )


def _variance(values: Floats, share: Floats) -> float:
    centred = values - share @ values
    variance = float(share @ centred**2)
    return variance if variance > _ROUNDING * float(share @ values**2) else 0.0


def _correlation(one: Floats, other: Floats, share: Floats) -> float:
    spread = _variance(one, share) * _variance(other, share)
    if spread == 0:
        return float("nan")
    return float(share @ ((one - share @ one) * (other - share @ other))) / float(np.sqrt(spread))


def _ranks(values: Floats, weights: Floats) -> Floats:
    """The mid-rank of each value among rows that count `weights` times."""
    _, place = np.unique(values, return_inverse=True)
    counts = np.bincount(place, weights).astype(np.float64)
    return np.asarray((np.cumsum(counts) - counts + (counts + 1) / 2)[place])
