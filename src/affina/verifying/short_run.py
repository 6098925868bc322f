"""A short training, in one go and in two parts: what moved, what stood still, and whether going on is exact.

The second training is cut off, as by a power failure, right after the weights of a step have moved and the record has
its line, before anything else is done. It goes on from the checkpoint on disk with a model that was put back to another
start. Both are compared weight by weight, moment by moment, step by step, and by the random numbers that come next.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from affina.errors import Interrupted, RunError
from affina.pipeline.attempts import start_again
from affina.pipeline.beforehand import with_stand_ins
from affina.pipeline.prepared import Prepared
from affina.pipeline.training import build_loop
from affina.record import journal
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.record.payloads import Payload, Step
from affina.record.progress import Progress
from affina.reporting.formats import counted
from affina.runtime import randomness
from affina.training import checkpoint, sound
from affina.training.loop import Loop
from affina.training.stages import Stage
from affina.verifying import kinds
from affina.verifying.bench import STEPS, Bench
from affina.verifying.guarantees import EXACT, Guarantee, Tell, absent, failed, within
from affina.verifying.measuring import distance, trained_tensors

RESUME: Final = "resume"
TRAINED: Final = "trained"
FROZEN: Final = "frozen"
CUT_OFF: Final = STEPS // 2 + 1
"""The step in which the second training is cut off; its checkpoint is of the step before."""
ON_A_DEVICE: Final = 0.1
"""Of the distance that the weights moved: there sums have no fixed order, and AdamW makes a step of any gradient."""
NAMED: Final = 3


class _CutOffError(Exception):
    """The power failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The short training's two ends.

    Attributes:
        start: what trains, before the first step.
        tuned: the same after the last.
    """

    start: dict[str, Tensor]
    tuned: dict[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """How a training ended, beside its weights."""

    folder: RunFolder
    losses: list[tuple[int, float]]
    random: dict[str, Any]
    stages: tuple[Stage, ...]


def train(bench: Bench, tell: Tell) -> Trained:
    """Train twice, say what came of it, and return the two ends; the model is at that of the second."""
    run = with_stand_ins(start_again(bench.run))
    bench = replace(bench, run=run)
    start = _copied(run.attached.state_dict())
    stood = _copied(_others(run))
    whole = _train(run, RunFolder(bench.folder / "whole"))
    tell(_moved(run, start, whole.stages))
    tell(_still(run, stood))
    del stood
    found = Trained(start=start, tuned=_copied(run.attached.state_dict()))
    tell(_went_on(bench, whole, found))
    shutil.rmtree(whole.folder.path)
    return found


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: one.detach().clone() for name, one in tensors.items()}


def _others(run: Prepared) -> dict[str, Tensor]:
    """The model's tensors that do not train."""
    trained_ones = {id(one) for one in trained_tensors(run)}
    return {name: one for name, one in run.model.module.named_parameters() if id(one) not in trained_ones}


def _train(run: Prepared, folder: RunFolder, *, cut_off: int | None = None) -> _Ended:
    """Train to the end, or until the power fails in a step; from a checkpoint if there is one."""
    losses: list[tuple[int, float]] = []

    def watch(record: Payload | Progress) -> None:
        if isinstance(record, Step):
            losses.append((record.step, record.loss))
            if record.step == cut_off:
                raise _CutOffError

    last = folder.last()
    if last is not None:
        journal.cut(folder.journal, position=checkpoint.load_state(last).journal)
    with Journal(folder.journal, observers=(watch,)) as record:
        loop: Loop[Any] = build_loop(run, folder, record)
        if last is not None:
            sound.check(folder, last, trains=run.attached.state_dict())
            loop.resume(last)
        try:
            loop.run()
        except Interrupted:  # nothing of this can go on
            raise KeyboardInterrupt from None
    return _Ended(folder=folder, losses=losses, random=randomness.capture(), stages=loop.control.stages)


def _moved(run: Prepared, start: Mapping[str, Tensor], stages: tuple[Stage, ...]) -> Guarantee:
    ended = run.attached.state_dict()
    turn = set(ended) if not stages else {name for one in stages if one.start < STEPS for name in one.names}
    still = [name for name in turn if torch.equal(start[name], ended[name])]
    unused = _unused(run, still)
    wrong = [name for name in still if name not in unused]
    early = [name for name in ended if name not in turn and not torch.equal(start[name], ended[name])]
    numbers = sum(ended[name].numel() for name in turn - unused)
    done = counted(STEPS, "steps")
    holds = f"all {counted(len(turn) - len(unused), 'tensors')} that train ({numbers:,} numbers) moved in {done}"
    if unused:
        holds += f"; the model's forward pass uses {_some(unused)} nowhere"
    if len(turn) < len(ended):
        holds += f"; the other {len(ended) - len(turn)}, whose turn comes later, stood still bit for bit"
    broken = (
        f"these did not move in {done}: {_some(wrong)}" if wrong else f"these moved before their turn: {_some(early)}"
    )
    return within(TRAINED, float(len(wrong) + len(early)), EXACT, holds=holds, broken=broken)


