"""Figures of several predictors on the same rows, and on rows and seeds drawn anew: what the intervals are made of.

Rows are drawn with replacement, the same ones for all predictors, so that differences between them are paired. Seeds
are drawn too, for each predictor by itself; since few seeds drawn from themselves differ too little, their part is
stretched (Rao & Wu 1988, section 2). This module knows no record's folder and judges nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affina.evaluation.intervals import Floats, draws, ends
from affina.record.figures import Measured
from affina.record.row_results import RowResults
from affina.reporting.paired import MACRO_F1, SHAPES

ROWS_SEED: Final = 0
SEEDS_SEED: Final = 1


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
        None where the metric cannot be told from results by row, or is no finite number.
    """
    runs = [(name, _figure_of(found, metric)) for name, several in results.items() for found in several]
    measures = [measure for _, measure in runs if measure is not None]
    if not measures or len(measures) < len(runs):
        return None
    rows = len(next(iter(results.values()))[0].rows)
    if not all(math.isfinite(measure(np.ones(rows))) for measure in measures):
        return None

    def figures(weights: Floats) -> Floats:
        return np.array([measure(weights) for measure in measures])

    values, drawn = draws(figures, rows, resamples=resamples, seed=ROWS_SEED)
    means: dict[str, float] = {}
    anew: dict[str, Floats] = {}
    generator = np.random.default_rng(SEEDS_SEED)
    for name in results:
        places = [place for place, (owner, _) in enumerate(runs) if owner == name]
        means[name] = float(values[places].mean())
        anew[name] = _over_seeds(drawn[:, places], generator)
    return Sampled(values=means, drawn=anew, rows=rows, confidence=confidence)


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


def _figure_of(found: RowResults, metric: str) -> Callable[[Floats], float] | None:
    """How often each row counts to the metric, in the order of the rows' names; None where rows do not tell it."""
    order = sorted(range(len(found.rows)), key=lambda place: found.rows[place])
    if not order:
        return None
    if metric in found.values:
        values = np.asarray(found.values[metric])[order]
        return lambda weights: float(weights @ values / weights.sum())
    if metric in SHAPES and metric in found.parts:
        parts, shape = np.asarray(found.parts[metric])[:, order], SHAPES[metric]
        return lambda weights: shape((parts @ weights / weights.sum()).tolist())
    if metric == MACRO_F1 and found.expected:
        return _macro_f1(np.asarray(found.expected)[order], np.asarray(found.predicted)[order])
    return None


def _macro_f1(truth: NDArray[Any], said: NDArray[Any]) -> Callable[[Floats], float]:
    """Over the classes that occur among either, as `evaluation.metrics` has it."""
    classes = int(max(truth.max(), said.max())) + 1
    right = (truth == said).astype(np.float64)

    def measure(weights: Floats) -> float:
        hits = np.bincount(truth, weights * right, classes)
        either = np.bincount(truth, weights, classes) + np.bincount(said, weights, classes)
        return float((2 * hits[either > 0] / either[either > 0]).mean())

    return measure
