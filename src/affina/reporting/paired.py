"""Two predictors on the same rows: their difference row by row, with its bootstrap interval, and McNemar's test.

Intervals of the two apart can overlap although one predictor is nearly always the better one; the rows that both saw
tell it (Dietterich 1998). Rows are drawn with replacement, the same ones for both (Efron & Tibshirani 1993, chapter
13); McNemar's test is the exact one, two-sided. `figure_of` is a metric from row results, for whoever draws rows. This
module imports numpy where it computes: a page without two sets of row results does not need it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from affina.evaluation.chance import log_choices
from affina.record.figures import LEAST_ROWS, Measured
from affina.record.row_results import RowResults
from affina.reporting import text_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from affina.evaluation.intervals import Floats

RESAMPLES: Final = 1_000
CONFIDENCE: Final = 0.95
MACRO_F1: Final = "macro_f1"
"""Is computed here from the rows' classes."""


def _ratio(means: list[float]) -> float:
    """Of two sums; 0 where there is nothing to divide by."""
    return means[0] / means[1] if means[1] else 0.0


SHAPES: Final[Mapping[str, Callable[[list[float]], float]]] = {
    "micro_f1": _ratio,
    "rmse": lambda means: math.sqrt(means[0]),
    "loss": _ratio,
    "slot_error": _ratio,
    "slot_missed": _ratio,
    "slot_invented": _ratio,
    "slot_unjudged": _ratio,
    "perplexity": lambda means: math.exp(_ratio(means)) if means[1] else 0.0,
    "bits_per_byte": lambda means: _ratio(means) / math.log(2),
    "chrf": text_scores.chrf,
    "bleu": text_scores.bleu,
}
"""Metric to what it is of the means of its parts (`RowResults.parts`)."""
Order = tuple[list[int], list[int]]
"""The places of the same rows in two predictors' results."""


@dataclass(frozen=True, slots=True)
class Discordant:
    """The rows that exactly one of two predictors got right.

    Attributes:
        first: right by the first, wrong by the second.
        second: the reverse.
        p: the two-sided exact p-value of McNemar's test.
    """

    first: int
    second: int
    p: float


@dataclass(frozen=True, slots=True)
class Paired:
    """What the same rows say of two predictors.

    Attributes:
        difference: the metric of the first minus that of the second.
        discordant: for a metric that is right or wrong by row; None for another.
        confidence: the level of the interval.
    """

    difference: Measured
    discordant: Discordant | None
    confidence: float

    @property
    def enough(self) -> bool:
        """Whether there are rows enough for the interval to mean something."""
        return self.difference.n >= LEAST_ROWS

    @property
    def leaves_out_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return self.difference.low > 0 or self.difference.high < 0

    @property
    def settled(self) -> bool:
        """Whether the rows tell the two apart.

        The bootstrap is too sure of itself where few rows differ (4 of 20, all one way: an interval without zero, and a
        p of 0.125), so the exact test has to agree where there is one; and where there are few rows at all.
        """
        exact = self.discordant is None or self.discordant.p < 1 - self.confidence
        return self.enough and self.leaves_out_zero and exact


def paired(first: RowResults, second: RowResults, metric: str, *, confidence: float = CONFIDENCE) -> Paired | None:
    """Compare two predictors; None where their rows differ, or have no finite part in this metric.

    Args:
        first: row results.
        second: those of the other predictor.
        metric: its key.
        confidence: the level of the interval.
    """
    if aligned(first, second) is None:
        return None
    ours, theirs = figure_of(first, metric), figure_of(second, metric)
    if ours is None or theirs is None:
        return None
    difference = _difference(ours, theirs, rows=len(first.rows), confidence=confidence)
    return Paired(difference, discordant(first, second, metric), confidence)


def figure_of(found: RowResults, metric: str) -> Callable[[Floats], float] | None:
    """How often each row counts [rows] to the metric, in the order of the rows' names.

    None where results by row do not tell the metric, or where it is no finite number of all rows.
    """
    import numpy as np  # noqa: PLC0415 - see the module's docstring

    order = sorted(range(len(found.rows)), key=lambda place: found.rows[place])
    measure = _measure_of(found, metric, order) if order else None
    return measure if measure is not None and math.isfinite(measure(np.ones(len(order)))) else None


