"""Metrics of numbers: RMSE, MAE, R2, Pearson's r and Spearman's rho, with bootstrap intervals over the rows.

R2 is 1 minus the squared error over that of the mean of the same rows; Spearman's rho is Pearson's r of mid-ranks, of
the rows that a resample draws. A correlation with something that never changes is not defined, nor is R2 of numbers
that are all the same, nor anything beyond the range of 64-bit floats: those are named, and have no figure. How the
intervals are drawn is `intervals`'.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Final

import numpy as np

from affina.evaluation.intervals import Floats, Measure, bootstrap
from affina.record.figures import Measured
from affina.record.payloads import Scores

METRICS: Final = ("rmse", "mae", "r2", "pearson", "spearman")
"""In the order in which they are computed."""
_ROUNDING: Final = 1e-28
"""Of the square of the values: a smaller variance is that of rounding to 64 bits."""
_STILL: Final = 1e-12
"""Of the variance of the right numbers: predictions that vary less (by the rounding of float32) do not change."""


def quick(found: Floats, truth: Floats) -> dict[str, float]:
    """The metrics without intervals; what is not defined on these rows is left out."""
    figures = dict(zip(METRICS, _measure(found, truth, np.ones(len(truth))).tolist(), strict=True))
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def measure_of(found: Floats, truth: Floats) -> Measure:
    """How often each row counts to `METRICS`; what is not defined is not a number."""
    return partial(_measure, found, truth)


def score(  # noqa: PLR0913 - all named at the call
    found: Floats, truth: Floats, *, who: str, split: str, resamples: int, confidence: float, seed: int
) -> Scores:
    """All metrics with their intervals, and the names of those that are not defined on these rows.

    Args:
        found: [rows], the predicted numbers.
        truth: [rows].
        who: whose predictions these are.
        split: which rows these are.
        resamples: bootstrap draws.
        confidence: the level of the intervals.
        seed: decides the draws.
    """
    drawn = bootstrap(measure_of(found, truth), len(truth), resamples=resamples, confidence=confidence, seed=seed)
    known = quick(found, truth)
    figures = {
        name: Measured(value=value, low=low, high=high, n=len(truth))
        for name, value, low, high in zip(METRICS, *(part.tolist() for part in drawn), strict=True)
        if name in known
    }
    return Scores(who=who, split=split, metrics=figures, undefined=tuple(name for name in METRICS if name not in known))


def _measure(found: Floats, truth: Floats, weights: Floats) -> Floats:
    """Every figure where row i counts `weights[i]` times; what is not defined on these rows is not a number."""
    with np.errstate(over="ignore", invalid="ignore"):
        figures = _figures(found, truth, weights)
    return np.where(np.isfinite(figures), figures, np.nan)


def _figures(found: Floats, truth: Floats, weights: Floats) -> Floats:
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


def _correlation(found: Floats, truth: Floats, share: Floats) -> float:
    variances = _variance(found, share), _variance(truth, share)
    if not variances[0] > _STILL * variances[1] > 0:
        return float("nan")
    ours, theirs = np.sqrt(variances)  # the product of the squares may be beyond the range
    return float(share @ ((found - share @ found) / ours * ((truth - share @ truth) / theirs)))


def _ranks(values: Floats, weights: Floats) -> Floats:
    """The mid-rank of each value among rows that count `weights` times."""
    _, place = np.unique(values, return_inverse=True)
    counts = np.bincount(place, weights).astype(np.float64)
    return np.asarray((np.cumsum(counts) - counts + (counts + 1) / 2)[place])
