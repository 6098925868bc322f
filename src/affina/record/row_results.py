"""What a run writes down of single rows: the result of each without its text, and texts that a model wrote.

The type is frozen plain data, like all of `payloads`, which has it in its union. This module computes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

MOST_NUMBERS: Final = 1_000
CUT_OFF: Final = " [cut off]"
"""Stands behind a recorded text that the model had not ended."""
MASKS: Final = ("[e-mail]", "[IBAN]", "[card]", "[phone]")
"""Stand in recorded texts in the place of personal data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResults:
    """What one predictor made of each row of a split, without the texts: predictors are compared row by row with it."""

    who: str
    split: str
    rows: tuple[str, ...]
    """Eight hexadecimal digits for each row, of the SHA-256 of its text and what is expected of it."""
    values: dict[str, tuple[float, ...]]
    """Metric to each row's part in it: the metric is their mean."""
    parts: dict[str, tuple[tuple[float, ...], ...]] = field(default_factory=dict)
    """Metric that is no mean over rows to each row's share in the sums that it is made of (`reporting.paired`)."""
    expected: tuple[int, ...] = ()
    """The place of each row's class, where there are classes."""
    predicted: tuple[int, ...] = ()
    numbers: tuple[tuple[float, float], ...] = ()
    """Of a regression, up to `MOST_NUMBERS` rows drawn at random: the right number, and the predicted one."""

    def __post_init__(self) -> None:
        """Refuse results that are not of the same rows.

        Raises:
            ValueError: lists of different lengths, or the place of no class.
        """
        columns = [*self.values.values(), *(part for parts in self.parts.values() for part in parts)]
        columns += [places for places in (self.expected, self.predicted) if places]
        if any(len(column) != len(self.rows) for column in columns) or len(self.expected) != len(self.predicted):
            raise ValueError(f"results of other rows than the {len(self.rows)} that are named")
        if min((*self.expected, *self.predicted), default=0) < 0:
            raise ValueError("the place of a class below 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenTexts:
    """What one predictor wrote for some rows of a split, in the same order for every predictor, long texts cut."""

    who: str
    split: str
    texts: tuple[str, ...]
