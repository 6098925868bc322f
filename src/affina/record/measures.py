"""What each metric is: its name for the reader, which way is better, and whether it is a share of 1.

Everything that writes a metric or compares two of its values asks here, so that no two pages disagree. A metric that is
not here can be shown, but not ranked. This module computes none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric.

    Attributes:
        name: as a sentence has it.
        higher_is_better: the direction of an improvement; None where that is not known.
        is_share: between 0 and 1, and written as a percentage.
    """

    name: str
    higher_is_better: bool | None
    is_share: bool


MEASURES: Final = {
    "accuracy": Measure("accuracy", True, True),
    "macro_f1": Measure("macro-F1", True, True),
    "loss": Measure("loss", False, False),
    "calibration_error": Measure("calibration error", False, True),
}
"""By the key that records have, in the order in which they are shown."""


def measure(key: str) -> Measure:
    """The metric of that key; of one that is not known here, the key without its underscores is the name."""
    return MEASURES.get(key) or Measure(key.replace("_", " "), None, False)


def sign(key: str) -> int:
    """1 where more of the metric is better, -1 where less is, 0 where that is not known."""
    higher = measure(key).higher_is_better
    return 0 if higher is None else 1 if higher else -1
