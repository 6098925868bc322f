"""The training of a run: one attempt, and a second one where the first was stuck.

An attempt that is no better than guessing at a quarter of its steps will seldom be so at its end (Dodge et al. 2020,
section 4; Mosbach et al. 2021, section 5). It is given up once, for other draws and another rate. Owns when that
happens, what changes, and what is said of a rate that cannot work.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch

from affina.errors import AffinaError, NonFiniteError
from affina.models.base import base_tensors
from affina.pipeline.budgets import budgets_of
from affina.pipeline.kept_starts import Start
from affina.pipeline.prepared import Prepared
from affina.pipeline.rates import SETTLED, advised, is_given, named, with_head, with_rate, write_choices
from affina.pipeline.shipping import put
from affina.pipeline.training import build_loop, turns_in
from affina.record.files import rename, told
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.record.payloads import Payload
from affina.record.starts import Restarted
from affina.reporting.formats import the
from affina.runtime import randomness
from affina.training import checkpoint
from affina.training.control import Floor, Outcome
from affina.training.loop import STUCK, Loop

CLOSE: Final = 2.0
"""An advised rate within this factor of the one that was stuck is no other rate: then half of it is tried."""


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
    loop = build_loop(prepared, folder, journal, floor=_floor(prepared, records), known=known)
    if resumed is not None:
        loop.resume(resumed)
    if not loop.is_over:
        prepared.frozen.fill(journal, step=loop.step)
    outcome = _run(loop, prepared)
    if outcome.stopped != STUCK:
        return prepared, outcome
    seen = f"{_seen(prepared, loop)} after {loop.step} of {loop.plan.total_steps} steps"
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


def _floor(prepared: Prepared, records: Sequence[Payload]) -> Floor | None:
    """What the first attempt must pass by a quarter of its steps; None where nothing would follow from it."""
    if not prepared.recipe.train.restart or any(isinstance(record, Restarted) for record in records):
        return None
    turns = turns_in(prepared)
    if turns is not None and turns.stages:  # at a quarter a few layers train: that says nothing of the start
        return None
    return prepared.subject.floor(prepared)


def start_again(prepared: Prepared) -> Prepared:
    """Put the model back to the base, with a head drawn from `prepared.draws` and started anew."""
    prepared.attached.eval()  # some starts are found by a forward pass, whose dropout would draw
    randomness.seed_everything(prepared.draws)
    prepared.attached.start_anew(functools.partial(base_tensors, prepared.model))
    return with_head(prepared, prepared.subject.start_head(prepared))


def advised_anew(prepared: Prepared, journal: Journal) -> tuple[float, str] | None:
    """The rate to train with and where it comes from, the model put back to its start; None where that fails.

    An advice that cannot be had must neither hide an error nor cost a finished run.
    """
    try:
        return advised(start_again(prepared), journal)
    except (AffinaError, torch.OutOfMemoryError):
        return None


def times_apart(rate: float, other: float) -> float:
    """How many times one rate is the other, 1 or more."""
    return max(rate / other, other / rate)


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


def _seen(prepared: Prepared, loop: Loop[Any]) -> str:
    found, floor = loop.stopping, loop.control.floor
    if floor is None:
        raise ValueError("a loop without a floor is never stuck")
    return (
        f"no better than {the(prepared.subject.guess_name)} ({prepared.hyper.metric.value} {found.latest:.3f} against "
        f"{floor.metric:.3f}, loss {found.latest_loss:.3f} against {floor.loss:.3f})"
    )


def _restarted(prepared: Prepared, journal: Journal, *, seen: str, step: int) -> Prepared:
    before = prepared.hyper.learning_rate.value
    prepared = start_again(replace(prepared, draws=(prepared.recipe.seed + 1) % 2**32))
    rate, why = _other_rate(prepared, before, journal=journal)
    prepared = with_rate(prepared, rate, reason=f"{why}; the start was stuck")
    body, head = prepared.hyper.learning_rate.value, prepared.hyper.head_learning_rate.value
    text = (
        f"{seen}; {why}. Starting again with seed {prepared.draws} and {named(prepared, body)} "
        "(recipe.yaml keeps the rate, not these draws); train.restart=false forbids that"
    )
    journal.append(Restarted(step=step, seed=prepared.draws, learning_rate=body, head_learning_rate=head, text=text))
    write_choices(prepared, [key for key in SETTLED if key in prepared.choices], journal)
    return prepared


def _other_rate(prepared: Prepared, before: float, *, journal: Journal) -> tuple[float, str]:
    """A rate other than the one that was stuck, and what that says of the one before."""
    given = "the given " if is_given(prepared) else ""
    better, whence = advised(prepared, journal)
    if times_apart(better, before) < CLOSE:
        near = f"{named(prepared, better)}, which {whence}, is near {given}{named(prepared, before)}"
        return before / CLOSE, f"{near}, so half of that is tried"
    side = "low" if better > before else "high"
    return better, f"{given}{named(prepared, before)} is too {side} beside {named(prepared, better)}, which {whence}"


def _with_advice(error: NonFiniteError, prepared: Prepared, *, journal: Journal) -> NonFiniteError:
    """The same error, with a rate that would have worked in its fix, where the rate is to blame."""
    rate = prepared.hyper.learning_rate.value
    advice = advised_anew(prepared, journal)
    if advice is None or advice[0] > rate / CLOSE:
        return error
    better, whence = advice
    first = error.problems[0]
    fix = f"write {named(prepared, better)}, which {whence} ({named(prepared, rate)} is too high)"
    return NonFiniteError(replace(first, fix=fix), *error.problems[1:])
