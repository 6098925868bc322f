"""What a run's learning rates should have been, and which given one is far from that, in words.

Owns the advice after a start that was stuck, a run that was worth nothing, or one that left the numbers. How a rate is
tested and enters a run is `rates`; when advice is asked for is not decided here.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from affina.pipeline.prepared import Prepared
from affina.pipeline.rates import (
    COST,
    HEAD_RATE,
    LEAST_STEPS,
    as_record,
    head_rate_beside,
    is_given,
    is_head_given,
    named,
    probe_rates,
)
from affina.pipeline.training import plan_of
from affina.recipe.resolve import rounded
from affina.record.journal import Journal
from affina.training.ramp import RangeTest

STEPS_OF_ADVICE: Final = 24
"""Of a test after a failed run, as far as that takes no longer than the run's own training."""
SPEAKS: Final = "that a range test on these rows speaks for"
CLOSE: Final = 2.0
"""An advised rate within this factor of the one that was stuck is no other rate."""
FAR: Final = 4.0
"""A given rate this many times above or below the advised one explains a run that was worth nothing."""


@dataclass(frozen=True, slots=True)
class Advice:
    """A rate to train with.

    Attributes:
        rate: the body's peak.
        whence: where it comes from, to be said after "which".
        found: the range test on the run's rows; None where there was none.
    """

    rate: float
    whence: str
    found: RangeTest | None = None

    @property
    def spoken(self) -> float | None:
        """The rate that the test speaks for, our prior left aside."""
        return None if self.found is None or self.found.rate is None else rounded(self.found.rate)


@dataclass(frozen=True, slots=True)
class Off:
    """A rate that is far from the advised one.

    Attributes:
        given: the rate, as `KEY=VALUE`.
        is_low: or it is high.
        better: what to write, as `KEY=VALUE`.
        whence: where that comes from, to be said after "which".
    """

    given: str
    is_low: bool
    better: str
    whence: str


def times_apart(rate: float, other: float) -> float:
    """How many times one rate is the other, 1 or more."""
    return max(rate / other, other / rate)


def advised(prepared: Prepared, journal: Journal) -> Advice:
    """The rate to train with, by a range test on the model as it stands, at its start; and where it comes from.

    The test is recorded: whoever reads the advice can see what it rests on. Where it would take longer than the run's
    training there is none, and the advice is our prior.
    """
    started, prior = time.perf_counter(), prepared.hyper.prior.value
    steps = min(STEPS_OF_ADVICE, int(plan_of(prepared).total_steps / COST))
    if steps < LEAST_STEPS:
        return Advice(rounded(prior), "is our prior")
    found = probe_rates(prepared, steps=steps)
    rate = rounded(found.meet(prior))
    journal.append(as_record(found, used=rate, seconds=time.perf_counter() - started))
    if found.rate is None:
        return Advice(rate, "is our prior", found)
    spoken = f"the {rounded(found.rate):g} {SPEAKS}"
    between = rate != rounded(found.rate)
    return Advice(rate, f"lies between {spoken} and our prior of {prior:g}" if between else f"is {spoken}", found)


def is_first(prepared: Prepared) -> bool:
    """Whether this is the first start: in a second one no rate is the given one."""
    return prepared.draws == prepared.recipe.seed


def body_off(prepared: Prepared, advice: Advice, *, by: float = FAR) -> Off | None:
    """The body's rate, given or ours, where it is so many times off the advised one."""
    rate = prepared.hyper.learning_rate.value
    if times_apart(advice.rate, rate) < by:
        return None
    given = f"{'the given ' if is_first(prepared) and is_given(prepared) else ''}{named(prepared, rate)}"
    return Off(given, rate < advice.rate, named(prepared, advice.rate), advice.whence)


def head_off(prepared: Prepared, body: float) -> Off | None:
    """A given rate of the head far from what a head has beside a body at the rate `body`."""
    if not is_head_given(prepared):
        return None
    rate, fits = prepared.hyper.head_learning_rate.value, head_rate_beside(prepared, body)
    if times_apart(fits.value, rate) < FAR:
        return None
    whence = f"is {fits.reason.partition(':')[0]}"
    return Off(f"the given {HEAD_RATE}={rate:g}", rate < fits.value, f"{HEAD_RATE}={fits.value:g}", whence)
