"""A forecast from sizes alone: no training step is run, so that it costs a start next to nothing.

What counts on a CPU is what the process holds; the weights are there already, so the estimate stands on what is held
now. How far it is off, `benchmarks/plan` measures; `LEAST` and `MOST` say it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from affina.data.batching import by_length, plan_epoch
from affina.evaluation.baselines import MOST_ROWS
from affina.methods.base import Mergeable
from affina.models.base import width
from affina.pipeline.arranging import BEGINNINGS, PACK
from affina.pipeline.looking_up import still_bytes
from affina.pipeline.prepared import EVALUATION_FACTOR, Prepared
from affina.pipeline.rates import steps_of_test
from affina.pipeline.regularising import held_bytes
from affina.pipeline.replayed import texts_for
from affina.pipeline.risks import will_read_base
from affina.pipeline.training import planner_of
from affina.planning.activations import Activations, Shape
from affina.planning.forecast import Memory
from affina.planning.room import room_for
from affina.training.optimizer import MOMENTS, Kind
from affina.training.plan import Plan

LEAST: Final = 0.7
"""Of an estimate from the sizes alone: the least that the peak was, on a machine where the run ended well."""
MOST: Final = 1.4
TRANSIENT: Final = 3.0
"""Tensors of the largest kind that a step holds beside what is saved: a gradient, a product, a copy."""
HEAP: Final = 1.25
"""Times what a stage adds to the loaded model: the gaps of the heap (docs/log.md)."""
BESIDE: Final = 45 * 2**20
"""Bytes that a stage adds whatever the model: code that is loaded when it is first used, buffers of the kernels."""
PROBE_LIBRARY: Final = "sklearn"
PROBE_CODE: Final = 104 * 2**20
"""Bytes of the library that fits probes, with what comes along; it is loaded with the first of them."""
ASKING: Final = "label scoring"
RISKS: Final = "risks"
HISTORY: Final = 25
"""Vectors of the size of the weights that L-BFGS keeps while a probe is fitted (ten pairs and its work space)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What decides the memory of a run.

    Attributes:
        lengths: tokens of each training row, as often as an epoch has it.
        others: tokens of each row that is only evaluated.
        budget: tokens of a micro-batch.
        accumulate: micro-batches of a step.
        trained: bytes of what steps move.
        weights: bytes of all that trains.
        held: bytes that regularisers hold.
        activations: what batches take.
        beside: the largest batch of texts that are replayed, if any are.
        parts: that each micro-batch is computed in, one after the other.
        passes: how often rows are read together, where that was not seen: twice where answers are paired.
        optimizer: which one moves them.
        line: share of what the largest padded batch keeps that the largest one does, where rows share a beginning.
    """

    lengths: Sequence[int]
    others: Sequence[int]
    budget: int
    accumulate: int
    trained: int
    weights: int
    held: int
    activations: Activations
    beside: Shape | None = None
    parts: int = 1
    passes: int = 1
    optimizer: Kind = "adamw"
    line: float = 1.0


def setup_of(prepared: Prepared, activations: Activations) -> Setup:
    """The run as it is asked for."""
    lengths, batches = prepared.subject.lengths, planner_of(prepared)(0)
    return Setup(
        lengths=[lengths["train"][place] for batch in batches for place in batch],
        others=[*lengths["validation"], *lengths["test"]],
        budget=prepared.hyper.batch_tokens.value,
        accumulate=prepared.recipe.train.accumulate,
        trained=moved_bytes(prepared),
        weights=trained_bytes(prepared),
        held=held_bytes(prepared),
        activations=activations,
        beside=_beside(prepared),
        parts=prepared.parts,
        passes=2 if prepared.recipe.train.logit_pairing else 1,
        optimizer=prepared.recipe.train.optimizer,
        line=_line(prepared, activations, batches),
    )


def _line(prepared: Prepared, activations: Activations, places: Sequence[list[int]]) -> float:
    """What rows that share a beginning keep, beside padded ones; keys and values are there for each row."""
    chosen = prepared.choices.get(PACK)
    if chosen is None or chosen.value != BEGINNINGS:
        return 1.0
    found = [Shape(*prepared.subject.shape_of(batch)) for batch in places]
    each = 8 * width(prepared.model) * len(prepared.model.anatomy.blocks)  # bytes of keys and values in float32
    repeated = min(1.0, each / max(1.0, activations.saved.linear))
    kept = max(shape.rows * (shape.length + repeated * (shape.keys - shape.length)) for shape in found)
    return min(1.0, kept / max(shape.tokens for shape in shapes(prepared.subject.lengths["train"], places)))


def _beside(prepared: Prepared) -> Shape | None:
    texts, spec = texts_for(prepared), prepared.recipe.train.replay
    if texts is None or spec is None:
        return None
    budget = prepared.hyper.batch_tokens.value
    drawn = spec.share * budget * prepared.recipe.train.accumulate / texts.length
    return Shape(max(1, min(round(drawn), texts.count, budget // texts.length)), texts.length)


def trained_bytes(prepared: Prepared) -> int:
    """Of the weights that train."""
    return sum(tensor.numel() * tensor.element_size() for tensor in prepared.attached.state_dict().values())


def moved_bytes(prepared: Prepared) -> int:
    """Of the weights that steps move."""
    return trained_bytes(prepared) - still_bytes(prepared)


def weight_bytes(module: Any) -> int:
    """Of all weights, each counted once."""
    return sum(tensor.numel() * tensor.element_size() for tensor in module.parameters())


def shapes(lengths: Sequence[int], batches: Sequence[Sequence[int]]) -> list[Shape]:
    """The batches' rows and lengths."""
    return [Shape(len(batch), max(1, *(lengths[row] for row in batch), 1)) for batch in batches]


