"""How long a comparison still takes, from what its runs have taken so far. Early stopping makes it less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SOONEST: Final = 0.05
"""Of a run: before that its steps tell nothing about its length."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run: whose it is, its share of the budget, and the seconds that it took, if it is over."""

    candidate: str
    share: float
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Going:
    """The run that is on its way: how long so far, and how much of its steps that was, from 0 to 1."""

    candidate: str
    share: float
    seconds: float
    done: float


def time_left(over: Sequence[Piece], waiting: Sequence[Piece], going: Going | None) -> float | None:
    """Seconds; None while nothing tells.

    A run takes as long as others of its candidate, or of all of them where there are none, by their share of the
    budget.

    Args:
        over: runs that took their time in this comparison.
        waiting: runs that have not begun.
        going: the one in between.
    """
    known = [(piece.candidate, piece.seconds / piece.share) for piece in over if piece.seconds is not None]
    now = 0.0
    if going is not None:
        if going.done >= SOONEST:
            now = going.seconds * (1 - going.done) / going.done
            known.append((going.candidate, (going.seconds + now) / going.share))
        elif (usual := _usual(known, going.candidate)) is not None:
            now = max(0.0, usual * going.share - going.seconds)
        else:
            return None
    total = now
    for piece in waiting:
        usual = _usual(known, piece.candidate)
        if usual is None:
            return None
        total += usual * piece.share
    return total


def _usual(known: Sequence[tuple[str, float]], candidate: str) -> float | None:
    """The mean seconds of a whole run of a candidate."""
    own = [seconds for name, seconds in known if name == candidate] or [seconds for _, seconds in known]
    return sum(own) / len(own) if own else None
