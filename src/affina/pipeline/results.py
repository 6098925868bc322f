"""What a run's model came to, as the stages hand it on: types, which decide and measure nothing."""

from __future__ import annotations

from dataclasses import dataclass

from affina.evaluation.intervals import Measure
from affina.record.payloads import Sample, Scores
from affina.reporting.degenerate import Degenerate
from affina.training.control import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the tuned model reached on the rows that the report is about.

    Attributes:
        scores: all metrics.
        samples: rows drawn at random.
        worst: the rows that it was most wrong about.
    """

    scores: Scores
    samples: tuple[Sample, ...]
    worst: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a training that was worth nothing: how it ended, and what is wrong with most texts written."""

    outcome: Outcome
    wrong: Degenerate | None


@dataclass(frozen=True, slots=True)
class Rated:
    """What a model is worth on the validation rows that choose the checkpoint, row by row.

    Attributes:
        metric: the one figure of `measure`.
        rows: how many there are.
        measure: how often each row counts to the figure.
    """

    metric: str
    rows: int
    measure: Measure


def of_metric(measure: Measure, place: int) -> Measure:
    """The one figure at `place` of several."""
    return lambda weights: measure(weights)[place : place + 1]
