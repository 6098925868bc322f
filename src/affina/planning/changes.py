"""What would make a run smaller, each with the peak that it would have.

A change's peak is the run's own, scaled stage by stage as the sizes say; for another method the model is looked at with
that method on it, and then put back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from affina.data.batching import plan_epoch
from affina.data.drawing import drawn_places
from affina.errors import InputError
from affina.pipeline.attaching import goes_on, instead, takes_others
from affina.pipeline.prepared import Prepared
from affina.pipeline.running_again import KEY, can_run_again, with_key
from affina.pipeline.writing.subject import Writing
from affina.planning.activations import Activations, look
from affina.planning.costs import batches_of, costs_of
from affina.planning.estimate import BESIDE, RISKS, Setup, evaluation_bytes, parts_of, setup_of, weight_bytes
from affina.planning.forecast import Change, Memory
from affina.recipe.method_specs import LoraSpec
from affina.recipe.schema import Method
from affina.recipe.weight_specs import PartialSpec
from affina.runtime.machine import low_precision_missing
from affina.tasks.answers import begun

MOST_LOOKED_AT: Final = 10_000
"""Rows of a split whose answers must not be cut away."""
SMALLEST: Final = 16
"""Tokens: no shorter limit is proposed."""
CUTS: Final = (2, 4, 8)


def changes_of(prepared: Prepared, activations: Activations, *, again: float | None = None) -> dict[Change, Setup]:
    """Smaller runs, each with what decides its memory; the peaks are still those of nothing (`weighed` fills them in).

    Args:
        prepared: the run; its method is put back afterwards.
        activations: from `look`.
        again: times what a step takes with its blocks run again, where that was measured.
    """
    setup, least = setup_of(prepared, activations), max(SMALLEST, _least_length(prepared))
    found = [*_batches(setup), *_running_again(prepared, setup, again), *_lengths(setup, least)]
    found += [*_precision(prepared, setup), *_methods(prepared, setup)]
    if found:
        found.append(_all_of_them(prepared, setup, least))
    return {Change(words=words, peak=0, costs=costs): smaller for words, costs, smaller in found}


def weighed(memory: Memory, prepared: Prepared, changes: Mapping[Change, Setup], setup: Setup) -> tuple[Change, ...]:
    """The changes with their peaks, those that make nothing smaller left out.

    Args:
        memory: the run's own, from its sizes or rehearsed.
        prepared: the run.
        changes: from `changes_of`.
        setup: the run's own.
    """
    own = _added(prepared, setup)
    below = memory.parts["weights, rows, libraries"] + (BESIDE if prepared.device.type == "cpu" else 0)
    twice = below + weight_bytes(prepared.model.module)  # the model as it came beside the model, whatever trains
    found = []
    for change, smaller in changes.items():
        added = _added(prepared, smaller)
        peak = max(
            max(_scaled(held, below, own.get(stage, 0), added.get(stage, 0)), twice if stage == RISKS else 0)
            for stage, held in memory.stages.items()
        )
        if peak < 0.99 * memory.peak:
            found.append(replace(change, peak=peak))
    return tuple(found)


def _scaled(held: int, below: int, own: int, added: int) -> int:
    """What a stage would hold, if what it adds to what every setup holds changed as the sizes say."""
    return held if own <= 0 or held <= below else below + round((held - below) * added / own)


def _added(prepared: Prepared, setup: Setup) -> dict[str, int]:
    """Stage to the bytes that it adds to the loaded model, for the stages that depend on the setup."""
    training = sum(parts_of(setup, seed=prepared.draws).values())
    return {
        "training": training,
        "evaluation": evaluation_bytes(setup),
        "checkpoint": training,  # the heap keeps what the steps held, and the best weights are as large as what trains
        "export": training,
        RISKS: training,
        "range test": training + setup.weights,
    }


_Found = tuple[tuple[str, ...], str, Setup]


def _batches(setup: Setup) -> Iterator[_Found]:
    longest = max(setup.lengths)
    budgets = [setup.budget // cut for cut in CUTS if setup.budget // cut >= longest]
    if longest < setup.budget and (not budgets or budgets[-1] > longest):
        budgets.append(longest)
    for budget in budgets:
        times = max(1, round(setup.budget / budget)) * setup.accumulate
        words = (f"train.batch_tokens={budget}", f"train.accumulate={times}")
        yield words, "the same rows in a step, more slowly", replace(setup, budget=budget, accumulate=times)


def _running_again(prepared: Prepared, setup: Setup, measured: float | None) -> Iterator[_Found]:
    if prepared.recipe.train.checkpoint_activations or not can_run_again(prepared):
        return
    changed = with_key(prepared, on=True)
    shapes = batches_of(prepared).shapes
    by_rule = sum(map(costs_of(changed).step, shapes)) / sum(map(costs_of(prepared).step, shapes))
    how = "by the operations" if measured is None else "measured"
    costs = f"the same numbers; the passes of a step take {measured or by_rule:.2f} times as long ({how})"
    yield (f"{KEY}=true",), costs, replace(setup, activations=look(changed))


def _least_length(prepared: Prepared) -> int:
    """Tokens below which a row of a model that writes has nothing left of what is learned of it."""
    splits = prepared.subject.passages.values() if isinstance(prepared.subject, Writing) else ()
    some = (rows[place] for rows in splits for place in drawn_places(len(rows), most=MOST_LOOKED_AT, seed=0))
    return max((len(begun(passage, learned=1).ids) for passage in some), default=0)


def _lengths(setup: Setup, least: int) -> Iterator[_Found]:
    longest = max(setup.lengths)
    for cut in CUTS[:2]:
        limit = longest // cut
        if limit < least:
            return
        budget = max(limit, setup.budget // cut)
        gone = sum(length > limit for length in setup.lengths)
        smaller = replace(setup, lengths=_cut(setup.lengths, limit), others=_cut(setup.others, limit), budget=budget)
        words = (f"data.max_length={limit}", f"train.batch_tokens={budget}")
        yield words, f"{gone:,} of {len(setup.lengths):,} training texts are cut to {limit} tokens", smaller


def _cut(lengths: object, limit: int) -> list[int]:
    return [min(length, limit) for length in lengths]  # type: ignore[attr-defined]


def _precision(prepared: Prepared, setup: Setup) -> Iterator[_Found]:
    if prepared.precision == "fp32" and low_precision_missing(prepared.device, "bf16") is None:
        half = look(replace(prepared, precision="bf16"))
        yield ("train.precision=bf16",), "less exact products", replace(setup, activations=half)


def _methods(prepared: Prepared, setup: Setup) -> Iterator[_Found]:
    """The embeddings frozen, low-rank updates, half of the blocks frozen too, all of them too: what trains less."""
    if not takes_others(prepared):
        return
    blocks = len(prepared.model.anatomy.blocks)
    tried: list[tuple[PartialSpec | LoraSpec, str]] = [
        (PartialSpec(), "the embeddings stay as they are"),
        (LoraSpec(), "low-rank updates learn, the weights stay as they are"),
        (PartialSpec(blocks=blocks // 2), f"the lower {blocks - blocks // 2} of {blocks} blocks stay as they are too"),
        (PartialSpec(blocks=0), "the head alone learns"),
    ]
    for spec, costs in tried:
        if goes_on(prepared) and spec.name == prepared.method.name:
            continue  # the adapter's shape is what it is
        with suppress(InputError):  # a model that cannot take low-rank updates
            with_it = _setup_with(prepared, spec)
            if 0 < with_it.trained < setup.trained:  # a model that writes has no head that learns alone
                yield _words(spec), costs, with_it


def _words(spec: PartialSpec | LoraSpec) -> tuple[str, ...]:
    if isinstance(spec, LoraSpec):
        return ("method=lora",)
    return ("method=partial",) if spec.blocks == "all" else (f"method={{name: partial, blocks: {spec.blocks}}}",)


def _setup_with(prepared: Prepared, spec: Method) -> Setup:
    """The run's setup with another method; the model's own is put back."""
    with instead(prepared, spec) as changed:
        return setup_of(changed, look(changed))


def _smallest(prepared: Prepared, spec: PartialSpec | LoraSpec) -> tuple[Setup, tuple[str, ...]]:
    """The same with the blocks run again where that is something, and the words for it."""
    with instead(prepared, spec) as changed:
        again = with_key(changed, on=can_run_again(changed))
        new = again.recipe.train.checkpoint_activations and not prepared.recipe.train.checkpoint_activations
        return setup_of(again, look(again)), (*_words(spec), *((f"{KEY}=true",) if new else ()))


def _all_of_them(prepared: Prepared, setup: Setup, least: int) -> _Found:
    """The smallest run that we know of."""
    smallest, words, costs = setup, tuple[str, ...](), "all of that together"
    if takes_others(prepared):
        spec = PartialSpec(blocks=0 if prepared.subject.outputs else len(prepared.model.anatomy.blocks) // 2)
        smallest, words = _smallest(prepared, spec)
        costs = f"{costs}, with as few weights that learn"
    limit = max(least, max(setup.lengths) // 4)
    lengths, others = _cut(setup.lengths, limit), _cut(setup.others, limit)
    budget = max(lengths)
    batches = len(plan_epoch(lengths, budget=setup.budget, seed=prepared.draws, epoch=0))
    times = max(1, len(plan_epoch(lengths, budget=budget, seed=prepared.draws, epoch=0)) // max(1, batches))
    words += (f"data.max_length={limit}", f"train.batch_tokens={budget}", f"train.accumulate={times}")
    smaller = replace(smallest, lengths=lengths, others=others, budget=budget, accumulate=times)
    return words, costs, smaller
