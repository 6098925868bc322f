"""Whether a run's frozen blocks are run once for each row and not in each pass: decided before anything is trained.

It must be exact, which a trial on a few rows shows; save passes; and have the room on the disk. Owns `train.cache`. How
what is kept is written and put in again is `replaying`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from affina.data.batching import by_length
from affina.data.mixing import seen_in, weights_of
from affina.methods.reach import lowest_reached
from affina.models.frozen_prefix import Cut, find_cut, frozen_states, stepped_over
from affina.pipeline.kept import Kept, Readable
from affina.pipeline.prepared import Prepared
from affina.pipeline.training import judged_places, plan_of, turns_in
from affina.recipe.base import AUTO
from affina.recipe.resolve import GIVEN
from affina.reporting.formats import mebibytes
from affina.runtime import randomness
from affina.runtime.disk import free_disk
from affina.tasks.layout import Layout, first_of_each
from affina.training.kept_states import Shelf
from affina.training.precision import Precision
from affina.values import Resolved

CACHE: Final = "train.cache"
NARROW: Final = "float16"
CLOSE: Final = 1e-5
"""Of the loss, and of the gradients as one vector: what the order of float32 sums may change."""
STILL: Final = 1e-3
"""Of the states: dropout moves them by far more."""
LEAST_SAVED: Final = 1.5
"""Tokens that frozen blocks are run for in all passes, over those that there are, from which it pays."""
FREE_SHARE: Final = 0.5
"""Of the free disk."""
GIB: Final = 2**30

Begun = Callable[[], Resolved[Any] | None]


class _UnfitError(Exception):
    """Why frozen blocks are not run once; the text is for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """What a trial found out.

    Attributes:
        cut: where the model is cut.
        width: of what is kept.
        types: split to the type that each stack's states have.
    """

    cut: Cut
    width: int
    types: dict[str, tuple[torch.dtype, ...]]


def with_kept(prepared: Prepared, *, begun: Begun) -> Prepared:
    """The run with what is kept of its frozen blocks decided, and said where there was something to decide.

    Args:
        prepared: everything else is decided.
        begun: gives what the stopped run that goes on came to, which another value could not go on.
    """
    asked = prepared.recipe.train.cache
    if asked is False or (asked == AUTO and not _is_a_question(prepared)):
        return prepared
    before = begun()
    try:
        kept, reason = _decided(prepared, goes_on=before is not None and before.value not in (False, AUTO))
    except _UnfitError as unfit:
        return _with_choice(prepared, Resolved(False, str(unfit)))
    value = NARROW if asked == NARROW else True
    if before is not None:
        reason = before.reason
    return replace(_with_choice(prepared, Resolved(value, reason)), kept=kept)


def _with_choice(prepared: Prepared, choice: Resolved[bool | str]) -> Prepared:
    return replace(prepared, choices={**prepared.choices, CACHE: choice})


def _is_a_question(prepared: Prepared) -> bool:
    """Whether blocks are frozen, now or in a part of the run."""
    turns = turns_in(prepared)
    return _lowest(prepared) > 0 or (turns is not None and bool(turns.stages))


def _lowest(prepared: Prepared) -> int:
    return lowest_reached(prepared.model.module, prepared.model.anatomy, prepared.attached.state_dict())


def _decided(prepared: Prepared, *, goes_on: bool) -> tuple[Kept, str]:
    train = prepared.recipe.train
    turns = turns_in(prepared)
    if turns is not None and turns.stages:
        raise _UnfitError("layers train in turn, so that other blocks are frozen in each stage")
    if not _lowest(prepared):
        raise _UnfitError("no block is frozen below what trains")
    if train.neftune:
        raise _UnfitError("train.neftune puts noise on the embeddings, below the frozen blocks")
    passes = _passes(prepared)
    if train.cache == AUTO and not goes_on:
        _check_worth(prepared, passes)
    tried = _tried(prepared)
    kept = Kept(cut=tried.cut, shelves=_shelves(prepared, tried))
    if not goes_on:
        _check_room(prepared, kept)
    frozen, of = tried.cut.depth, len(prepared.model.anatomy.blocks)
    narrow = ", rounded to float16, which is not exact" if train.cache == NARROW else ""
    return kept, (
        f"{'' if train.cache == AUTO else f'{GIVEN}; '}the lower {frozen} of {of} blocks are frozen, and the plan has"
        f" {passes:.1f} passes over the rows: what they give is kept in {mebibytes(kept.bytes)} on the disk{narrow}"
    )


def _check_worth(prepared: Prepared, passes: float) -> None:
    if prepared.device.type != "cpu":
        raise _UnfitError(
            f"to read states from the disk may take {prepared.device.type} longer than to run the blocks again;"
            f" {CACHE}=true keeps them"
        )
    if passes < LEAST_SAVED:
        raise _UnfitError(f"the plan has {passes:.1f} passes over the rows: too few for one more to pay")


def _passes(prepared: Prepared) -> float:
    """Tokens that the run goes over, over those that there are, the validation rows' included."""
    lengths, hyper = prepared.subject.lengths, prepared.hyper
    epochs = hyper.epochs.value
    if prepared.recipe.train.max_steps:
        plan = plan_of(prepared)
        epochs = plan.epoch_after(plan.total_steps)
    weights = weights_of(prepared.rows["train"], prepared.loaded.weights)
    epoch = sum(lengths["train"][place] for place in seen_in(weights, seed=prepared.draws, epoch=0))
    judged = sum(lengths["validation"][place] for place in judged_places(prepared))
    evaluations = 1 + hyper.per_epoch.value * epochs
    return (epochs * epoch + evaluations * judged) / max(1, sum(lengths["train"]) + judged)


