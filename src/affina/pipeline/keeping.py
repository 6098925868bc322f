"""Whether a run's frozen blocks are run once for each row and not in each pass: decided before anything is trained.

It must be exact, which a trial on a few rows shows (`cutting`), save passes, and have the room on the disk. Owns
`train.cache`. In which steps which blocks are stepped over is laid out in `stretches`; how what is kept is written and
put in again is `stepping_over`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from affina.methods.reach import lowest_reached
from affina.pipeline.kept import Kept, Stretch
from affina.pipeline.prepared import Prepared
from affina.pipeline.stretches import NARROW, stage_by_stage, throughout
from affina.pipeline.training import LaidOut, laid_out, turns_in
from affina.recipe.base import AUTO
from affina.recipe.resolve import GIVEN
from affina.reporting.formats import mebibytes
from affina.runtime.disk import free_disk
from affina.values import Resolved

CACHE: Final = "train.cache"
LEAST_SAVED: Final = 1.5
"""Tokens that frozen blocks are run for in all passes, over those that there are, from which it pays."""
FREE_SHARE: Final = 0.5
"""Of the free disk."""
GIB: Final = 2**30


class _UnfitError(Exception):
    """Why frozen blocks are not run once; the text is for the user."""


Begun = Callable[[], Resolved[Any] | None]


def with_kept(prepared: Prepared, *, begun: Begun, steps: LaidOut | None = None) -> Prepared:
    """The run with what is kept of its frozen blocks decided, and said where there was something to decide.

    Args:
        prepared: everything else is decided.
        begun: gives what the stopped run that goes on came to, which another value could not go on.
        steps: gives the run's plan, where somebody has laid it out.
    """
    asked = prepared.recipe.train.cache
    if asked is False or (asked == AUTO and not _is_a_question(prepared)):
        return prepared
    before = begun()
    if before is not None and before.value is False:
        return _with_choice(prepared, Resolved(False, before.reason))
    try:
        kept, reason = _decided(prepared, steps or laid_out(prepared), goes_on=before is not None)
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


def _decided(prepared: Prepared, steps: LaidOut, *, goes_on: bool) -> tuple[Kept, str]:
    train = prepared.recipe.train
    turns = turns_in(prepared)
    in_turn = turns is not None and bool(turns.stages)
    if not in_turn and not _lowest(prepared):
        raise _UnfitError("no block is frozen below what trains")
    if train.neftune:
        raise _UnfitError("train.neftune puts noise on the embeddings, below the frozen blocks")
    by_itself = train.cache == AUTO
    if by_itself and not goes_on and prepared.device.type != "cpu":
        raise _UnfitError(
            f"to read states from the disk may take {prepared.device.type} longer than to run the blocks again;"
            f" {CACHE}=true keeps them"
        )
    if in_turn:
        laid = stage_by_stage(prepared, steps, price=LEAST_SAVED if by_itself else 1.0)
    else:
        laid = throughout(prepared, steps, least=LEAST_SAVED if by_itself and not goes_on else 0.0)
    if isinstance(laid, str):
        raise _UnfitError(laid)
    stretches, what = laid
    kept = _with_room(prepared, stretches, goes_on=goes_on)
    narrow = ", rounded to float16, which is not exact" if train.cache == NARROW else ""
    return kept, f"{'' if by_itself else f'{GIVEN}; '}{what} in {mebibytes(kept.bytes)} on the disk{narrow}"


def _with_room(prepared: Prepared, stretches: Sequence[Stretch], *, goes_on: bool) -> Kept:
    """Each file on the disk, beside the one that it is made from where both have the room."""
    recipe = prepared.recipe
    free = free_disk(Path("runs" if recipe.run == AUTO else recipe.run))
    given = recipe.train.cache_gib
    limit = round(FREE_SHARE * free) if given == AUTO else min(free, round(given * GIB))
    largest = max(stretch.bytes for stretch in stretches)
    if largest > limit and not goes_on:
        why = "half of what is free there" if given == AUTO else f"train.cache_gib={given:g}"
        why = "what is free there" if given != AUTO and limit == free else why
        raise _UnfitError(
            f"what the frozen blocks give would take {mebibytes(largest)} on the disk, more than the"
            f" {mebibytes(limit)} of {why}"
        )
    others = [0, *(stretch.bytes for stretch in stretches[:-1])]
    pairs = zip(stretches, others, strict=True)
    return Kept(
        stretches=tuple(replace(one, goes_on=one.goes_on and one.bytes + other <= limit) for one, other in pairs)
    )
