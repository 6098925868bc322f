"""Checks of the method: merged is unmerged, and switched off it is the base.

Four steps may move a model so little that a fault could hide below the bound, or so far that it reads its texts no
more: the model that is looked at has the smallest multiple of their change that shows.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator, Mapping
from typing import Final

import torch
from torch import Tensor

from affina.methods.base import Mergeable, between
from affina.pipeline.answering.subject import Answering
from affina.pipeline.attaching import is_beside
from affina.pipeline.prepared import Prepared
from affina.reporting.formats import counted
from affina.verifying import kinds
from affina.verifying.bench import Bench
from affina.verifying.guarantees import EXACT, Guarantee, absent, within
from affina.verifying.measuring import off, precisely
from affina.verifying.short_run import Trained

MERGE: Final = "merge"
DISABLED: Final = "disabled"
SHOWS: Final = 1e-2
"""Of the largest logit: what a change that is looked at moves a logit by, at least."""
FACTORS: Final = (1e-2, 1e-1, 1.0, 10.0, 100.0, 1e3, 1e4)


@torch.no_grad()
def show(bench: Bench, ends: Trained) -> None:
    """Put a multiple of the training's change into the model: the first that shows."""
    run, places = bench.run, bench.looked[:1]
    run.attached.eval()
    run.attached.load_state_dict(ends.start)
    before = kinds.logits(run, places)
    last = FACTORS[0]
    for times in FACTORS:
        run.attached.load_state_dict(between(ends.start, ends.tuned, times))
        moved = off(kinds.logits(run, places), before)
        if not math.isfinite(moved):
            break
        last = times
        if moved >= SHOWS:
            return
    run.attached.load_state_dict(between(ends.start, ends.tuned, last))


def of_method(bench: Bench) -> Iterator[Guarantee]:
    """Both."""
    yield merged(bench)
    yield disabled(bench)


def merged(bench: Bench) -> Guarantee:
    """The logits of the model with the training written into its weights, and beside them."""
    run, places = bench.run, bench.looked
    attached = run.attached
    if not isinstance(attached, Mergeable):
        return absent(MERGE, _not_merged(run))
    with torch.no_grad(), precisely(run, double=bench.double):
        before = kinds.logits(run, places)
        with attached.merged():
            figure = off(kinds.logits(run, places), before)
        is_back = torch.equal(kinds.logits(run, places), before)
    what = f"the logits of {counted(len(places), 'rows')}"
    broken = f"{what}, merged, are not those of the model with its method beside it"
    if figure <= bench.close and not is_back:
        broken = f"{what} are others once the merging is undone"
        figure = float("nan")
    return within(
        MERGE,
        figure,
        bench.close,
        holds=f"{what} are the same with what was trained written into the weights, and beside them again after",
        broken=broken,
    )


def _not_merged(run: Prepared) -> str:
    if run.model.source.packed:
        return "the matrices are in four bits, to which nothing can be added"
    if is_beside(run.attached):
        return f"method {run.method.name} trains virtual tokens, which cannot be written into weights"
    return f"method {run.method.name} trains the model's own weights: there is nothing to merge"


@torch.no_grad()
def disabled(bench: Bench) -> Guarantee:
    """The model with its method switched off, against its files read once more."""
    run, places = bench.run, bench.looked
    before = kinds.logits(run, places)
    with torch.random.fork_rng(devices=[]):
        fresh = run.model.again().to(run.device).eval()
    with run.attached.disabled():
        wrong = _not_base(run, dict(fresh.named_parameters()))
        ours = kinds.base_states(run, run.model.module, places)
    same = torch.equal(ours, kinds.base_states(run, fresh, places))
    del fresh
    gc.collect()
    is_back = torch.equal(kinds.logits(run, places), before)
    faults = [f"{counted(len(wrong), 'tensors')} of the base" if wrong else ""]
    faults += ["" if same else "its outputs", "" if is_back else "the tuned model, once it is switched on again"]
    told = ", ".join(text for text in faults if text)
    return within(
        DISABLED,
        float(len(wrong) + (not same) + (not is_back)),
        EXACT,
        holds="switched off, weights and outputs are bit for bit those of the base read from its files again",
        broken=f"switched off, the model is not the base bit for bit; what differs: {told}",
    )


def _not_base(run: Prepared, base: Mapping[str, Tensor]) -> list[str]:
    """The tensors that are not the base's; a head is no part of it."""
    anatomy = run.model.anatomy
    skipped = set(_new(run))
    return [
        name
        for name, tensor in run.model.module.named_parameters()
        if name not in skipped and anatomy.part_of(name) != "head" and not torch.equal(tensor, base[name])
    ]


def _new(run: Prepared) -> tuple[str, ...]:
    """Tensors that no file has."""
    subject = run.subject
    return subject.model.new_parameters if isinstance(subject, Answering) else ()
