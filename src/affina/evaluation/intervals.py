"""Percentile bootstrap intervals over rows (Efron & Tibshirani 1993, chapter 13).

Rows are drawn with replacement as often as there are rows, and every figure is computed again on each draw. This module
does not know what the figures mean: it gets their computation as a function of how often each row counts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Measure = Callable[[Floats], Floats]
"""How often each row counts [rows] to the figures [figures]; one that these rows cannot tell is not a number."""


def bootstrap(
    measure: Measure, rows: int, *, resamples: int, confidence: float, seed: int
) -> tuple[Floats, Floats, Floats]:
    """The figures over all rows, and their intervals.

    A draw that cannot tell a figure (the recall of a label that was not drawn) is no observation of it. A figure that
    no draw can tell, or that not even all rows can, keeps its value at both ends; where the value itself cannot be
    told it is 0, as scikit-learn counts it. What a model gave that is no number is refused before (`predictions`).

    Args:
        measure: computes the figures.
        rows: how many rows there are.
        resamples: draws.
        confidence: the level of the intervals, between 0 and 1.
        seed: decides the draws.

    Returns:
        The values and the lower and upper ends, each [figures].
    """
    values, drawn = draws(measure, rows, resamples=resamples, seed=seed)
    values = untold_as_zero(values)
    return values, *ends(values, drawn, confidence=confidence)


def draws(measure: Measure, rows: int, *, resamples: int, seed: int) -> tuple[Floats, Floats]:
    """The figures over all rows [figures], and on each draw [resamples, figures], as they are.

    Args:
        measure: computes the figures.
        rows: how many rows there are.
        resamples: draws.
        seed: decides the draws.
    """
    generator = np.random.default_rng(seed)
    values = measure(np.ones(rows))
    drawn = np.empty((resamples, len(values)))
    for draw in drawn:
        draw[:] = measure(np.bincount(generator.integers(0, rows, rows), minlength=rows).astype(np.float64))
    return values, drawn


def untold_as_zero(values: Floats) -> Floats:
    """Figures, those that the rows cannot tell (no number is among their predictions) as 0; infinity stays infinity."""
    return np.where(np.isnan(values), 0.0, values)


def ends(values: Floats, drawn: Floats, *, confidence: float) -> tuple[Floats, Floats]:
    """The lower and upper ends [figures] of what was drawn [resamples, figures] for `values` [figures]."""
    never = np.isnan(drawn).all(axis=0)
    known = np.where(never, values, drawn)
    low, high = np.nanpercentile(known, (50 * (1 - confidence), 50 * (1 + confidence)), axis=0)
    return low, high
