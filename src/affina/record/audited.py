"""What the audit of the rows writes down beside its findings: what was looked at, and how the texts are made.

The types are frozen plain data, like all of `payloads`, which has them in its union. This module computes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

IN_PIECES: Final = "data.too_long (texts alone)"
"""The choice that says that texts are cut into pieces, which are then what is counted as rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that the audit looked for, whether it found any or not."""

    name: str
    rows: int
    """Rows that were looked at."""
    of: int
    """Rows that there are."""
    how: str
    """What was compared with what, and what was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """How long the texts of a split are: the shortest, five quantiles, the longest, and the sum."""

    split: str
    unit: str
    """characters, words or tokens; of the answers where these are texts."""
    rows: int
    least: int
    q05: int
    q25: int
    median: int
    q75: int
    q95: int
    most: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What a length limit cuts, over all splits."""

    limit: int
    rows: int
    tokens: int
    chosen: bool
    """Whether it is the limit of this recipe."""
    of: int = 0
    """The rows that were looked at, those among them that are left out later; 0 in the records of older versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A row as the model reads it."""

    where: str
    tokens: tuple[str, ...]
    trained: tuple[bool, ...]
    """Whether a token is itself a target of the training."""
    hidden: int
    """Tokens after these that are not shown."""
    target: str
    """What is trained beside the tokens: a class, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A training row whose label is probably wrong."""

    where: str
    label: str
    likely: str
    """The label that it looks like."""
    probability: float
    """Of that label, from a probe that was fitted without the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What was looked at in the rows and how they are made; what was found is `DataRead.findings`."""

    checks: tuple[Check, ...]
    lengths: tuple[Lengths, ...] = ()
    cuts: tuple[Cut, ...] = ()
    encoded: tuple[Encoded, ...] = ()
    """The first row that shows no personal data, or none."""
    suspects: tuple[Suspect, ...] = ()
    """The surest probable label errors, where they were looked for."""
    language: str = ""
    """The code of the language that the training rows look like; empty where that is not clear."""
