"""What steers the training loop, and how it says that it ended.

Plain data: nothing here acts. What a recipe comes to is decided in `pipeline.training`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from affina.training.stages import Stage

CHECKPOINT_SECONDS = 60.0
"""Between checkpoints, at the least, where the recipe does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What guessing by the classes' shares reaches on the validation rows: the metric, and the loss in nats.

    Attributes:
        metric: see above.
        loss: see above.
        names: the model learns the classes' names too, which takes time: a loss that still falls is no stuck start.
    """

    metric: float
    loss: float
    names: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What steers the loop, all of it by name.

    Attributes:
        clip: the largest gradient norm, or None.
        metric: the name of the metric that chooses the best checkpoint.
        checkpoint_every: steps between checkpoints, or None for at evaluations and at most one in `checkpoint_seconds`.
        keep: how many of the last checkpoints stay.
        floor: a run that is no better than this at a quarter of its steps ends there; None lets it go on.
        stages: what trains from which step on; empty where all does, always.
        guard: whether steps that are not finite are skipped, and runaways turned back.
        snapshots: steps, of those after which is evaluated, whose weights are kept whatever they are worth.
        known: the metrics of the start, where they were measured before; None has them measured.
        parts: that each micro-batch is computed in from the start.
        checkpoint_seconds: see `checkpoint_every`; decides only when a checkpoint is written, never what is computed.
    """

    clip: float | None
    metric: str
    checkpoint_every: int | None
    keep: int
    floor: Floor | None = None
    stages: tuple[Stage, ...] = ()
    guard: bool = True
    snapshots: frozenset[int] = frozenset()
    known: Mapping[str, float] | None = None
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    parts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the loop ended.

    Attributes:
        steps: done.
        best_step: whose weights are kept.
        stopped: why it ended.
        improving: whether the last evaluation was better than all before it, by more than noise.
        falling: whether its loss was clearly below that of all before it.
        start_loss: on the validation rows, before any training.
        kept_loss: the same of the weights that are kept.
        rewinds: how often the guard turned the training back, at a lower rate from there on.
        rows: trained on.
        tokens: trained on.
        seconds: spent on that.
        epoch_seconds: wall seconds in an epoch of what this process did from its first step on, evaluations and writes
            included.
        epoch_cpu_seconds: the same of processor time.
    """

    steps: int
    best_step: int
    stopped: str
    improving: bool
    falling: bool
    start_loss: float
    kept_loss: float
    rewinds: int
    rows: int
    tokens: int
    seconds: float
    epoch_seconds: float | None
    epoch_cpu_seconds: float | None
