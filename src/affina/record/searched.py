"""What a run writes down of a search within budgets: a line for each candidate, and one for what it came to.

The types are frozen plain data, like all of `payloads`, which has them in its union. This module computes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from affina.record.figures import LEAST_ROWS, Measured
from affina.record.risks import Figure, Outcome, Risk


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A probe's figure of a candidate, held against a budget."""

    risk: Risk
    probe: str
    budget: float
    outcome: Outcome
    figure: Figure | None
    """The one that decides."""
    why: str = ""
    """Why it settles nothing."""
    said: str = ""
    """What the figure alone does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A candidate of the search: a model between the one as it came and the tuned one, or earlier weights."""

    step: int
    """Whose weights these are; on the line, those of its tuned end."""
    strength: float | None
    """How much of the change is in the model, 1 for all; None for weights of an earlier step, as they were."""
    metric: str
    score: Measured
    """On the validation rows that choose the checkpoint."""
    gain: Measured
    """Over the baseline, row by row; more is better whatever the metric's direction."""
    held: tuple[Held, ...]
    seconds: float

    @property
    def name(self) -> str:
        """What it is called."""
        return f"after step {self.step:,}" if self.strength is None else f"strength {self.strength:g}"

    @property
    def is_within(self) -> bool:
        """Whether every probe is within its budget, its whole interval."""
        return bool(self.held) and all(one.outcome == "within" for one in self.held)

    @property
    def gains(self) -> bool:
        """Whether the whole interval of its gain lies above zero."""
        return self.gain.n >= LEAST_ROWS and self.gain.low > 0

    @property
    def fits(self) -> bool:
        """Whether it may be exported."""
        return self.is_within and self.gains


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What a search within budgets came to."""

    budgets: dict[Risk, float]
    metric: str
    baseline: str
    """What gains are counted from, in words."""
    began: Measured
    """Its score, on the same rows as the candidates'."""
    exported: str | None
    """The name of the candidate that was exported; None where none fits."""
    why: str
    """Why that one, or why none."""
    unseen: bool
    """Whether the rows that the report is about had no part in the search."""
    notes: tuple[str, ...]
    candidates: int
    seconds: float
