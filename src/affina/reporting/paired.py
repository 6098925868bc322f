"""Two predictors on the same rows: their difference row by row, with its bootstrap interval, and McNemar's test.

Intervals of the two apart can overlap although one predictor is nearly always the better one; the rows that both saw
tell it (Dietterich 1998). Rows are drawn with replacement, the same ones for both (Efron & Tibshirani 1993, chapter
13); McNemar's test is the exact one, two-sided. This module imports numpy where it computes: a page without two sets
of row results does not need it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from affina.record.figures import LEAST_ROWS, Measured
from affina.record.row_results import RowResults
from affina.reporting import text_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES: Final = 1_000
DRAWN: Final = 2**18
"""Rows that are drawn at once: 2 MiB of places, and a call of NumPy for many resamples instead of for each."""
CONFIDENCE: Final = 0.95
MACRO_F1: Final = "macro_f1"
"""Is computed here from the rows' classes."""
SHAPES: Final[Mapping[str, Callable[[list[float]], float]]] = {
    "micro_f1": lambda means: means[0] / means[1] if means[1] else 0.0,
    "rmse": lambda means: math.sqrt(means[0]),
    "loss": lambda means: means[0] / means[1] if means[1] else 0.0,
    "slot_error": lambda means: means[0] / means[1] if means[1] else 0.0,
    "slot_missed": lambda means: means[0] / means[1] if means[1] else 0.0,
    "slot_invented": lambda means: means[0] / means[1] if means[1] else 0.0,
    "perplexity": lambda means: math.exp(means[0] / means[1]) if means[1] else 0.0,
    "bits_per_byte": lambda means: means[0] / means[1] / math.log(2) if means[1] else 0.0,
    "chrf": text_scores.chrf,
    "bleu": text_scores.bleu,
}
"""Metric to what it is of the means of its parts (`RowResults.parts`)."""


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
    order = aligned(first, second)
    if order is None or not order[0]:
        return None
    if metric in first.values and metric in second.values:
        ours, theirs = (_values(one, metric, places) for one, places in zip((first, second), order, strict=True))
        if not all(map(math.isfinite, (ours.sum(), theirs.sum()))):
            return None
        return Paired(_mean_difference(ours - theirs, confidence), _discordant(ours, theirs), confidence)
    if metric in SHAPES and metric in first.parts and metric in second.parts:
        return Paired(_shaped_difference(first, second, metric, order=order, confidence=confidence), None, confidence)
    if metric == MACRO_F1 and first.expected and second.expected:
        return Paired(_f1_difference(first, second, order=order, confidence=confidence), None, confidence)
    return None


def against(tuned: RowResults, other: RowResults, metric: str, *, confidence: float = CONFIDENCE) -> Paired | None:
    """The same of a tuned model and a baseline, which may have been scored on some of its rows: then on these."""
    return paired(_on_rows_of(other, tuned), other, metric, confidence=confidence)


def _on_rows_of(part: RowResults, whole: RowResults) -> RowResults:
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


def aligned(first: RowResults, second: RowResults) -> tuple[list[int], list[int]] | None:
    """The places of the same rows in both; None where they were not scored on the same rows."""
    if len(first.rows) != len(second.rows):
        return None
    ours, theirs = (sorted(range(len(one.rows)), key=lambda place: one.rows[place]) for one in (first, second))
    same = all(first.rows[here] == second.rows[there] for here, there in zip(ours, theirs, strict=True))
    return (ours, theirs) if same else None


def shared_rows(first: RowResults, second: RowResults) -> int:
    """How many different rows both were scored on."""
    return len(set(first.rows) & set(second.rows))


def mcnemar(first: int, second: int) -> float:
    """The two-sided exact p-value where `first` and `second` rows speak for the one and for the other."""
    rows = first + second
    if not rows:
        return 1.0
    tail = sum(
        math.exp(math.lgamma(rows + 1) - math.lgamma(k + 1) - math.lgamma(rows - k + 1) - rows * math.log(2))
        for k in range(min(first, second) + 1)
    )
    return min(1.0, 2 * tail)


def _values(results: RowResults, metric: str, places: list[int]) -> NDArray[Any]:
    import numpy as np  # noqa: PLC0415 - see the module's docstring

    return np.asarray(results.values[metric])[places]


def _discordant(ours: NDArray[Any], theirs: NDArray[Any]) -> Discordant | None:
    import numpy as np  # noqa: PLC0415

    if not np.isin(np.concatenate([ours, theirs]), (0.0, 1.0)).all():
        return None
    first, second = int((ours > theirs).sum()), int((ours < theirs).sum())
    return Discordant(first, second, mcnemar(first, second))


def _mean_difference(differences: NDArray[Any], confidence: float) -> Measured:
    import numpy as np  # noqa: PLC0415

    generator, rows = np.random.default_rng(0), len(differences)
    at_once = max(1, DRAWN // rows)
    draws: list[float] = []
    while len(draws) < RESAMPLES:
        places = generator.integers(0, rows, (min(at_once, RESAMPLES - len(draws)), rows))
        draws += differences[places].mean(axis=1).tolist()
    return _measured(float(differences.mean()), draws, rows=rows, confidence=confidence)


def _shaped_difference(
    first: RowResults, second: RowResults, metric: str, *, order: tuple[list[int], list[int]], confidence: float
) -> Measured:
    import numpy as np  # noqa: PLC0415

    ours, theirs = (
        np.asarray(one.parts[metric])[:, places] for one, places in zip((first, second), order, strict=True)
    )
    shape, rows = SHAPES[metric], ours.shape[1]
    generator = np.random.default_rng(0)

    def difference(chosen: Any) -> float:
        return shape(ours[:, chosen].mean(axis=1).tolist()) - shape(theirs[:, chosen].mean(axis=1).tolist())

    draws = [difference(generator.integers(0, rows, rows)) for _ in range(RESAMPLES)]
    return _measured(difference(np.arange(rows)), draws, rows=rows, confidence=confidence)


def _f1_difference(
    first: RowResults, second: RowResults, *, order: tuple[list[int], list[int]], confidence: float
) -> Measured:
    import numpy as np  # noqa: PLC0415

    truth = np.asarray(first.expected)[order[0]]
    ours, theirs = np.asarray(first.predicted)[order[0]], np.asarray(second.predicted)[order[1]]
    classes, rows = int(max(truth.max(), ours.max(), theirs.max())) + 1, len(truth)
    generator = np.random.default_rng(0)

    def over(places: NDArray[Any]) -> float:
        mine, other = (_macro_f1(truth[places], said[places], classes) for said in (ours, theirs))
        return mine - other

    draws = [over(generator.integers(0, rows, rows)) for _ in range(RESAMPLES)]
    return _measured(over(np.arange(rows)), draws, rows=rows, confidence=confidence)


def _macro_f1(truth: NDArray[Any], said: NDArray[Any], classes: int) -> float:
    """Over the classes that occur among either, as `evaluation.metrics` has it."""
    import numpy as np  # noqa: PLC0415

    right = np.bincount(truth[truth == said], minlength=classes)
    either = np.bincount(truth, minlength=classes) + np.bincount(said, minlength=classes)
    return float((2 * right[either > 0] / either[either > 0]).mean())


def _measured(value: float, draws: list[float], *, rows: int, confidence: float) -> Measured:
    import numpy as np  # noqa: PLC0415

    low, high = np.percentile(draws, (50 * (1 - confidence), 50 * (1 + confidence)))
    return Measured(value=value, low=float(low), high=float(high), n=rows)