def _measure_of(found: RowResults, metric: str, order: list[int]) -> Callable[[Floats], float] | None:
    import numpy as np  # noqa: PLC0415

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
    import numpy as np  # noqa: PLC0415

    classes = int(max(truth.max(), said.max())) + 1
    right = (truth == said).astype(np.float64)

    def measure(weights: Floats) -> float:
        hits = np.bincount(truth, weights * right, classes)
        either = np.bincount(truth, weights, classes) + np.bincount(said, weights, classes)
        return float((2 * hits[either > 0] / either[either > 0]).mean())

    return measure


def against(tuned: RowResults, other: RowResults, metric: str, *, confidence: float = CONFIDENCE) -> Paired | None:
    """The same of a tuned model and a baseline, which may have been scored on some of its rows: then on these."""
    return paired(on_rows_of(other, tuned), other, metric, confidence=confidence)


def on_rows_of(part: RowResults, whole: RowResults) -> RowResults:
    """`whole` on the rows of `part`, where these are some of its own; else as it is."""
    places: dict[str, list[int]] = {}
    for place, row in enumerate(whole.rows):
        places.setdefault(row, []).append(place)
    if len(part.rows) >= len(whole.rows) or any(
        count > len(places.get(row, ())) for row, count in Counter(part.rows).items()
    ):
        return whole
    kept = [places[row].pop() for row in part.rows]
    return replace(
        whole,
        rows=part.rows,
        values={name: tuple(values[place] for place in kept) for name, values in whole.values.items()},
        parts={
            name: tuple(tuple(values[place] for place in kept) for values in parts)
            for name, parts in whole.parts.items()
        },
        expected=tuple(whole.expected[place] for place in kept) if whole.expected else (),
        predicted=tuple(whole.predicted[place] for place in kept) if whole.predicted else (),
    )


def aligned(first: RowResults, second: RowResults) -> Order | None:
    """The places of the same rows in both; None where they were not scored on the same rows."""
    if len(first.rows) != len(second.rows):
        return None
    ours, theirs = (sorted(range(len(one.rows)), key=lambda place: one.rows[place]) for one in (first, second))
    same = all(first.rows[here] == second.rows[there] for here, there in zip(ours, theirs, strict=True))
    return (ours, theirs) if same else None


def shared_rows(first: RowResults, second: RowResults) -> int:
    """How many different rows both were scored on."""
    return len(set(first.rows) & set(second.rows))


def discordant(first: RowResults, second: RowResults, metric: str) -> Discordant | None:
    """The rows that exactly one of two got right; None where their rows differ, or are not right or wrong in this."""
    order = aligned(first, second)
    if not order or not order[0] or metric not in first.values or metric not in second.values:
        return None
    mine, others = first.values[metric], second.values[metric]
    if not {*mine, *others} <= {0.0, 1.0}:
        return None
    ways = Counter(mine[here] - others[there] for here, there in zip(*order, strict=True))
    return Discordant(ways[1.0], ways[-1.0], mcnemar(ways[1.0], ways[-1.0]))


def mcnemar(first: int, second: int) -> float:
    """The two-sided exact p-value where `first` and `second` rows speak for the one and for the other."""
    rows = first + second
    if not rows:
        return 1.0
    tail = sum(math.exp(log_choices(rows, k) - rows * math.log(2)) for k in range(min(first, second) + 1))
    return min(1.0, 2 * tail)


def _difference(
    ours: Callable[[Floats], float], theirs: Callable[[Floats], float], *, rows: int, confidence: float
) -> Measured:
    """Of two figures of the same rows, with its interval over these."""
    import numpy as np  # noqa: PLC0415

    from affina.evaluation.intervals import bootstrap  # noqa: PLC0415

    def apart(weights: Floats) -> Floats:
        return np.array([ours(weights) - theirs(weights)])

    value, low, high = bootstrap(apart, rows, resamples=RESAMPLES, confidence=confidence, seed=0)
    return Measured(value=float(value[0]), low=float(low[0]), high=float(high[0]), n=rows)
