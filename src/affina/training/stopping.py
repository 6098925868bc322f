"""Early stopping: which evaluation was the best, and whether to go on.

The whole state is plain data, saved with every checkpoint, so that a resumed run stops at the same step.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(slots=True)
class EarlyStopping:
    """Watches one metric.

    Attributes:
        higher_is_better: the metric's direction.
        patience: evaluations in a row without an improvement before stopping; None never stops.
        min_delta: the least change that counts for patience; any change counts for which weights are the best.
        best: the best value so far, or None before the first evaluation.
        best_loss: the loss of that evaluation, which decides between equal values: few rows make ties frequent.
        best_step: the step of that evaluation.
        reference: the value that patience counts from.
        waited: evaluations since then.
        latest: the value of the last evaluation, or None before the first.
        latest_loss: its loss.
    """

    higher_is_better: bool
    patience: int | None
    min_delta: float = 0.0
    best: float | None = None
    best_loss: float = math.inf
    best_step: int = 0
    reference: float | None = None
    waited: int = 0
    latest: float | None = None
    latest_loss: float = math.inf

    def update(self, value: float, *, step: int, loss: float = math.inf) -> bool:
        """Take one evaluation into account; True if it is the best so far."""
        self.latest, self.latest_loss = value, loss
        if self._gain(value, over=self.reference) > self.min_delta:
            self.reference, self.waited = value, 0
        else:
            self.waited += 1
        gain = self._gain(value, over=self.best)
        if gain < 0 or (gain == 0 and loss >= self.best_loss):
            return False
        self.best, self.best_loss, self.best_step = value, loss, step
        return True

    def _gain(self, value: float, *, over: float | None) -> float:
        if over is None:
            return math.inf
        return value - over if self.higher_is_better else over - value

    @property
    def is_over(self) -> bool:
        """Whether patience has run out."""
        return self.patience is not None and self.waited >= self.patience

    def state(self) -> dict[str, Any]:
        """Everything that `update` and `is_over` depend on."""
        return asdict(self)