def _check_room(prepared: Prepared, kept: Kept) -> None:
    recipe = prepared.recipe
    free = free_disk(Path("runs" if recipe.run == AUTO else recipe.run))
    given = recipe.train.cache_gib
    limit = round(FREE_SHARE * free) if given == AUTO else min(free, round(given * GIB))
    if kept.bytes > limit:
        why = "half of what is free there" if given == AUTO else f"train.cache_gib={given:g}"
        why = "what is free there" if given != AUTO and limit == free else why
        raise _UnfitError(
            f"what the frozen blocks give would take {mebibytes(kept.bytes)} on the disk, more than the"
            f" {mebibytes(limit)} of {why}"
        )


def _shelves(prepared: Prepared, tried: _Tried) -> dict[str, tuple[Shelf, ...]]:
    """What each file will hold: the rows in the order in which they are run, whatever the training does with them."""
    splits = {"train": range(len(prepared.rows["train"])), "validation": judged_places(prepared)}
    return {split: _shelves_of(prepared, tried, split, list(places)) for split, places in splits.items() if places}


def _shelves_of(prepared: Prepared, tried: _Tried, split: str, places: Sequence[int]) -> tuple[Shelf, ...]:
    tokens = prepared.subject.read_tokens(split)
    rows = tuple(row for batch in batches_to_keep(prepared, split, places) for row in batch)
    narrow = prepared.recipe.train.cache == NARROW
    return tuple(
        Shelf(
            name=f"{split}-{number}",
            rows=rows,
            tokens=tuple(1 if tried.cut.first_alone else tokens[row][number] for row in rows),
            width=tried.width,
            stored=torch.float16 if narrow else given,
            given=given,
        )
        for number, given in enumerate(tried.types[split])
    )


def batches_to_keep(prepared: Prepared, split: str, places: Sequence[int]) -> list[list[int]]:
    """The batches in which rows are run to be kept: always the same, so that they give the same bits again."""
    lengths = prepared.subject.lengths[split]
    found = by_length([lengths[place] for place in places], budget=prepared.evaluation_budget)
    return [[places[number] for number in batch] for batch in found]


def layouts_of(cut: Cut, batch: Readable) -> Sequence[Layout]:
    """Where the tokens stand whose states are kept, for each stack."""
    layouts = batch.layouts[: len(cut.stacks)]
    return [first_of_each(layouts[0])] if cut.first_alone else layouts


def _tried(prepared: Prepared) -> _Tried:
    """Run a few rows both ways.

    Raises:
        _UnfitError: it is not the same.
    """
    kind = type(prepared.model.module).__name__
    try:
        with randomness.untouched():
            return _try(prepared, kind)
    except _UnfitError:
        raise
    except Exception as error:  # a family's own code, run in a way that it may not be made for
        said = (str(error).strip().splitlines() or [""])[0]
        raise _UnfitError(f"in a trial a {kind} could not be cut: {type(error).__name__}: {said}"[:300]) from error
    finally:
        prepared.attached.eval()


def _try(prepared: Prepared, kind: str) -> _Tried:
    module, attached, subject = prepared.model.module, prepared.attached, prepared.subject
    work, autocast = subject.work(prepared), Precision(prepared.precision, prepared.device).autocast
    batch = work.batch(_few(subject.lengths["train"]))

    def run() -> Tensor:
        return subject.read(batch)

    attached.train()
    with autocast():
        cut = find_cut(module, prepared.model.anatomy, run)
    if cut is None or not cut.depth:
        raise _UnfitError("no block is frozen that could be left out")
    with torch.no_grad():
        with autocast():
            moving = frozen_states(module, cut, run)
            attached.eval()
            narrow = frozen_states(module, cut, run)
        exact = frozen_states(module, cut, run)
    layouts = layouts_of(cut, batch)
    for layout, one, other in zip(layouts, moving, narrow, strict=True):
        if _apart(layout.gathered(one), layout.gathered(other)) > STILL:
            raise _UnfitError("something is drawn at random in the frozen blocks while the others train")
    known = [layout.spread(layout.gathered(states)) for layout, states in zip(layouts, exact, strict=True)]
    whole = _loss_and_gradients(prepared, work.loss(batch))
    with stepped_over(module, cut, known):
        over = _loss_and_gradients(prepared, work.loss(batch))
    if max(_apart(one, other) for one, other in zip(over, whole, strict=True)) > CLOSE:
        raise _UnfitError(f"in a trial a {kind} gave another loss where its frozen blocks were stepped over")
    types = {"train": tuple(states.dtype for states in narrow), "validation": tuple(states.dtype for states in exact)}
    return _Tried(cut=cut, width=exact[0].shape[-1], types=types)


def _few(lengths: Sequence[int]) -> list[int]:
    """Three rows of different lengths, none of them of the longer half."""
    order = sorted(range(len(lengths)), key=lambda place: lengths[place])
    return list(dict.fromkeys(order[place] for place in (len(order) // 2, len(order) // 4, 0)))


def _loss_and_gradients(prepared: Prepared, loss: Tensor) -> tuple[Tensor, Tensor]:
    trained = [tensor for group in prepared.attached.parameter_groups() for tensor in group.parameters.values()]
    found = torch.autograd.grad(loss, trained, allow_unused=True)
    return loss.detach(), torch.cat([gradient.flatten() for gradient in found if gradient is not None])


def _apart(one: Tensor, other: Tensor) -> float:
    """The length of the difference over that of the other."""
    return float((one - other).norm() / other.norm().clamp(min=1e-30))
