"""The second half of a run: baselines, training, evaluation, and what is written to the run folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import torch

from affina.data.loading import data_read
from affina.pipeline import attempts, damaged, kept_starts, rates
from affina.pipeline.attaching import as_exported, untouched
from affina.pipeline.beforehand import with_beforehand
from affina.pipeline.budgets import budgets_of
from affina.pipeline.described import model_loaded
from affina.pipeline.folders import Place
from affina.pipeline.kept_starts import Start
from affina.pipeline.looking_back import Reached, look_back
from affina.pipeline.prepared import Prepared
from affina.pipeline.resolved import resolved_recipe
from affina.pipeline.results import Measured
from affina.pipeline.risks import measure_risks
from affina.pipeline.same_run import versions_of
from affina.pipeline.search import choose_weights
from affina.pipeline.stepping_over import KEPT, with_frozen_states
from affina.recipe.load import dump_recipe
from affina.record.files import write_text
from affina.record.folder import RunFolder
from affina.record.journal import Journal, Observer, cut, read
from affina.record.payloads import NOTICE, OPENING, Chosen, Event, Finished, Scores, Started
from affina.record.starts import Predicted
from affina.reporting import page
from affina.reporting.degenerate import degenerate_of
from affina.reporting.gathered import gather
from affina.runtime import exhausted, machine
from affina.training import checkpoint
from affina.training.control import Outcome


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: where everything is.
        scores: the tuned model's on the rows that the report is about.
        baselines: the same of what it had to beat, by name.
        within_budgets: whether a model was exported that keeps the recipe's budgets; None without any.
    """

    folder: RunFolder
    scores: Scores
    baselines: Mapping[str, Scores]
    within_budgets: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What there was to say before the run.

    Attributes:
        seconds: that `prepare` took.
        predicted: what the run was said to need and take.
        held: bytes of memory that the process held when it was asked for the run,
        held_at_most: and that it had held at any time until then.
    """

    seconds: float
    predicted: Predicted
    held: int
    held_at_most: int


@dataclass(slots=True)
class _Clock:
    """Seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to `name`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def execute(prepared: Prepared, place: Place, *, observers: Sequence[Observer], before: Before) -> RunResult:
    """Train, measure and write everything.

    Args:
        prepared: from `prepare`.
        place: the run folder, and the checkpoint to go on from.
        observers: shown every record as it is written.
        before: for the record.

    Raises:
        NonFiniteError: training left the range of numbers; the best model so far is exported.
        ResourceError: the machine ran out of memory.
        Interrupted: the user stopped the run; it can go on.
    """
    try:
        with exhausted.told(where=f"memory, on {prepared.device.type}", fix=lambda: _smaller(prepared)):
            return _execute(prepared, place, observers, before)
    finally:
        place.lock.release()


def _smaller(prepared: Prepared) -> str:
    return (
        f"write train.batch_tokens={max(1, prepared.hyper.batch_tokens.value // 2)} "
        f"train.accumulate={2 * prepared.recipe.train.accumulate}; "
        "`affina plan` with the same words says what else would fit"
    )


def _execute(prepared: Prepared, place: Place, observers: Sequence[Observer], known: Before) -> RunResult:
    clock = _Clock({"preparation": known.seconds})
    aside = damaged.put_aside(place.folder, place.damaged, resume=place.resume)
    resumed = checkpoint.load_state(place.resume) if place.resume else None
    if place.folder.journal.is_file():  # emptied, never removed: a folder without it is no run's
        cut(place.folder.journal, position=resumed.journal if resumed else 0)
    if not resumed:  # what a run left that stopped before its first checkpoint
        place.folder.replayed.unlink(missing_ok=True)
        shutil.rmtree(place.folder.checkpoints, ignore_errors=True)
    before = read(place.folder.journal) if resumed else []
    write_text(place.folder.recipe, dump_recipe(resolved_recipe(prepared)))
    with Journal(place.folder.journal, observers=observers) as journal:
        journal.append(_started(prepared, resumed_at=resumed.step if resumed else None))
        for text in aside:
            journal.append(Event(step=resumed.step if resumed else 0, name="damaged checkpoint", text=text))
        with with_frozen_states(prepared, place.folder) as run:
            if resumed:
                ready, start = with_beforehand(rates.recall(run, before), place.folder, journal), None
            else:
                ready, start = _before_training(run, place.folder, journal, clock, known.predicted)
            write_text(place.folder.recipe, dump_recipe(resolved_recipe(ready)))
            with clock.stage("training"):
                prepared, outcome = attempts.train(
                    ready, place.folder, journal, resumed=place.resume, records=before, start=start
                )
        write_text(place.folder.recipe, dump_recipe(resolved_recipe(prepared)))
        with clock.stage("search" if budgets_of(prepared.recipe) else "evaluation"):
            outcome, probing, shipped = choose_weights(prepared, outcome, place.folder, journal)
        with clock.stage("evaluation"):
            prepared.subject.export(prepared, shipped)
            with as_exported(prepared):
                measured = prepared.subject.measure(prepared, journal)
        with clock.stage("risks"):
            measure_risks(prepared, outcome, journal, probing)
        with clock.stage("looking back"):
            records = read(place.folder.journal)
            if start is not None:
                kept_starts.keep(start, records)
            found = gather(records)
            look_back(prepared, outcome, journal, Reached(found.scores, found.rows, degenerate_of(found)))
        journal.append(_finished(outcome, clock, measured, before=known, device=prepared.device))
    page.write(place.folder.path)
    baselines = {who: scores for who, scores in found.scores.items() if who != "tuned"}
    return RunResult(place.folder, measured.scores, baselines, found.within_budgets)


