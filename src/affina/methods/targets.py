"""Which layers get a low-rank update: what the recipe's `targets` and `blocks` come to in one model.

A new head or pooler is none of them: it is trained whole. This module attaches nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, Literal

from affina.errors import ModelError, Problem, RecipeError
from affina.methods.reach import upper_blocks, within
from affina.models.anatomy import Anatomy, under
from affina.models.layers import Layer, layers_of
from affina.recipe.method_specs import LoraSpec

Blocks = int | Literal["all"]
_WHERE = "recipe key method.targets"
_MOST_SHOWN = 12
_USUAL: Final = (("linear",), ("attention",), ("linear", "embeddings"), ("attention", "embeddings"), ("embeddings",))
"""What is mostly asked for."""


def choose(module: Any, anatomy: Anatomy, spec: LoraSpec) -> tuple[Layer, ...]:
    """The layers that `spec` asks for, in the model's order.

    Raises:
        RecipeError: a target matches nothing, there are not so many blocks, or the rank is above a matrix.
        ModelError: the weights are quantized, or an embedding does more than to look rows up.
    """
    picked = _asked_for(_outside_head(module, anatomy), module, anatomy, spec)
    check_rank(picked, spec.rank)
    check_tables(picked)
    return picked


def as_asked(module: Any, anatomy: Anatomy, layers: Collection[Layer]) -> tuple[tuple[str, ...], Blocks]:
    """What `targets` and `blocks` of a recipe would choose exactly these layers: words where there are such.

    Args:
        module: the model.
        anatomy: its own.
        layers: some of its layers.
    """
    every, wanted = _outside_head(module, anatomy), {layer.path for layer in layers}
    ends = tuple(sorted({path.rpartition(".")[2] for path in wanted}))
    counts: tuple[Blocks, ...] = ("all", *range(len(anatomy.blocks) - 1, 0, -1))
    for targets, blocks in itertools.product((*_USUAL, ends), counts):
        spec = LoraSpec(targets=targets, blocks=blocks)
        with suppress(RecipeError):
            if {layer.path for layer in _asked_for(every, module, anatomy, spec)} == wanted:
                return targets, blocks
    return tuple(sorted(wanted)), "all"


def same_layers(module: Any, anatomy: Anatomy, layers: Collection[Layer], spec: LoraSpec) -> bool:
    """Whether `spec` asks for exactly these layers.

    Raises:
        RecipeError: it asks for what is not there.
    """
    asked = _asked_for(_outside_head(module, anatomy), module, anatomy, spec)
    return {layer.path for layer in asked} == {layer.path for layer in layers}


def reached(module: Any, anatomy: Anatomy, layers: Sequence[Layer]) -> str:
    """How many matrices have an update, and which of the blocks' they leave out, in words."""
    inside = [layer for layer in layers if within(layer.path, anatomy.blocks)]
    matrices = {name: one for name, one in module.named_parameters() if one.ndim > 1 and within(name, anatomy.blocks)}
    counted = f"{len(layers)} matrices"
    if any(layer.is_packed for layer in layers) or not matrices:
        return counted
    share = sum(layer.inputs * layer.outputs for layer in inside) / sum(one.numel() for one in matrices.values())
    counted += f", {share:.0%} of the blocks' weights"
    stacked = next((name for name, one in matrices.items() if one.ndim > 2), None)
    return counted if stacked is None else f"{counted}; stacks of matrices, such as {stacked}, can have none"


def _outside_head(module: Any, anatomy: Anatomy) -> tuple[Layer, ...]:
    return tuple(layer for layer in layers_of(module) if not in_head(layer, anatomy))


def _asked_for(layers: Sequence[Layer], module: Any, anatomy: Anatomy, spec: LoraSpec) -> tuple[Layer, ...]:
    blocks = upper_blocks(anatomy, spec.blocks)
    reached = [layer for layer in layers if within(layer.path, blocks) or not within(layer.path, anatomy.blocks)]
    words = module.get_input_embeddings()
    chosen: set[str] = set()
    for target in spec.targets:
        found = {layer.path for layer in reached if _matches(layer, target, blocks, words)}
        if not found:
            raise _nothing(target, layers, module, anatomy)
        chosen |= found
    return tuple(layer for layer in layers if layer.path in chosen)


def in_head(layer: Layer, anatomy: Anatomy) -> bool:
    """Whether a layer is a part of the task's head."""
    return anatomy.part_of(f"{layer.path}.weight") == "head"


def _matches(layer: Layer, target: str, blocks: Sequence[str], words: Any) -> bool:
    block = next((block for block in blocks if under(layer.path, block)), None)
    if target == "embeddings":
        return words in layer.modules
    if target not in ("linear", "attention"):
        return any(_named(target, path) for path in layer.paths)
    if block is None or layer.kind == "embedding":
        return False
    return target == "linear" or "att" in layer.path.removeprefix(block).rpartition(".")[0].lower()


def _named(target: str, path: str) -> bool:
    """Whether a target is a layer's name, or some of the names in its path: `q` is no part of `query`."""
    return f".{target}." in f".{path}."


def check_rank(layers: Iterable[Layer], rank: int) -> None:
    """Refuse a rank above a matrix: its update could not have it.

    Raises:
        RecipeError: naming the smallest such matrix.
    """
    smallest = min(layers, key=lambda layer: min(layer.inputs, layer.outputs))
    most = min(smallest.inputs, smallest.outputs)
    if rank > most:
        raise RecipeError(
            Problem(
                where="recipe key method.rank",
                expected=f"at most {most}, since {smallest.path} is {smallest.outputs} x {smallest.inputs}",
                found=str(rank),
                fix=f"write method.rank={most} or less, or leave that layer out by method.targets",
            )
        )


def check_tables(layers: Iterable[Layer]) -> None:
    """Refuse an embedding whose output is not its rows, whatever they are multiplied by.

    Raises:
        ModelError: naming the first.
    """
    for layer in layers:
        if math.isnan(layer.factor):
            raise ModelError(
                Problem(
                    where=_WHERE,
                    expected="embeddings that give the rows that are looked up",
                    found=f"{layer.path}, a {type(layer.modules[0]).__name__}, which does something else with them",
                    fix="choose other layers, such as method.targets=linear",
                )
            )


def _nothing(target: str, layers: Sequence[Layer], module: Any, anatomy: Anatomy) -> RecipeError:
    names = dict.fromkeys(_short(layer.path, anatomy) for layer in layers)
    shown = ", ".join(list(names)[:_MOST_SHOWN]) + (", ..." if len(names) > _MOST_SHOWN else "")
    return RecipeError(
        Problem(
            where=_WHERE,
            expected="linear, attention, embeddings, or the name of a layer in the blocks that are asked for",
            found=f"{target!r}, which matches {_what(target, module, anatomy)}",
            fix=f"take of these: {shown}",
        )
    )


def _what(target: str, module: Any, anatomy: Anatomy) -> str:
    """What a target does match, where that is no layer that can have an update."""
    output = module.get_output_embeddings()
    matched = {path: child for path, child in module.named_modules() if path and _named(target, path)}
    if output is not None and output in matched.values():
        return "the output layer alone, whose loss is computed from its own matrix"
    if matched and all(within(path, anatomy.head) for path in matched):
        return "the head alone, which is trained whole"
    return "no layer there that keeps a matrix"


def _short(path: str, anatomy: Anatomy) -> str:
    block = next((block for block in anatomy.blocks if under(path, block)), None)
    return path if block is None else path.removeprefix(f"{block}.")
