"""The training of a run: one attempt, and a second one where the first was stuck.

An attempt that is no better than guessing at a quarter of its steps will seldom be so at its end (Dodge et al. 2020,
section 4; Mosbach et al. 2021, section 5). It is given up once, for other draws and another rate. Owns when that
happens, what changes, and what is said of a rate that cannot work.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from affina.errors import AffinaError, NonFiniteError
from affina.models.base import base_tensors
from affina.pipeline.advice import CLOSE, SPEAKS, Advice, Off, advised, head_off, times_apart
from affina.pipeline.budgets import budgets_of
from affina.pipeline.kept_starts import Start
from affina.pipeline.prepared import Prepared
from affina.pipeline.rates import HEAD_RATE, RATE, SETTLED, is_given, named, with_head, with_rate, write_choices
from affina.pipeline.shipping import put
from affina.pipeline.training import build_loop, turns_in
from affina.record.files import rename, told
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.record.payloads import Event, Payload
from affina.record.starts import Restarted
from affina.reporting.formats import the
from affina.runtime import randomness
from affina.training import checkpoint
from affina.training.control import Floor, Outcome
from affina.training.loop import STUCK, Loop
from affina.training.plan import JUDGED_FROM

STUCK_START: Final = "stuck start"
"""The name of what is told where none is looked for."""
RISEN: Final = 1.02
"""Times the loss before the training: above that it has risen."""


def train(
    prepared: Prepared,
    folder: RunFolder,
    journal: Journal,
    *,
    resumed: Path | None,
    records: Sequence[Payload],
    start: Start | None = None,
) -> tuple[Prepared, Outcome]:
    """Train to the end, from a checkpoint if there is one.

    Args:
        prepared: with the rates and draws that its record says.
        folder: where checkpoints go.
        journal: where records go.
        resumed: the folder of the checkpoint to go on from.
        records: what the record held when this process took the run up.
        start: what another run measured at the same first step, which is then not evaluated again.

    Returns:
        The run as it was trained in the end, and how that ended.

    Raises:
        NonFiniteError: training left the range of numbers; the best model so far is exported, and the error says the
            rate that would have worked, if one was found.
        Interrupted: the user stopped the run.
    """
    _forget_given_up(folder)
    known = None if start is None else start.evaluated
    floor, unjudged = _floor(prepared, records)
    loop = build_loop(prepared, folder, journal, floor=floor, known=known)
    if floor is not None and not loop.plan.is_judged_later(0):
        unjudged = f"the run has {loop.plan.total_steps} steps, and a quarter of fewer than {JUDGED_FROM} says little"
    if resumed is not None:
        loop.resume(resumed)
    elif unjudged:
        journal.append(Event(step=0, name=STUCK_START, text=f"not looked for: {unjudged}"))
    if not loop.is_over:
        prepared.frozen.fill(journal, step=loop.step)
    outcome = _run(loop, prepared)
    if outcome.stopped != STUCK:
        return prepared, outcome
    seen = _seen(prepared, loop)
    del loop  # its optimizer would lie beside the next one's
    prepared = _restarted(prepared, journal, seen=seen, step=outcome.steps)
    with told(folder.checkpoints):
        rename(folder.checkpoints, _given_up(folder))  # at one stroke: the run must not go on from what was given up
    _forget_given_up(folder)
    return prepared, _run(build_loop(prepared, folder, journal), prepared)


def _given_up(folder: RunFolder) -> Path:
    return folder.path / "checkpoints-given-up"


def _forget_given_up(folder: RunFolder) -> None:
    shutil.rmtree(_given_up(folder), ignore_errors=True)


def _floor(prepared: Prepared, records: Sequence[Payload]) -> tuple[Floor | None, str]:
    """What the first attempt must pass by a quarter of its steps; None where nothing would follow from it, and why.

    Empty where the user forbade a second start, or this is one.
    """
    if not prepared.recipe.train.restart or any(isinstance(record, Restarted) for record in records):
        return None, ""
    turns = turns_in(prepared)
    if turns is not None and turns.stages:
        return None, "the layers train in turn, and at a quarter of the run only a few of them do"
    floor = prepared.subject.floor(prepared)
    return floor, "" if floor else f"no guess stands beside {prepared.hyper.metric.value}, which is watched"


def start_again(prepared: Prepared) -> Prepared:
    """Put the model back to the base, with a head drawn from `prepared.draws` and started anew."""
    prepared.attached.eval()  # some starts are found by a forward pass, whose dropout would draw
    randomness.seed_everything(prepared.draws)
    prepared.attached.start_anew(functools.partial(base_tensors, prepared.model))
    return with_head(prepared, prepared.subject.start_head(prepared))


def advised_anew(prepared: Prepared, journal: Journal) -> Advice | None:
    """The rate to train with, the model put back to its start; None where that fails.

    An advice that cannot be had must neither hide an error nor cost a finished run.
    """
    try:
        return advised(start_again(prepared), journal)
    except (AffinaError, torch.OutOfMemoryError):
        return None


def _run(loop: Loop[Any], prepared: Prepared) -> Outcome:
    try:
        return loop.run()
    except NonFiniteError as error:
        if loop.folder.best(loop.stopping.best_step).exists():
            put(prepared, checkpoint.load_best(loop.folder, step=loop.stopping.best_step))
            # what no probe has looked at is not shipped as if it had passed
            unchecked = loop.folder.over_budget if budgets_of(prepared.recipe) else loop.folder
            prepared.subject.export(prepared, unchecked)
        raise _with_advice(error, prepared, journal=loop.journal) from error


@dataclass(frozen=True, slots=True)
class _Seen:
    """A stuck start in words, and whether the validation loss was above what it began with."""

    text: str
    rose: bool


def _seen(prepared: Prepared, loop: Loop[Any]) -> _Seen:
    found, floor = loop.stopping, loop.control.floor
    if floor is None:
        raise ValueError("a loop without a floor is never stuck")
    text = (
        f"no better than {the(prepared.subject.guess_name)} ({prepared.hyper.metric.value} {found.latest:.3f} against "
        f"{floor.metric:.3f}, loss {found.latest_loss:.3f} against {floor.loss:.3f}) after {loop.step} of "
        f"{loop.plan.total_steps} steps"
    )
    return _Seen(text, found.start_loss is not None and found.latest_loss > RISEN * found.start_loss)


def _restarted(prepared: Prepared, journal: Journal, *, seen: _Seen, step: int) -> Prepared:
    prepared = start_again(replace(prepared, draws=(prepared.recipe.seed + 1) % 2**32))
    other = _other_rates(prepared, journal, rose=seen.rose)
    head = None if other.head is None else f"{other.head}; the start was stuck"
    prepared = with_rate(prepared, other.rate, reason=f"{other.why}; the start was stuck", of_head=head)
    body, of_head = prepared.hyper.learning_rate.value, prepared.hyper.head_learning_rate.value
    rates = named(prepared, body) if head is None else f"{RATE}={body:g} {HEAD_RATE}={of_head:g}"
    text = (
        f"{seen.text}; {other.why}. Starting again with seed {prepared.draws} and {rates} "
        "(recipe.yaml keeps the rate, not these draws); train.restart=false forbids that"
    )
    journal.append(Restarted(step=step, seed=prepared.draws, learning_rate=body, head_learning_rate=of_head, text=text))
    write_choices(prepared, [key for key in SETTLED if key in prepared.choices], journal)
    return prepared


@dataclass(frozen=True, slots=True)
class _Other:
    """Rates for a second start: the body's, why these, and why the head's is not the given one, where it is not."""

    rate: float
    why: str
    head: str | None = None


def _other_rates(prepared: Prepared, journal: Journal, *, rose: bool) -> _Other:
    """Rates other than those that were stuck, and what that says of the ones before.

    What is too low or too high is judged by what the range test speaks for; our prior lies beside that, and may be on
    the other side of the rate that was stuck.
    """
    before, advice = prepared.hyper.learning_rate.value, advised(prepared, journal)
    aim = advice.spoken or advice.rate
    if times_apart(aim, before) < CLOSE:
        head = head_off(prepared, before)
        return _near(prepared, advice, rose=rose) if head is None else _Other(before, _beside(head), _beside(head))
    better, whence, is_low = advice.rate, advice.whence, before < aim
    if (before < better) != is_low or times_apart(better, before) < CLOSE:
        better, whence = aim, f"is the rate {SPEAKS}"
    given, head = "the given " if is_given(prepared) else "", head_off(prepared, better)
    side = "low" if is_low else "high"
    why = f"{given}{named(prepared, before)} is too {side} beside {named(prepared, better)}, which {whence}"
    return _Other(better, why) if head is None else _Other(better, f"{_beside(head)}; {why}", _beside(head))


def _near(prepared: Prepared, advice: Advice, *, rose: bool) -> _Other:
    """Half of a rate that was stuck although it is near what is advised, or twice it where nothing moved the loss."""
    before, given = prepared.hyper.learning_rate.value, "the given " if is_given(prepared) else ""
    whence = advice.whence if advice.spoken is None else f"is the rate {SPEAKS}"
    stuck, fits = f"{given}{named(prepared, before)}", named(prepared, advice.spoken or advice.rate)
    near = f"{stuck} {whence}" if fits == named(prepared, before) else f"{fits}, which {whence}, is near {stuck}"
    if rose:
        return _Other(before / CLOSE, f"{near}, and the loss rose, so half of that is tried")
    if advice.spoken is None and advice.found is not None and advice.found.is_calm_up_to(CLOSE * before):
        still = "the loss stood still in the training and in a range test beyond twice that"
        return _Other(before * CLOSE, f"{near}, and {still}, so twice that is tried")
    return _Other(before / CLOSE, f"{near}, so half of that is tried")


def _beside(off: Off) -> str:
    return f"{off.given} is too {'low' if off.is_low else 'high'} beside {off.better}, which {off.whence}"


def _with_advice(error: NonFiniteError, prepared: Prepared, *, journal: Journal) -> NonFiniteError:
    """The same error, with rates that would have worked in its fix, where a rate is to blame."""
    rate = prepared.hyper.learning_rate.value
    advice = advised_anew(prepared, journal)
    if advice is None:
        return error
    fixes = []
    if advice.rate <= rate / CLOSE:
        better = named(prepared, advice.rate)
        fixes.append(f"write {better}, which {advice.whence} ({named(prepared, rate)} is too high)")
    head = head_off(prepared, advice.rate if fixes else rate)
    if head is not None and not head.is_low:
        fixes.append(f"write {head.better}, which {head.whence} ({head.given} is too high)")
    if not fixes:
        return error
    return NonFiniteError(replace(error.problems[0], fix="; ".join(fixes)), *error.problems[1:])
