"""What it takes to ask an untouched language model for labels. This module computes nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineCost:
    """What it takes to ask an untouched language model for labels.

    Attributes:
        size: bytes that are held for it beside the run's own model.
        tokens: that are read.
        beside: it is a second model, and is left out where there is no memory for it.
    """

    size: int
    tokens: int
    beside: bool
