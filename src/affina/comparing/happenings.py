"""What those who watch a comparison are told, as it happens: frozen, and nobody steers with it."""

from __future__ import annotations

from dataclasses import dataclass

from affina.record.compared import CandidateRun, RowsUsed, Rung


@dataclass(frozen=True, slots=True)
class Noticed:
    """A sentence for the user."""

    text: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The comparison begins, or goes on."""

    folder: str
    rows: RowsUsed
    runs: int
    """At the most."""
    before: int
    """Of them finished before."""


@dataclass(frozen=True, slots=True)
class Began:
    """A run begins: its number, of how many."""

    candidate: str
    seed: int
    number: int
    of: int


@dataclass(frozen=True, slots=True)
class Stepped:
    """A step of the run, of how many; `left` is the seconds of the whole comparison, where that can be told."""

    step: int
    of: int
    left: float | None


@dataclass(frozen=True, slots=True)
class Over:
    """A run is over; the rest as in `Stepped`, and its figure on the validation rows."""

    run: CandidateRun
    metric: str
    score: float | None
    left: float | None


@dataclass(frozen=True, slots=True)
class Halved:
    """A round of successive halving is over."""

    rung: Rung


Happening = Noticed | Opened | Began | Stepped | Over | Halved
