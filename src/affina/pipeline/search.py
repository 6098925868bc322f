"""The search within budgets, between the training and the export: which of a run's models is the best that keeps them.

Candidates lie on the line from the model as it came to the tuned one (Wortsman et al. 2022, section 3), which for a
new head begins at the linear probe on the untouched model's features; beside them stand earlier weights of the same
training. A method that has no line has these alone. Each candidate is rated on the validation rows that choose the
checkpoint, and the probes that have a budget look at it; the model as it came is read once for all of them. A figure
is within its budget where its whole interval is, a gain is one where its whole interval lies above zero.

Owns the candidates and their order. Which one it is, is `choosing`'s; what probes find is theirs.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, final

import numpy as np
from torch import Tensor

from affina.evaluation.baselines import Floats
from affina.evaluation.intervals import Measure, untold_as_zero
from affina.methods.base import Scalable
from affina.pipeline.attaching import as_exported, untouched
from affina.pipeline.budgets import budgets_of, keeps_limit, key_of, left_out
from affina.pipeline.choosing import best_of, next_strength, notes_on, why_none, why_this
from affina.pipeline.prepared import Prepared
from affina.pipeline.rates import HEAD_START
from affina.pipeline.results import Rated
from affina.pipeline.risks import Probing, probing_of
from affina.pipeline.shipping import put
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.record.measures import direction
from affina.record.risks import Probed
from affina.record.searched import Held, Searched, Tried
from affina.risks.probe import Probe, resampled
from affina.training import checkpoint
from affina.training.control import Outcome

STRENGTHS: Final = (1.0, 0.8, 0.6, 0.4, 0.2)
FINER: Final = 2
"""Strengths beside these, each where those before it say that the best may be."""
State = Mapping[str, Tensor]


def choose_weights(
    run: Prepared, outcome: Outcome, folder: RunFolder, journal: Journal
) -> tuple[Outcome, Probing | None, RunFolder]:
    """Put what is exported into the model: the best weights, or where there are budgets what a search finds.

    Args:
        run: trained.
        outcome: how that ended.
        folder: with what the training kept.
        journal: gets a line for each candidate, and one for what the search came to.

    Returns:
        How the training ended, with the step of the weights that are in the model; the probes of the search, which
        have looked at the model as it came; and where the model is written: apart from what a run ships, where no
        candidate is within the budgets. Then it is the tuned one.
    """
    if not budgets_of(run.recipe):
        put(run, checkpoint.load_best(folder, step=outcome.best_step), journal)
        return outcome, None, folder
    begun = time.perf_counter()
    tuned = checkpoint.load_best(folder, step=outcome.best_step)
    put(run, tuned)
    probing = probing_of(run, outcome, journal)
    probing.looks.at_base()
    start = _start(run, folder)
    baseline, began = _baseline(run, start)
    looking = _Search(run, _Ends(start, tuned, outcome.best_step), probing, baseline, began, journal)
    looking.along_the_line()
    looking.back_in_time(folder)
    chosen = best_of(looking.tried)
    put(run, looking.weights_of(chosen, folder), journal)
    journal.append(looking.came_to(chosen, seconds=time.perf_counter() - begun))
    for path in (folder.model, folder.adapter, folder.over_budget.path):  # of a run that was stopped after its export
        shutil.rmtree(path, ignore_errors=True)
    if chosen is None:
        return outcome, probing, folder.over_budget
    return replace(outcome, best_step=chosen.step), probing, folder


@dataclass(frozen=True, slots=True)
class _Start:
    """Where the line begins: its weights, what that is in words, and why there is no line."""

    state: State
    name: str
    no_line: str = ""


def _start(run: Prepared, folder: RunFolder) -> _Start:
    """The weights before the first step, a new head that began at random as the linear probe."""
    state = checkpoint.load_snapshot(folder, step=0)
    line = "" if isinstance(run.attached, Scalable) else f"method {run.method.name} has no model between these two"
    head = run.choices.get(HEAD_START)
    if not run.subject.has_new_head:
        return _Start(state, "untouched model", line)
    if head is not None and head.value == "probe":
        return _Start(state, "linear probe on the untouched model", line)
    put(run, state)
    train = run.recipe.train.model_copy(update={"head_start": "probe"})
    asked = replace(run, recipe=run.recipe.model_copy(update={"train": train}))
    with untouched(run):
        fitted = run.subject.start_head(asked)
    if fitted is None or fitted.value != "probe":
        why = "its head's last layer is of a make of its own, so that there is no linear probe to begin at"
        return _Start(state, "untouched model with its head as it was drawn", line or why)
    copied = {name: tensor.clone() for name, tensor in run.attached.state_dict().items()}
    return _Start(copied, "linear probe on the untouched model", line)


def _baseline(run: Prepared, start: _Start) -> tuple[str, Rated]:
    """What gains are counted from: where the line begins, or the report's baseline where that is better."""
    put(run, start.state)
    with untouched(run):
        run.subject.settle(run)
        began, other = run.subject.rate(run), run.subject.rate_baseline(run)
    if other is None or _score(other[1]) <= _score(began):
        return start.name, began
    return other


