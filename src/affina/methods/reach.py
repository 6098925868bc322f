"""How far down a method reaches: which blocks it was asked for, and what runs before the first thing that trains."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from torch import nn

from affina.errors import Problem, RecipeError
from affina.models.anatomy import Anatomy, under


def upper_blocks(anatomy: Anatomy, count: int | Literal["all"]) -> tuple[str, ...]:
    """The upper `count` blocks, the lowest first.

    Raises:
        RecipeError: there are not so many.
    """
    total = len(anatomy.blocks)
    if count == "all":
        return anatomy.blocks
    if count > total:
        raise RecipeError(
            Problem(
                where="recipe key method.blocks",
                expected=f"at most {total}, the blocks of this model",
                found=str(count),
                fix=f"write method.blocks={total}, or method.blocks=all",
            )
        )
    return anatomy.blocks[total - count :]


def quiet_below(module: nn.Module, anatomy: Anatomy, trained: Collection[str]) -> tuple[str, ...]:
    """The modules that start before the first block that trains, or all of the backbone where only the head does.

    What holds the blocks is one of them: a few families drop out there, by a function that asks for its mode.

    Args:
        module: the model.
        anatomy: its own.
        trained: names of what trains, the model's own parameters or what is beside them.
    """
    if any(anatomy.part_of(name) == "embeddings" for name in trained):
        return ()
    paths = [path for path, _ in module.named_modules()]
    quiet: list[str] = []
    for path in anatomy.order:
        if path not in anatomy.blocks:
            quiet.append(path)
        elif any(within(name, (path,)) for name in trained):
            break
        else:
            quiet += [inner for inner in paths if within(inner, (path,))]
    return tuple(quiet)


def lowest_reached(module: nn.Module, anatomy: Anatomy, trained: Collection[str]) -> int:
    """The number of the lowest block that the backward pass comes through; that of all blocks where it meets none.

    Args:
        module: the model.
        anatomy: its own.
        trained: names of what trains, the model's own parameters or what is beside them.
    """
    own = {name for name, _ in module.named_parameters()}
    for name in trained:
        beside = name not in own and anatomy.block_of(name) is None  # virtual tokens, an update of the embeddings
        if beside or (name in own and anatomy.part_of(name) == "embeddings"):
            return 0
    numbers = [number for name in trained if (number := anatomy.block_of(name)) is not None]
    return min(numbers, default=len(anatomy.blocks))


def within(name: str, prefixes: Sequence[str]) -> bool:
    """Whether `name` is one of `prefixes` or inside one."""
    return any(under(name, prefix) for prefix in prefixes)
