"""What a probe of a risk is, and when a figure is held to be too high.

A probe looks at the model under the method's `as_it_came()`, where it needs that, and then at the tuned one. Its first
figure decides, and more of it is worse: it is flagged where its whole interval lies above the limit. A run at the limit
is so flagged by chance in half of what the interval leaves out (2.5% for the usual 95%), one below it less
often. This module measures nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from affina.errors import NonFiniteError, Problem
from affina.evaluation.intervals import Measure, bootstrap
from affina.evaluation.judging.base import Sampling
from affina.record.figures import LEAST_ROWS, Measured
from affina.record.risks import Figure, Outcome, Risk


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a probe found; see `record.risks.Probed`.

    Attributes:
        at: what is found beside another limit, where more than the first figure depends on it.
    """

    outcome: Outcome
    limit: float | None = None
    figures: tuple[Figure, ...] = ()
    why: str = ""
    said: str = ""
    notes: tuple[str, ...] = ()
    at: Callable[[float], Found] | None = field(default=None, compare=False)


class Probe(Protocol):
    """A probe of a run that is trained."""

    @property
    def risk(self) -> Risk:
        """Of what."""
        ...

    @property
    def name(self) -> str:
        """In words."""
        ...

    @property
    def needs_base(self) -> bool:
        """Whether it looks at the model as it came."""
        ...

    def before(self) -> None:
        """Look at the model as it came; called only where it is needed."""
        ...

    def after(self) -> Found:
        """Look at the model as it is now; asked for each candidate of a search, after one `before`."""
        ...


def held_to(found: Found, budget: float) -> Found:
    """What a probe found, with a budget in the place of its limit; what settles nothing stays that."""
    if found.limit is None or found.why or not found.figures:
        return found
    if found.at is not None:
        return found.at(budget)
    outcome = outcome_of(found.figures[0].found, budget)
    return replace(found, limit=budget, outcome=outcome)


def outcome_of(decisive: Measured, limit: float) -> Outcome:
    """What a figure comes to beside its limit."""
    if decisive.n < LEAST_ROWS:
        return "few"
    if decisive.low > limit:
        return "flagged"
    return "within" if decisive.high <= limit else "open"


def with_intervals(measure: Measure, rows: int, sampling: Sampling) -> list[Measured]:
    """The figures of `measure` with their intervals over the rows.

    Raises:
        NonFiniteError: a figure over all rows, or an end, is no number: a verdict cannot be made of it.
    """
    _check(measure(np.ones(rows)).tolist())
    found = resampled(measure, rows, sampling)
    _check([end for one in found for end in (one.low, one.high)])
    return found


def resampled(measure: Measure, rows: int, sampling: Sampling) -> list[Measured]:
    """The same of figures that rows may be unable to tell, such as a correlation with what never changes: 0, then."""
    found = bootstrap(measure, rows, resamples=sampling.resamples, confidence=sampling.confidence, seed=sampling.seed)
    ends = zip(*(np.asarray(part).tolist() for part in found), strict=True)
    return [Measured(value=value, low=least, high=most, n=rows) for value, least, most in ends]


def _check(figures: Sequence[float]) -> None:
    if not np.isfinite(figures).all():
        raise NonFiniteError(
            Problem(
                where="the figures of this probe",
                expected="finite numbers",
                found="infinity, or what is not a number",
                fix="use another model; where training made it so, train again with a lower train.learning_rate",
            )
        )
