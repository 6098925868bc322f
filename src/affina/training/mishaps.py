"""What went wrong in a step, in words: the records and the error of a loop that skipped, went back, split or ended.

Owns the words alone; when that happens is the loop's and the guard's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from affina.errors import NonFiniteError, Problem
from affina.record.guarding import BatchesSplit, Rewound, Skipped
from affina.record.payloads import Event
from affina.training.guard import MOST_REWINDS, RAMP, Guard

MOST_SHOWN: Final = 5
"""Rows that a sentence names; the record has them all."""


def skipped(step: int, what: str, value: float, places: Sequence[str]) -> Skipped:
    """The record of a step that was not finite.

    Args:
        step: counted from 1.
        what: was not finite.
        value: what it was.
        places: the address of every row in the step.
    """
    text = f"skipped: {what} is {value} with {shown(places)}; weights and moments are as they were"
    return Skipped(step=step, what=what, value=str(value), rows=tuple(places), text=text)


def rewound(step: int, guard: Guard, *, to_step: int, cause: str) -> Rewound:
    """The record of a way back that the guard has counted."""
    whence = f"the best weights so far, of step {to_step}" if to_step else "the weights that training began with"
    text = (
        f"{cause}: back to {whence}, and on with the next rows at {guard.lowered:.3g} times the planned rates, over "
        f"{RAMP} steps from nothing ({guard.rewinds} of at most {MOST_REWINDS} times; train.guard=false forbids that)"
    )
    return Rewound(step=step, to_step=to_step, cause=cause, number=guard.rewinds, factor=guard.lowered, text=text)


def table_moves(step: int, name: str) -> Event:
    """The record of a table of embeddings of which all rows move from a step on, which was not expected."""
    text = f"all of {name} moves from here on: other rows than those of the training texts' tokens came to train"
    return Event(step=step, name="embeddings", text=text)


def batches_split(step: int, parts: int, said: str) -> BatchesSplit:
    """The record of a step that needed more memory than there was.

    Args:
        step: counted from 1.
        parts: of a micro-batch, from this step on.
        said: by the library that ran out.
    """
    text = (
        f"memory ran out ({said}): from here on each micro-batch is computed in {parts} parts, one after the other; "
        "what a step learns from is the same, and it is slower; dropout is drawn for each part"
    )
    return BatchesSplit(step=step, parts=parts, text=text)


def ended(found: str, places: Sequence[str], *, step: int, best_step: int, rate: float) -> NonFiniteError:
    """The error that ends a run.

    Args:
        found: what is not finite, or why there is no going on.
        places: the rows in the step, where rows are to be looked at.
        step: steps done.
        best_step: whose weights are kept.
        rate: the highest peak rate.
    """
    return NonFiniteError(
        Problem(
            where=f"step {step + 1}, with {shown(places)}" if places else f"after step {step}",
            expected="finite numbers",
            found=f"{found}; the best model so far (step {best_step}) is kept",
            fix="take a sound copy of the model, or another one"
            if step == 0 and not places
            else f"look at those rows; if they are sound, give a lower train.learning_rate (it peaked at {rate:g})",
        )
    )


def shown(places: Sequence[str]) -> str:
    """The first few rows, and how many more there are."""
    return "; ".join(places[:MOST_SHOWN]) + (
        f"; and {len(places) - MOST_SHOWN} more" if len(places) > MOST_SHOWN else ""
    )
