"""Whether a run's frozen blocks are run once for each row and not in each pass: decided before anything is trained.

It must be exact, which a trial on a few rows shows (`cutting`), save passes, and have the room on the disk. Owns
`train.cache`. How what is kept is written and put in again is `stepping_over`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch

from affina.data.batching import by_length
from affina.methods.reach import lowest_reached
from affina.pipeline.cutting import Tried, tried
from affina.pipeline.effort import tokens_of_epoch
from affina.pipeline.kept import Kept
from affina.pipeline.prepared import Prepared
from affina.pipeline.training import judged_places, plan_of, turns_in
from affina.recipe.base import AUTO
from affina.recipe.resolve import GIVEN
from affina.reporting.formats import mebibytes
from affina.runtime.disk import free_disk
from affina.training.kept_states import Shelf
from affina.values import Resolved

CACHE: Final = "train.cache"
NARROW: Final = "float16"
LEAST_SAVED: Final = 1.5
"""Tokens that frozen blocks are run for in all passes, over those that there are, from which it pays."""
FREE_SHARE: Final = 0.5
"""Of the free disk."""
GIB: Final = 2**30


class _UnfitError(Exception):
    """Why frozen blocks are not run once; the text is for the user."""


Begun = Callable[[], Resolved[Any] | None]


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
    if before is not None and before.value is False:
        return _with_choice(prepared, Resolved(False, before.reason))
    try:
        kept, reason = _decided(prepared, goes_on=before is not None)
    except _UnfitError as unfit:
        return _with_choice(prepared, Resolved(False, str(unfit)))
    return replace(_with_choice(prepared, Resolved(NARROW if asked == NARROW else True, reason)), kept=kept)


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
    found = tried(prepared)
    if isinstance(found, str):
        raise _UnfitError(found)
    kept = Kept(cut=found.cut, shelves=_shelves(prepared, found))
    if not goes_on:
        _check_room(prepared, kept)
    frozen, of = found.cut.depth, len(prepared.model.anatomy.blocks)
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
    epoch = tokens_of_epoch(prepared)
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


def _shelves(prepared: Prepared, found: Tried) -> dict[str, tuple[Shelf, ...]]:
    """What each file will hold: the rows in the order in which they are run, whatever the training does with them."""
    splits = {"train": range(len(prepared.rows["train"])), "validation": judged_places(prepared)}
    return {split: _shelves_of(prepared, found, split, list(places)) for split, places in splits.items() if places}


def _shelves_of(prepared: Prepared, found: Tried, split: str, places: Sequence[int]) -> tuple[Shelf, ...]:
    tokens = prepared.subject.read_tokens(split)
    rows = tuple(row for batch in batches_to_keep(prepared, split, places) for row in batch)
    narrow = prepared.recipe.train.cache == NARROW
    return tuple(
        Shelf(
            name=f"{split}-{number}",
            rows=rows,
            tokens=tuple(1 if found.cut.first_alone else tokens[row][number] for row in rows),
            width=found.width,
            stored=torch.float16 if narrow else given,
            given=given,
        )
        for number, given in enumerate(found.types[split])
    )


def batches_to_keep(prepared: Prepared, split: str, places: Sequence[int]) -> list[list[int]]:
    """The batches in which rows are run to be kept: always the same, so that they give the same bits again."""
    lengths = prepared.subject.lengths[split]
    found = by_length([lengths[place] for place in places], budget=prepared.evaluation_budget)
    return [[places[number] for number in batch] for batch in found]
