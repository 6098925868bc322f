"""The lines of a record by kind, as the page asks for them; where a line was written again, the last one counts.

This module reads no file and writes no number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from affina.record.audited import Audited
from affina.record.guarding import BatchesSplit, Rewound, Skipped
from affina.record.measures import WRITING
from affina.record.payloads import (
    OPENING,
    STEP_BACK,
    Chosen,
    DataRead,
    Evaluated,
    Event,
    Finished,
    Payload,
    Scores,
    Started,
    Step,
)
from affina.record.risks import Probed
from affina.record.row_results import RowResults, WrittenTexts
from affina.record.searched import Searched, Tried
from affina.record.starts import ModelLoaded, RangeTested, Restarted

RESTARTED: Final = "restarted"
Happened = Restarted | Skipped | Rewound | BatchesSplit
"""What happened to a training by itself."""
HAPPENED: Final[dict[type[Happened], str]] = {
    Restarted: RESTARTED,
    Skipped: "skipped",
    Rewound: "went back",
    BatchesSplit: "batches split",
}
"""What a reader of the events calls these lines."""
CLASSIFICATION: Final = "classification"
Kind = TypeVar("Kind", bound=Payload)


@dataclass(frozen=True, slots=True)
class Tested:
    """A range test, and what it was made for."""

    when: str
    test: RangeTested


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
    rows: dict[str, RowResults]
    """Predictor to its result for each row."""
    texts: dict[str, WrittenTexts]
    """Predictor to the texts that it wrote."""
    probed: tuple[Probed, ...]
    """Each probe of a risk."""
    tried: tuple[Tried, ...]
    """Each candidate of a search within budgets."""
    searched: Searched | None
    steps: tuple[Step, ...]
    evaluations: tuple[Evaluated, ...]
    events: tuple[Event, ...]
    range_tests: tuple[Tested, ...]
    restarted: Restarted | None
    finished: Finished | None

    @property
    def said_of_the_run(self) -> tuple[Event, ...]:
        """What a reader of the result must not miss: a second start, a way back, or that it was worth nothing."""
        return tuple(event for event in self.events if event.name in (RESTARTED, HAPPENED[Rewound], STEP_BACK))

    @property
    def within_budgets(self) -> bool | None:
        """Whether a model was exported that keeps the budgets; None where there was no search."""
        return None if self.searched is None else self.searched.exported is not None

    @property
    def kept_step(self) -> int | None:
        """The step whose weights are exported, or would be by now; None before the first evaluation."""
        if self.finished:
            return self.finished.best_step
        return next((look.step for look in reversed(self.evaluations) if look.best), None)

    @property
    def kept_strength(self) -> float:
        """How much of that step's change is in the exported model: below 1 where a search found so."""
        name = None if self.searched is None else self.searched.exported
        found = next((one.strength for one in self.tried if one.name == name), None)
        return 1.0 if found is None else found

    @property
    def confidence(self) -> float | None:
        """The level of the intervals, as asked for."""
        asked = self.started[-1].asked.get("evaluate", {}) if self.started else {}
        level = asked.get("confidence") if isinstance(asked, dict) else None
        return level if isinstance(level, float) and 0 < level < 1 else None

    @property
    def chosen_metric(self) -> str | None:
        """The metric that chose the best checkpoint."""
        choice = self.chosen.get("evaluate.metric")
        return str(choice.value) if choice else None

    @property
    def task(self) -> str:
        """What a good answer was, by its name in the recipe."""
        asked: Any = self.started[-1].resolved.get("task") if self.started else None
        named = asked.get("name") if isinstance(asked, dict) else asked
        if isinstance(named, str) and named != "auto":
            return named
        return str(self.chosen["task"].value) if "task" in self.chosen else CLASSIFICATION

    @property
    def writes(self) -> bool:
        """Whether the answers are texts."""
        return self.task in WRITING

    @property
    def notice(self) -> str:
        """The words that the recipe wants in front."""
        return str(self.chosen[OPENING].value) if OPENING in self.chosen else ""

    @property
    def went_on_at(self) -> int | None:
        """The step after which the process that wrote the last lines took the run up; None for the first."""
        return self.started[-1].resumed_at if self.started else None


def gather(records: Sequence[Payload]) -> Gathered:
    """Sort `records` by kind; of a start that was given up no step and no evaluation is kept."""
    restarted = _last(records, Restarted)
    trained = records[records.index(restarted) :] if restarted else records
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
        rows={found.who: found for found in _all(records, RowResults)},
        texts={found.who: found for found in _all(records, WrittenTexts)},
        probed=tuple({(line.risk, line.probe): line for line in _all(records, Probed)}.values()),
        tried=tuple({one.name: one for one in _all(records, Tried)}.values()),
        searched=_last(records, Searched),
        steps=_all(trained, Step),
        evaluations=_all(trained, Evaluated),
        events=tuple(_as_event(line) for line in records if isinstance(line, Event | Happened)),
        range_tests=tuple(_tested(records)),
        restarted=restarted,
        finished=ending if isinstance(ending, Finished) else None,
    )


def _tested(records: Sequence[Payload]) -> list[Tested]:
    """Every range test with its place in the run, which the next step or restart after it shows."""
    found: list[Tested] = []
    for place, line in enumerate(records):
        if not isinstance(line, RangeTested):
            continue
        after = next((other for other in records[place:] if isinstance(other, Step | Restarted | Finished)), None)
        trained = any(isinstance(other, Step) for other in records[:place])
        when = "before the second start" if isinstance(after, Restarted) else "after the training, for advice"
        found.append(Tested(when if trained else "before the training", line))
    return found


def _as_event(line: Event | Happened) -> Event:
    return line if isinstance(line, Event) else Event(step=line.step, name=HAPPENED[type(line)], text=line.text)


def _all(records: Sequence[Payload], kind: type[Kind]) -> tuple[Kind, ...]:
    return tuple(line for line in records if isinstance(line, kind))


def _last(records: Sequence[Payload], kind: type[Kind]) -> Kind | None:
    return next((line for line in reversed(records) if isinstance(line, kind)), None)
