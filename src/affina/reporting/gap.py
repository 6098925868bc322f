"""One thing that was not measured, as the page and the card say it. This module finds none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gap:
    """One thing that was not measured.

    Attributes:
        what: the question that stays open.
        why: what the record has instead, or how to find out.
    """

    what: str
    why: str