def training_shapes(setup: Setup, *, seed: int) -> list[Shape]:
    """What is computed at once in the first epoch: its micro-batches, or the parts of them."""
    whole = shapes(setup.lengths, plan_epoch(setup.lengths, budget=setup.budget, seed=seed, epoch=0))
    return [Shape(-(-shape.rows // setup.parts), shape.length) for shape in whole]


def parts_of(setup: Setup, *, seed: int) -> dict[str, int]:
    """What a training step holds at its peak beside the weights, in bytes."""
    batches = training_shapes(setup, seed=seed)
    line = setup.line if setup.parts == 1 else 1.0  # parts of a batch share less
    saved = round(setup.passes * line * max(setup.activations.saved(shape) for shape in batches))
    largest = max(setup.activations.largest(shape) for shape in batches)
    gradients = setup.trained
    # The activations go as the gradients come, but for what earlier micro-batches left of these.
    together = saved + gradients if setup.accumulate * setup.parts > 1 else max(saved, gradients)
    if setup.beside is not None:
        together = max(together, gradients + setup.activations.saved(setup.beside))
    return {
        "optimizer": round(MOMENTS[setup.optimizer] * setup.trained) + setup.held,
        "activations and gradients": together,
        "temporary": round(TRANSIENT * largest),
    }


def evaluation_bytes(setup: Setup) -> int:
    """What the largest evaluation batch holds: nothing is saved, a few of the largest tensors are there at once."""
    lengths = setup.others or setup.lengths
    batches = shapes(lengths, by_length(lengths, budget=EVALUATION_FACTOR * setup.budget))
    return round(TRANSIENT * max(setup.activations.largest(shape) for shape in batches))


def fits_probes(prepared: Prepared) -> bool:
    """Whether linear probes are fitted before the training."""
    wanted = prepared.recipe.evaluate.baselines or prepared.subject.has_new_head
    return wanted and prepared.subject.outputs > 0


def probe_bytes(prepared: Prepared) -> int:
    """What the linear probe holds while it is fitted: features, their scaled copies, L-BFGS's own."""
    counts = [min(MOST_ROWS, len(prepared.rows[split])) for split in ("train", "validation")]
    fitted, classes, wide = counts[0], prepared.subject.outputs, width(prepared.model)
    features = 4 * wide * sum(counts) + 16 * wide * fitted
    return features + 8 * classes * (3 * fitted + HISTORY * wide)


def _asking(prepared: Prepared, *, loaded: int, interpreter: int) -> dict[str, int]:
    """The stage in which an untouched language model is asked for labels; a second one is left out if it cannot fit."""
    cost = prepared.subject.baseline_cost(prepared) if prepared.recipe.evaluate.baselines else None
    if cost is None or not cost.size:
        return {}
    room = room_for(prepared.device)
    held = loaded + cost.size + BESIDE
    return {} if cost.beside and room is not None and interpreter + held > room.free else {ASKING: held}


def memory_of(prepared: Prepared, activations: Activations, plan: Plan, *, held: int, interpreter: int) -> Memory:
    """The peak, from the sizes.

    Args:
        prepared: the run, its model loaded.
        activations: from `look`.
        plan: the run's steps.
        held: bytes that are held now: by the process on a CPU, by the weights on another device.
        interpreter: bytes that the process held after its imports.
    """
    setup = setup_of(prepared, activations)
    loaded = held - interpreter if prepared.device.type == "cpu" else weight_bytes(prepared.model.module)
    parts = parts_of(setup, seed=prepared.draws)
    added = {"evaluation": evaluation_bytes(setup), "training": sum(parts.values())}
    on_cpu = prepared.device.type == "cpu"
    if on_cpu and fits_probes(prepared):
        added["probe"] = probe_bytes(prepared)
    if on_cpu and steps_of_test(prepared, plan):
        added["range test"] = added["training"] + setup.weights
    later = loaded + (PROBE_CODE if on_cpu and fits_probes(prepared) and PROBE_LIBRARY not in sys.modules else 0)
    stages = {stage: later + (round(HEAP * size) + BESIDE if on_cpu else size) for stage, size in added.items()}
    stages |= _asking(prepared, loaded=later, interpreter=interpreter if on_cpu else 0)
    stages["loading"] = loaded
    if will_read_base(prepared, plan):
        stages[RISKS] = later + weight_bytes(prepared.model.module) + (BESIDE if on_cpu else 0)
    if isinstance(prepared.attached, Mergeable):  # the updated matrices are there twice while they are written
        stages["export"] = later + prepared.attached.merge_bytes
    parts["gaps of the heap, buffers"] = stages["training"] - later - added["training"]
    peak = max(stages.values())
    return Memory(
        peak=peak,
        least=round(LEAST * peak),
        most=round(MOST * peak),
        interpreter=interpreter,
        stages=stages,
        parts={"weights, rows, libraries": later, **parts},
        how="from the sizes of the model and the batches; no step was run",
    )
