"""Early stopping: which evaluation's weights are kept, and whether to go on.

A few hundred validation rows cannot tell a lucky evaluation from a better model, while the later of two models has been
trained more, at a lower rate. So the later one is kept unless the earlier one is better by more than the rows' noise: a
rule in the spirit of the one-standard-error rule (Breiman et al. 1984, section 3.4.3), with two errors; docs/log.md has
what it was worth.

The whole state is plain data, saved with every checkpoint, so that a resumed run stops at the same step.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

CLEARLY_WORSE: Final = 2
"""Evaluations in a row that end a run whose model has got worse by more than the rows' noise."""
STILL: Final = 0.02
"""Of the lowest loss: an evaluation that falls further below it says that there is more to learn."""
ERRORS: Final = 2.0
"""Standard errors by which an earlier evaluation must be better to be kept."""


@dataclass(slots=True)
class EarlyStopping:
    """Watches one metric.

    "Best" is said of the weights that are kept.

    Attributes:
        higher_is_better: the metric's direction.
        patience: evaluations in a row without an improvement before stopping; None never stops.
        min_delta: the least change that counts for patience; any change counts for which weights are the best.
        rows: validation rows behind each value, which is a share of them; 0 for values without noise.
        best: the best value so far, or None before the first evaluation.
        best_loss: the loss of the evaluation that is kept; it decides between equal values.
        best_step: the step of the evaluation that is kept.
        reference: the value that patience counts from.
        waited: evaluations since then.
        start_loss: the loss of the first evaluation, before any training.
        worse: trained evaluations in a row that were worse than the best trained one by more than the noise.
        since: no evaluation up to this step can end the run: not all that trains has begun to.
        counted: evaluations after that.
        latest: the value of the last evaluation, or None before the first.
        latest_loss: its loss.
        least_loss: the lowest loss of any evaluation.
        falling: whether the last evaluation brought that down by more than `STILL` of it.
        improving: whether the last value was better than all before it by more than noise: the rows', or, where that is
            not known, `STILL` of the best.
    """

    higher_is_better: bool
    patience: int | None
    min_delta: float = 0.0
    rows: int = 0
    best: float | None = None
    best_loss: float = math.inf
    best_step: int = 0
    reference: float | None = None
    waited: int = 0
    start_loss: float | None = None
    worse: int = 0
    since: int = 0
    counted: int = 0
    latest: float | None = None
    latest_loss: float = math.inf
    least_loss: float = math.inf
    falling: bool = False
    improving: bool = False

    def update(self, value: float, *, step: int, loss: float = math.inf) -> bool:
        """Take one evaluation into account; True if its weights are to be kept."""
        self.start_loss = loss if self.latest is None else self.start_loss
        self.latest, self.latest_loss = value, loss
        self.counted += step > self.since
        self.falling = math.isfinite(self.least_loss) and loss < (1 - STILL) * self.least_loss
        self.least_loss = min(self.least_loss, loss)
        if self._gain(value, over=self.reference) > self.min_delta:
            self.reference, self.waited = value, 0
        else:
            self.waited += 1
        gain = self._gain(value, over=self.best)
        noise = self._noise() if self.rows > 0 else STILL * abs(self.best or 0.0)
        self.improving = self.best is not None and gain > noise
        clearly = self.rows > 0 and self.best_step > 0 and gain < -self._noise()
        self.worse = self.worse + 1 if clearly else 0
        # The untrained start is no earlier model of the same kind: it is passed only by something better, which of as
        # many right is a lower loss.
        lower = self.best_step > 0 or loss < self.best_loss
        as_good = self.rows > 0 and lower and gain >= -self._noise()
        if not (gain > 0 or as_good or (gain == 0 and loss < self.best_loss)):
            return False
        self.best = value if gain > 0 else self.best
        self.best_loss, self.best_step = loss, step
        return True

    def _noise(self) -> float:
        """Two standard errors of a share (of macro-F1 that is an approximation)."""
        share = min(1.0, max(0.0, self.best or 0.0))
        return ERRORS * math.sqrt(share * (1 - share) / self.rows)

    def _gain(self, value: float, *, over: float | None) -> float:
        if over is None:
            return math.inf
        return value - over if self.higher_is_better else over - value

    def rewound(self) -> None:
        """The weights are those of the best evaluation again: what was seen after it counts against nothing."""
        self.waited, self.worse = min(self.waited, 1), 0

    @property
    def is_over(self) -> bool:
        """Whether patience has run out, or the model has clearly been getting worse."""
        waited, worse = min(self.waited, self.counted), min(self.worse, self.counted)
        return self.patience is not None and (waited >= self.patience or worse >= CLEARLY_WORSE)

    def state(self) -> dict[str, Any]:
        """Everything that `update` and `is_over` depend on."""
        return asdict(self)
