"""What a run writes down of a risk: one line for each probe, whether it was measured or why it was not.

The types are frozen plain data, like all of `payloads`, which has them in its union. This module computes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from affina.record.figures import Measured

Risk = Literal["overfitting", "forgetting", "bias"]
RISKS: Final[tuple[Risk, ...]] = ("overfitting", "forgetting", "bias")
Outcome = Literal["flagged", "within", "open", "few", "unmeasured"]
"""Above its limit by more than chance; at or below it by more than chance; not settled; measured on too few rows to
settle anything; not measured."""


TRAINING_ROWS: Final = "training rows"
VALIDATION_ROWS: Final = "validation rows"
UNTOUCHED: Final = "untouched model"
TUNED: Final = "tuned model"
PROBED: Final = "tuned model, by a linear probe"
DIFFERENCE: Final = "difference"
"""What a figure is of."""
REPRODUCED: Final = "answers written word for word"
"""The name of the probe of memorising."""
CANARIES: Final = "canaries"
"""That of random numbers among the training rows."""
SWAPS: Final = "identity terms swapped"
BY_GROUP: Final = "groups of people"
"""The names of the probes of bias."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of a probe."""

    metric: str
    """As `record.measures` names it."""
    of: str
    """What it is of: a side (`training rows`, `untouched model`), or the difference of the two; empty where the metric
    says it."""
    found: Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """A probe of a risk."""

    risk: Risk
    probe: str
    """Its name, in words."""
    outcome: Outcome
    limit: float | None = None
    """What the first figure is held against: more is worse."""
    is_budget: bool = False
    """Whether that is the recipe's budget."""
    figures: tuple[Figure, ...] = ()
    """The first one decides."""
    why: str = ""
    """Why it was not measured, or settles nothing whatever its figures."""
    said: str = ""
    """What the figure alone does not say, in the words that go with it."""
    notes: tuple[str, ...] = ()
    """What it was measured on, sentence by sentence."""
    seconds: float = 0.0
