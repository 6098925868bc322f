"""Early stopping: which evaluation was the best, and whether to go on.

The whole state is plain data, saved with every checkpoint, so that a resumed run stops at the same step.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(slots=True)
class EarlyStopping:
    """Watches one metric.

    Attributes:
        higher_is_better: the metric's direction.
        patience: evaluations in a row without an improvement before stopping; None never stops.
        min_delta: the least change that counts as an improvement.
        best: the best value so far, or None before the first evaluation.
        best_step: the step of that evaluation.
        waited: evaluations since then.
    """

    higher_is_better: bool
    patience: int | None
    min_delta: float = 0.0
    best: float | None = None
    best_step: int = 0
    waited: int = 0

    def update(self, value: float, *, step: int) -> bool:
        """Take one evaluation into account; True if it is the best so far."""
        gain = 0.0 if self.best is None else (value - self.best) * (1 if self.higher_is_better else -1)
        if self.best is None or gain > self.min_delta:
            self.best, self.best_step, self.waited = value, step, 0
            return True
        self.waited += 1
        return False

    @property
    def is_over(self) -> bool:
        """Whether patience has run out."""
        return self.patience is not None and self.waited >= self.patience

    def state(self) -> dict[str, Any]:
        """Everything that `update` and `is_over` depend on."""
        return asdict(self)
