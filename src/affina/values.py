"""Values that carry their reason: what Affina decides for the user is a `Resolved`, never a bare number.

This module knows no stage and holds no defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Resolved(Generic[T_co]):
    """A value and why it was chosen.

    Attributes:
        value: what the stages below use.
        reason: one sentence for the user, without a full stop: printed, recorded and shown in the report.
    """

    value: T_co
    reason: str
