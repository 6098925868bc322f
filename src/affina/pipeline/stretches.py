"""In which steps of a run which frozen blocks are stepped over, and what is kept of the rows for that.

That is one stretch, the whole run, where the same blocks are frozen throughout; where layers train in turn it is one or
more stages each. Each was tried out (`cutting`). Whether the disk has the room is `keeping`'s to judge.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import torch

from affina.data.batching import by_length
from affina.models.frozen_prefix import Cut
from affina.pipeline.cutting import Tried, cut_in, tried
from affina.pipeline.effort import tokens_of_epoch
from affina.pipeline.kept import Stretch
from affina.pipeline.prepared import Prepared
from affina.pipeline.sharing import shared
from affina.pipeline.training import LaidOut, judged_places, stages_in
from affina.training.kept_states import Shelf
from affina.training.stages import Stage

Laid = tuple[list[Stretch], str]
"""The stretches of a run, and what they are in words."""
NARROW: Final = "float16"
MOST_NAMED: Final = 6
"""Stretches that are named one by one in a sentence."""


def throughout(prepared: Prepared, steps: LaidOut, *, least: float) -> Laid | str:
    """The same blocks are frozen in all steps; why they are not run once, where fewer passes pay or it is not the same.

    Args:
        prepared: the run.
        steps: gives its plan.
        least: passes over the rows that pay.
    """
    epochs = prepared.hyper.epochs.value
    if prepared.recipe.train.max_steps:
        plan = steps()
        epochs = plan.epoch_after(plan.total_steps)
    [passes] = _passes(prepared, [epochs])
    if passes < least:
        return f"the plan has {passes:.1f} passes over the rows: too few for one more to pay"
    cut = cut_in(prepared, None)
    if cut is None or isinstance(cut, str):
        return cut or "no block is frozen that could be left out"
    found, of = tried(prepared, cut, None), len(prepared.model.anatomy.blocks)
    if isinstance(found, str):
        return found
    return [Stretch(cut=cut, shelves=_shelves(prepared, found))], (
        f"the lower {cut.depth} of {of} blocks are frozen, and the plan has {passes:.1f} passes over the rows: what"
        " they give is kept"
    )


def stage_by_stage(prepared: Prepared, steps: LaidOut, *, price: float) -> Laid | str:
    """Layers train in turn: files for stages in a row in which all of its blocks stand still; why there is none.

    Args:
        prepared: the run.
        steps: gives its plan.
        price: what a pass that makes states counts, in passes that are saved.
    """
    plan = steps()
    stages = stages_in(prepared, plan)
    starts = [*(stage.start for stage in stages), plan.total_steps]
    cuts = []
    for stage in stages:
        cut = cut_in(prepared, stage)
        if isinstance(cut, str):
            return cut
        cuts.append(cut)
    depths = [cut.depth if cut else 0 for cut in cuts]
    exact = prepared.recipe.train.cache != NARROW  # a file that is made from rounded states would be another one
    each = [plan.epoch_after(end) - plan.epoch_after(start) for start, end in itertools.pairwise(starts)]
    together = shared(depths, _passes(prepared, each), price=price, may_go_on=exact)
    if not together:
        return (
            "layers train in turn, and in no stage are there passes enough over the rows, with blocks frozen below all"
            " that trains, for one more pass to pay"
        )
    stretches: list[Stretch] = []
    for first, last in together:
        # of two as deep, what a head alone reads would serve no other stage
        cut = min((cut for cut in cuts[first : last + 1] if cut), key=lambda cut: (cut.reach, cut.backbone))
        start, end = starts[first], starts[last + 1]
        made = _of_stages(prepared, cut, stages[first : last + 1])
        if isinstance(made, str):
            return made
        before = stretches[-1] if stretches else None
        goes_on = exact and before is not None and before.end == start and before.cut.depth < cut.depth
        share = (end - start) / plan.total_steps
        shelves = next((one.shelves for one in stretches if one.shelves == made.shelves), made.shelves)  # held once
        stretches.append(replace(made, shelves=shelves, start=start, end=end, share=share, goes_on=goes_on))
    return stretches, _in_words(stretches, len(prepared.model.anatomy.blocks))


def _of_stages(prepared: Prepared, cut: Cut, stages: Sequence[Stage]) -> Stretch | str:
    """What is kept while these stages last, tried out in each of them; why not, where it is not the same in one."""
    found, *others = (tried(prepared, cut, stage) for stage in stages)
    if isinstance(found, str):
        return found
    if (why := next((other for other in others if isinstance(other, str)), None)) is not None:
        return why
    moving = frozenset[str]().union(*(stage.names for stage in stages))
    still = tuple(name for name in prepared.attached.state_dict() if name not in moving)
    return Stretch(cut=cut, shelves=_shelves(prepared, found), still=still)


def _in_words(stretches: Sequence[Stretch], of: int) -> str:
    parts = [f"{one.cut.depth} of {of} in steps {one.start + 1}-{one.end:.0f}" for one in stretches]
    named = ", ".join(parts if len(parts) <= MOST_NAMED else [*parts[:3], "...", *parts[-2:]])
    whole = "" if math.isclose(sum(one.share for one in stretches), 1) else ", all blocks run in the other steps"
    return f"layers train in turn: what the lower blocks give is kept while they are frozen ({named}{whole}),"


def _passes(prepared: Prepared, parts: Sequence[float]) -> list[float]:
    """Tokens that are gone over in parts of a run that have so many epochs, over those that there are.

    Validation rows are counted with them, and the evaluation before the first step with the first part.
    """
    lengths, per_epoch = prepared.subject.lengths, prepared.hyper.per_epoch.value
    judged = sum(lengths["validation"][place] for place in judged_places(prepared))
    epoch, there = tokens_of_epoch(prepared), max(1, sum(lengths["train"]) + judged)
    return [
        (epochs * epoch + (per_epoch * epochs + (not number)) * judged) / there for number, epochs in enumerate(parts)
    ]


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