def _score(rated: Rated) -> float:
    """More is better."""
    way = direction(rated.metric)
    return float(way * untold_as_zero(rated.measure(np.ones(rated.rows)))[0])


@dataclass(frozen=True, slots=True)
class _Ends:
    """Both ends of the line, and the step of the tuned one."""

    start: _Start
    tuned: State
    step: int


@final
@dataclass(slots=True)
class _Search:
    run: Prepared
    ends: _Ends
    probing: Probing
    baseline: str
    began: Rated
    journal: Journal
    tried: list[Tried] = field(default_factory=list)

    def along_the_line(self) -> None:
        """The tuned model, and where there is a line the strengths below it."""
        has_line = not self.ends.start.no_line and self.ends.step > 0
        for strength in STRENGTHS if has_line else STRENGTHS[:1]:
            self._try(self._on_the_line(strength), step=self.ends.step, strength=strength)
        for _ in range(FINER if has_line else 0):
            strength = next_strength(self.tried)
            self._try(self._on_the_line(strength), step=self.ends.step, strength=strength)

    def back_in_time(self, folder: RunFolder) -> None:
        """Weights that the training passed on its way to the tuned ones."""
        for step in folder.snapshots():
            if 0 < step < self.ends.step:
                self._try(checkpoint.load_snapshot(folder, step=step), step=step, strength=None)

    def weights_of(self, chosen: Tried | None, folder: RunFolder) -> State:
        """A candidate's, or the tuned ones where there is none."""
        if chosen is None:
            return self.ends.tuned
        if chosen.strength is None:
            return checkpoint.load_snapshot(folder, step=chosen.step)
        return self._on_the_line(chosen.strength)

    def came_to(self, chosen: Tried | None, *, seconds: float) -> Searched:
        """The line of the record that says how it ended."""
        budgets, baseline = budgets_of(self.run.recipe), self.baseline
        notes = [*notes_on(self.tried, budgets)]
        if self.ends.start.no_line:
            notes.append(f"earlier weights alone are looked at: {self.ends.start.no_line}")
        notes += [f"{one.probe}: no part of {key_of(one.risk)}, since {one.why}" for one in self._left_out()]
        [began] = resampled(self.began.measure, self.began.rows, self.run.sampling)
        return Searched(
            budgets=budgets,
            metric=self.began.metric,
            baseline=baseline,
            began=began,
            exported=None if chosen is None else chosen.name,
            why=why_none(self.tried, baseline=baseline) if chosen is None else why_this(chosen, self.tried),
            unseen=bool(self.run.rows["test"]),
            notes=tuple(notes),
            candidates=len(self.tried),
            seconds=round(seconds, 2),
        )

    def _left_out(self) -> list[Probed]:
        """What cannot be measured and is held against nothing."""
        every: list[Probe | Probed] = [*self.probing.looks.probes, *self.probing.lacking]
        return [*left_out(every, budgets_of(self.run.recipe))]

    def _on_the_line(self, strength: float) -> State:
        attached = self.run.attached
        if strength == 1 or not isinstance(attached, Scalable):
            return self.ends.tuned
        return attached.scaled(strength, start=self.ends.start.state, tuned=self.ends.tuned)

    def _try(self, state: State, *, step: int, strength: float | None) -> None:
        """Rate and probe one candidate, and record it."""
        started = time.perf_counter()
        put(self.run, state)
        looks, budgets = self.probing.looks, budgets_of(self.run.recipe)
        with as_exported(self.run):
            rated = self.run.subject.rate(self.run)
            found = list(looks.at_tuned(looks.is_budgeted))
        passed_over = self._left_out()
        lacking = [line for line in self.probing.lacking if line.risk in budgets and not keeps_limit(line)]
        found += [line for line in lacking if line not in passed_over]
        score, gain = resampled(_with_gain(rated, self.began), rated.rows, self.run.sampling)
        tried = Tried(
            step=step,
            strength=strength,
            metric=rated.metric,
            score=score,
            gain=gain,
            held=tuple(_held(line, budgets[line.risk]) for line in found),
            seconds=round(time.perf_counter() - started, 2),
        )
        self.tried.append(tried)
        self.journal.append(tried)


def _with_gain(now: Rated, began: Rated) -> Measure:
    """The score, and by how much it is better than the one before, on the same rows."""
    way = direction(now.metric)

    def measure(weights: Floats) -> Floats:
        score = now.measure(weights)
        return np.concatenate([score, way * (score - began.measure(weights))])

    return measure


def _held(line: Probed, budget: float) -> Held:
    return Held(
        risk=line.risk,
        probe=line.probe,
        budget=budget,
        outcome=line.outcome,
        figure=line.figures[0] if line.is_budget and not line.why else None,
        why=line.why,
        said=line.said,
    )
