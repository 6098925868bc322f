"""Figures of several predictors on the same rows, and on rows and seeds drawn anew: what the intervals are made of.

Rows are drawn with replacement, the same ones for all predictors, so that differences between them are paired. Seeds
are drawn too, for each predictor by itself; since few seeds drawn from themselves differ too little, their part is
stretched (Rao & Wu 1988, section 2). This module knows no record's folder and judges nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from affina.evaluation.intervals import Floats, draws, ends
from affina.record.figures import Measured
from affina.record.row_results import RowResults
from affina.reporting.paired import figure_of

ROWS_SEED: Final = 0
SEEDS_SEED: Final = 1
Measure = Callable[[Floats], float]
"""How often each row counts [rows] to the figure of one run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """One metric of several predictors.

    Attributes:
        values: predictor to the mean over its seeds.
        drawn: predictor to the same on each draw [resamples].
        rows: how many there are.
        confidence: the level of the intervals.
    """

    values: Mapping[str, float]
    drawn: Mapping[str, Floats]
    rows: int
    confidence: float

    def figure(self, name: str) -> Measured:
        """A predictor's figure with its interval over rows and seeds."""
        return self._measured(self.values[name], self.drawn[name])

    def difference(self, name: str, other: str) -> Measured:
        """The first minus the second."""
        return self._measured(self.values[name] - self.values[other], self.drawn[name] - self.drawn[other])

    def _measured(self, value: float, drawn: Floats) -> Measured:
        low, high = ends(np.array([value]), drawn[:, None], confidence=self.confidence)
        return Measured(value=float(value), low=float(low[0]), high=float(high[0]), n=self.rows)


def sample(
    results: Mapping[str, Sequence[RowResults]], metric: str, *, resamples: int, confidence: float
) -> Sampled | None:
    """Draw rows and seeds.

    Args:
        results: predictor to the results of its runs, of one seed each, all of the same rows.
        metric: its key.
        resamples: draws.
        confidence: the level of the intervals.

    Returns:
        Without those whose results by row do not tell the metric, or whose figure is no finite number; None where
        nobody is left.
    """
    measures = {name: told for name, several in results.items() if (told := _measures(several, metric))}
    if not measures:
        return None
    rows = len(next(iter(results.values()))[0].rows)
    every = [measure for told in measures.values() for measure in told]

    def figures(weights: Floats) -> Floats:
        return np.array([measure(weights) for measure in every])

    values, drawn = draws(figures, rows, resamples=resamples, seed=ROWS_SEED)
    means: dict[str, float] = {}
    anew: dict[str, Floats] = {}
    generator = np.random.default_rng(SEEDS_SEED)
    place = 0
    for name, told in measures.items():
        seeds = slice(place, place + len(told))
        means[name] = float(values[seeds].mean())
        anew[name] = _over_seeds(drawn[:, seeds], generator)
        place = seeds.stop
    return Sampled(values=means, drawn=anew, rows=rows, confidence=confidence)


def _measures(several: Sequence[RowResults], metric: str) -> list[Measure]:
    """The figure of each run; none of them where one cannot be told."""
    found = [figure_of(one, metric) for one in several]
    told = [measure for measure in found if measure is not None]
    return told if len(told) == len(found) else []


def _over_seeds(drawn: Floats, generator: np.random.Generator) -> Floats:
    """The mean over seeds [resamples] of figures [resamples, seeds], with the seeds drawn anew as well."""
    resamples, seeds = drawn.shape
    mean: Floats = drawn.mean(axis=1)
    if seeds == 1:
        return mean
    chosen = generator.integers(0, seeds, (resamples, seeds))
    again = np.take_along_axis(drawn, chosen, axis=1).mean(axis=1)
    # a mean of n drawn from n varies by (n - 1) / n of what it should
    stretched: Floats = mean + math.sqrt(seeds / (seeds - 1)) * (again - mean)
    return stretched
