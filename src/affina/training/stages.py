"""What trains at which step: a run's stages, laid out before it starts.

A stage is found from the step alone, so that a resumed run is in the stage it was stopped in, and a checkpoint holds
nothing of it. Which stages a run has is not decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stretch of a run in which the same tensors train.

    Attributes:
        start: its first step, counted from 0.
        names: of the tensors that train in it.
        quiet: the modules that run before the first of them, without dropout.
        text: what it is, for the record.
    """

    start: int
    names: frozenset[str]
    quiet: tuple[str, ...]
    text: str


def stage_at(stages: Sequence[Stage], step: int) -> Stage | None:
    """The stage that `step` is in; None where a run has no stages.

    Args:
        stages: in their order; the first starts at 0.
        step: counted from 0.
    """
    return next((stage for stage in reversed(stages) if stage.start <= step), None)
