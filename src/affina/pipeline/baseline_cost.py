"""What it takes to ask an untouched language model for labels or texts. This module computes nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineCost:
    """What it takes to ask an untouched language model for labels or texts.

    Attributes:
        size: bytes that are held for it beside the run's own model and what its evaluations hold.
        tokens: that go through the model forward.
        beside: it is a second model, and is left out where there is no memory for it.
    """

    size: int
    tokens: float
    beside: bool
