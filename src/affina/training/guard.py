"""The guard: what a loop does about losses and gradients that are not finite, or that run away.

A step that is not finite is skipped. Where that repeats, or the loss or the gradient's norm stays far outside what it
was before, the way back is advised: to the best weights, at a lower rate. The guard counts and judges; the loop acts.
Its state is plain data, saved with every checkpoint, so that a resumed run does what the uninterrupted one does.

Single values tell little: a batch of one hard row is an outlier in any healthy run. So what is judged is the median of
the last `RECENT` values, in the logarithm, against the highest running median so far; the spread is the median absolute
deviation (as in a robust form of ZClip's z-score of gradient norms, Kumar et al. 2025).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Final

MOST_IN_A_ROW: Final = 3
"""Skipped steps in a row that are no accident,"""
MOST_IN_WINDOW: Final = 5
"""and so many among the last `WINDOW` steps."""
WINDOW: Final = 50
"""Steps that are remembered."""
RECENT: Final = 9
"""The last steps, whose median is judged."""
LEAST: Final = 16
"""Values before these from which their spread is theirs to tell; until then it is that of the last ones."""
SIGMAS: Final = 3.0
"""Robust standard deviations of single values, in the logarithm, from which a median of `RECENT` is far outside: seven
of its own standard errors."""
SIGMA: Final = 1.4826
"""Median absolute deviations in a standard deviation, of a normal distribution."""
LOSS_TIMES: Final = 3.0
"""A loss below so many times what it was has not run away, however little it scattered."""
NORM_TIMES: Final = 30.0
"""The same of the gradient's norm, which the clipping and AdamW make harmless by itself."""
LEAST_LOSS: Final = 1.0
"""Nats (or squared deviations of the targets): a loss below that is no runaway, however low it was."""
LOWER: Final = 0.2
"""Times the rate, after each way back."""
MOST_REWINDS: Final = 3
"""After these a run that breaks again is ended."""
RAMP: Final = 10
"""Steps over which the rate rises again after a way back: the moments begin anew."""
_TINY: Final = 1e-12


@dataclass(slots=True)
class Running:
    """The running distribution of one positive figure, in the logarithm.

    Attributes:
        times: how many times the centre a value must be, at the least, to be far outside.
        recent: the last values.
        window: values before those, without the ones that were far outside.
        centre: the highest median that `window` has had.
    """

    times: float
    recent: list[float] = field(default_factory=list)
    window: list[float] = field(default_factory=list)
    centre: float | None = None

    def add(self, value: float) -> None:
        """Take one value into account."""
        self.recent.append(math.log(max(value, _TINY)))
        if len(self.recent) <= RECENT:
            return
        if not self._is_outside(old := self.recent.pop(0)):
            self.window = [*self.window, old][-WINDOW:]
        if len(self.window) >= LEAST:
            self.centre = max(median(self.window), -math.inf if self.centre is None else self.centre)

    @property
    def level(self) -> float | None:
        """The median of the last values; None before there are enough."""
        return math.exp(median(self.recent)) if len(self.recent) == RECENT else None

    @property
    def usual(self) -> float | None:
        """The highest running median before those; None before there are enough."""
        return None if self.centre is None else math.exp(self.centre)

    def is_far_outside(self) -> bool:
        """Whether the last values, in their median, are beyond what there was before."""
        return len(self.recent) == RECENT and self._is_outside(median(self.recent))

    def set_least(self, usual: float) -> None:
        """The centre is at least this: known from elsewhere, before there are values enough."""
        if math.isfinite(usual) and usual > 0:
            self.centre = max(math.log(usual), -math.inf if self.centre is None else self.centre)

    def _is_outside(self, value: float) -> bool:
        if self.centre is None:
            return False
        values = self.window if len(self.window) >= LEAST else self.recent
        middle = median(values)
        spread = SIGMA * median(abs(other - middle) for other in values)
        return value > self.centre + max(math.log(self.times), SIGMAS * spread)


@dataclass(slots=True)
class Guard:
    """Watches a loop's steps.

    Attributes:
        on: whether it does; if not, the first step that is not finite ends the run.
        rewinds: ways back so far.
        since: the step after the last of them, or 0.
        skipped: the steps among the last `WINDOW` that were skipped.
        losses: of the steps that were not.
        norms: their gradients' norms, before clipping.
    """

    on: bool = True
    rewinds: int = 0
    since: int = 0
    skipped: list[int] = field(default_factory=list)
    losses: Running = field(default_factory=lambda: Running(LOSS_TIMES))
    norms: Running = field(default_factory=lambda: Running(NORM_TIMES))

    @property
    def lowered(self) -> float:
        """The factor of the peak rates."""
        return LOWER**self.rewinds

    def factor(self, step: int) -> float:
        """The factor of the rate in a step, counted from 0: lowered by each way back, and rising anew after it."""
        rising = min(1.0, (step - self.since + 1) / (RAMP + 1)) if self.rewinds else 1.0
        return self.lowered * rising

    @property
    def is_spent(self) -> bool:
        """Whether there is no way back left."""
        return self.rewinds >= MOST_REWINDS

    def start(self, loss: float) -> None:
        """Told of the validation loss before any training: a loss is not far outside beside a higher one."""
        self.losses.set_least(loss)

    def skip(self, step: int) -> str | None:
        """Count a step that is skipped, from 1; why it is time to go back, if it is."""
        self.skipped = [*(other for other in self.skipped if other > step - WINDOW), step]
        if self.skipped[-MOST_IN_A_ROW:] == list(range(step - MOST_IN_A_ROW + 1, step + 1)):
            return f"{MOST_IN_A_ROW} steps in a row were not finite"
        if len(self.skipped) >= MOST_IN_WINDOW:
            return f"{len(self.skipped)} of the last {WINDOW} steps were not finite"
        return None

    def watch(self, loss: float, norm: float) -> str | None:
        """Count a step that was made; why it is time to go back, if it is.

        Args:
            loss: the window's mean loss.
            norm: the gradient's, before clipping; not finite where fp16's loss scaling skipped the step.
        """
        self.losses.add(loss)
        if math.isfinite(norm):
            self.norms.add(norm)
        level, usual = self.losses.level, self.losses.usual
        if level is None or usual is None or level < usual:
            return None
        if level > LEAST_LOSS and self.losses.is_far_outside():
            return f"the loss of the last {RECENT} steps is {level:.3g} in the median, far above the {usual:.3g} before"
        if self.norms.is_far_outside():
            return (
                f"the gradient's norm of the last {RECENT} steps is {self.norms.level:.3g} in the median, far above "
                f"the {self.norms.usual:.3g} before, and the loss does not fall"
            )
        return None

    def rewound(self, step: int) -> None:
        """Training goes back after a step: what was counted since is no longer so."""
        usual = self.losses.usual
        self.rewinds, self.since = self.rewinds + 1, step
        self.forget()
        if usual is not None:
            self.losses.set_least(usual)

    def forget(self) -> None:
        """Begin to count anew: what trains is another thing now."""
        self.skipped, self.losses, self.norms = [], Running(LOSS_TIMES), Running(NORM_TIMES)

    def state(self) -> dict[str, Any]:
        """Everything that it depends on, as JSON data."""
        return asdict(self)

    @classmethod
    def of(cls, state: dict[str, Any]) -> Guard:
        """What `state` gave."""
        return cls(**state | {"losses": Running(**state["losses"]), "norms": Running(**state["norms"])})