def _before_training(
    prepared: Prepared, folder: RunFolder, journal: Journal, clock: _Clock, predicted: Predicted
) -> tuple[Prepared, Start | None]:
    """Everything between the choice of the recipe and the first step: the run with its rate settled, and its start."""
    _describe(prepared, journal)
    journal.append(predicted)
    with clock.stage(KEPT):
        prepared.frozen.fill(journal)
    with clock.stage("head and rates"):
        prepared = with_beforehand(prepared, folder, journal)
    key = kept_starts.key_of(prepared)
    if key is not None and (found := kept_starts.taken(prepared, journal, key)) is not None:
        return found
    begun = journal.position()
    with clock.stage("baselines"), untouched(prepared):
        prepared.subject.baselines(prepared, journal)
    with clock.stage("head and rates"):
        prepared = rates.settle(prepared, journal)
    if key is None:
        return prepared, None
    return prepared, kept_starts.captured(prepared, key, read(folder.journal, after=begun), folder=folder.path)


def _started(prepared: Prepared, *, resumed_at: int | None) -> Started:
    return Started(
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions_of(prepared),
        machine=machine.facts(prepared.device),
        asked=prepared.recipe.model_dump(mode="json"),
        resolved=resolved_recipe(prepared).model_dump(mode="json"),
        resumed_at=resumed_at,
    )


def _describe(prepared: Prepared, journal: Journal) -> None:
    """Write down the data, the model and every choice, before anything is trained."""
    journal.append(replace(data_read(prepared.loaded, rows=prepared.rows), findings=prepared.findings))
    journal.append(prepared.audited)
    journal.append(model_loaded(prepared))
    if prepared.recipe.notice:
        journal.append(Chosen(key=OPENING, value=prepared.recipe.notice, reason="given in the recipe"))
    for text in prepared.notices:
        journal.append(Event(step=0, name=NOTICE, text=text))
    longest = max(prepared.subject.lengths["train"])
    if longest > (budget := prepared.hyper.batch_tokens.value):
        text = f"rows of up to {longest} tokens are longer than train.batch_tokens={budget}: each is a batch of its own"
        journal.append(Event(step=0, name="batch", text=text))
    later = rates.settles_later(prepared)
    rates.write_choices(prepared, [key for key in prepared.choices if key not in later], journal)


def _finished(outcome: Outcome, clock: _Clock, measured: Measured, *, before: Before, device: torch.device) -> Finished:
    peak = machine.peak_memory_bytes(device)
    above = peak if device.type != "cpu" else peak - before.held if peak > before.held_at_most else None
    seconds = {name: round(value, 2) for name, value in clock.seconds.items()}
    return Finished(
        steps=outcome.steps,
        best_step=outcome.best_step,
        stopped=outcome.stopped,
        seconds=seconds | {"total": round(sum(clock.seconds.values()), 2)},
        rows_per_second=round(outcome.rows / outcome.seconds, 1),
        tokens_per_second=round(outcome.tokens / outcome.seconds, 1),
        peak_memory_bytes=peak,
        memory_bytes=above,
        seconds_per_epoch=_rounded(outcome.epoch_seconds),
        cpu_seconds_per_epoch=_rounded(outcome.epoch_cpu_seconds),
        samples=measured.samples,
        worst=measured.worst,
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
