"""The lines of a record by kind, as the page asks for them; where a line was written again, the last one counts.

This module reads no file and writes no number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from affina.record.audited import Audited
from affina.record.payloads import (
    Chosen,
    DataRead,
    Evaluated,
    Event,
    Finished,
    ModelLoaded,
    Payload,
    Scores,
    Started,
    Step,
)

Kind = TypeVar("Kind", bound=Payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """A run's record; what it has not reached yet is None or empty."""

    started: tuple[Started, ...]
    chosen: dict[str, Chosen]
    data: DataRead | None
    audited: Audited | None
    model: ModelLoaded | None
    scores: dict[str, Scores]
    """Predictor to its scores, the tuned model first."""
    steps: tuple[Step, ...]
    evaluations: tuple[Evaluated, ...]
    events: tuple[Event, ...]
    finished: Finished | None

    @property
    def best_step(self) -> int | None:
        """The step whose weights are exported, or would be by now; None before the first evaluation."""
        if self.finished:
            return self.finished.best_step
        return next((look.step for look in reversed(self.evaluations) if look.best), None)

    @property
    def confidence(self) -> float | None:
        """The level of the intervals, as asked for."""
        asked = self.started[-1].asked.get("evaluate", {}) if self.started else {}
        level = asked.get("confidence") if isinstance(asked, dict) else None
        return level if isinstance(level, float) else None

    @property
    def chosen_metric(self) -> str | None:
        """The metric that chose the best checkpoint."""
        choice = self.chosen.get("evaluate.metric")
        return str(choice.value) if choice else None


def gather(records: Sequence[Payload]) -> Gathered:
    """Sort `records` by kind."""
    scores = {scored.who: scored for scored in _all(records, Scores)}
    # A run that went on after its end is unfinished again until its next last line.
    ending = next((line for line in reversed(records) if isinstance(line, Step | Finished)), None)
    return Gathered(
        started=_all(records, Started),
        chosen={choice.key: choice for choice in _all(records, Chosen)},
        data=_last(records, DataRead),
        audited=_last(records, Audited),
        model=_last(records, ModelLoaded),
        scores=dict(sorted(scores.items(), key=lambda item: item[0] != "tuned")),
        steps=_all(records, Step),
        evaluations=_all(records, Evaluated),
        events=_all(records, Event),
        finished=ending if isinstance(ending, Finished) else None,
    )


def _all(records: Sequence[Payload], kind: type[Kind]) -> tuple[Kind, ...]:
    return tuple(line for line in records if isinstance(line, kind))


def _last(records: Sequence[Payload], kind: type[Kind]) -> Kind | None:
    return next((line for line in reversed(records) if isinstance(line, kind)), None)