def _unused(run: Prepared, names: Collection[str]) -> set[str]:
    """Of these tensors those that the model's own whole forward pass gives no gradient: nothing can train them."""
    own = {name: one for name, one in run.model.module.named_parameters() if name in set(names)}
    if not own:
        return set()
    run.attached.eval()
    with torch.enable_grad():
        loss = kinds.own_logits(run, [0, 1]).square().sum()
    found = torch.autograd.grad(loss, list(own.values()), allow_unused=True)
    return {name for name, gradient in zip(own, found, strict=True) if gradient is None}


def _still(run: Prepared, before: Mapping[str, Tensor]) -> Guarantee:
    if not before:
        return absent(FROZEN, f"method {run.method.name} trains every tensor: none is frozen")
    now = _others(run)
    wrong = [name for name in before if name not in now or not torch.equal(before[name], now[name])]
    return within(
        FROZEN,
        float(len(wrong)),
        EXACT,
        holds=f"all {counted(len(before), 'tensors')} that are frozen are bit for bit what they were",
        broken=f"these are frozen, and were changed in {counted(STEPS, 'steps')}: {_some(wrong)}",
    )


def _went_on(bench: Bench, whole: _Ended, ends: Trained) -> Guarantee:
    folder = RunFolder(bench.folder / "parts")
    with suppress(_CutOffError):
        _train(start_again(bench.run), folder, cut_off=CUT_OFF)
    try:
        again = _train(_elsewhere(bench.run), folder)
        return _compared(bench, whole, again, ends)
    except (RunError, KeyError, TypeError, ValueError) as error:
        said = error.problems[0].found if isinstance(error, RunError) else f"{type(error).__name__}: {error}"
        return failed(RESUME, f"the checkpoint could not be gone on from: {said}")
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)


def _elsewhere(run: Prepared) -> Prepared:
    """The run as another process finds it: another start, other random numbers."""
    start_again(replace(run, draws=(run.draws + 1) % 2**32))
    torch.rand(7)
    return run


def _compared(bench: Bench, whole: _Ended, again: _Ended, ends: Trained) -> Guarantee:
    """Weights, moments, losses and the next random numbers of both."""
    now = bench.run.attached.state_dict()
    differ = [name for name, tensor in ends.tuned.items() if not torch.equal(tensor, now[name])]
    moments = _different(*(checkpoint.load_moments(_last(one.folder)) for one in (whole, again)))
    losses = sum(one not in whole.losses for one in again.losses)
    drawn = whole.random == again.random
    other = [
        f"{len(differ)} of {counted(len(now), 'trained tensors')}" if differ else "",
        f"{counted(moments, 'optimizer tensors')}" if moments else "",
        f"{counted(losses, 'losses')}" if losses else "",
        "" if drawn else "the random numbers that come next",
    ]
    told = ", ".join(text for text in other if text)
    how = f"cut off in step {CUT_OFF} of {STEPS}, and gone on with from the checkpoint of step {CUT_OFF - 1}"
    if bench.run.device.type != "cpu" and drawn:
        return _on_a_device(now, ends, how)
    count = len(differ) + moments + losses + (not drawn)
    return within(
        RESUME,
        float(count),
        EXACT,
        holds=f"a training {how}, ends bit for bit as an uninterrupted one: weights, moments, losses, random numbers",
        broken=f"a training {how}, does not end as an uninterrupted one; what differs: {told}",
    )


def _on_a_device(now: Mapping[str, Tensor], ends: Trained, how: str) -> Guarantee:
    moved = [ends.tuned[name] - ends.start[name] for name in ends.tuned]
    figure = distance(moved, [now[name] - ends.start[name] for name in ends.tuned])
    return within(
        RESUME,
        figure,
        ON_A_DEVICE,
        holds=f"a training {how}, moves the weights as an uninterrupted one (of the distance that they moved: on this"
        " device sums have no fixed order), and draws the same random numbers",
        broken=f"a training {how}, moves the weights elsewhere than an uninterrupted one",
    )


def _different(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> int:
    same = {name for name in one.keys() & other.keys() if torch.equal(one[name], other[name])}
    return len((one.keys() | other.keys()) - same)


def _last(folder: RunFolder) -> Path:
    last = folder.last()
    if last is None:
        raise ValueError("a training without a checkpoint")
    return last


def _some(names: Collection[str]) -> str:
    listed = sorted(names)
    more = len(listed) - NAMED
    return ", ".join(listed[:NAMED]) + (f" and {more} more" if more > 0 else "")
