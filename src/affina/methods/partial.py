"""Method: partial fine-tuning. The head and a choice of the model's weights are trained, the others stay as they are.

The choice is a number of upper blocks (0: the head alone), or parts of parameter names; the embeddings are frozen
or not. Where the embeddings are frozen, everything that runs before the first trained block runs without dropout, so
that what reaches it is always the same for a text.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from affina.errors import Problem, RecipeError
from affina.methods.weights import BaseTensors, TrainedWeights
from affina.models.anatomy import Anatomy
from affina.recipe.schema import PartialSpec


def attach(module: nn.Module, anatomy: Anatomy, spec: PartialSpec, *, base_tensors: BaseTensors) -> TrainedWeights:
    """Train what `spec` names, and the head.

    Args:
        module: the model, its head in place.
        anatomy: where its embeddings, blocks and head are.
        spec: the recipe's `method`.
        base_tensors: for `disabled()`.

    Raises:
        RecipeError: more blocks than there are, or a name that matches no parameter.
    """
    names = [name for name, _ in module.named_parameters()]
    head = frozenset(name for name in names if anatomy.part_of(name) == "head")
    body = _named(names, spec.layers) if spec.layers else _upper(names, anatomy, spec)
    trained = head | body
    return TrainedWeights(
        module, trained=trained, head=head, quiet=_quiet(module, anatomy, trained), base_tensors=base_tensors
    )


def _upper(names: Sequence[str], anatomy: Anatomy, spec: PartialSpec) -> frozenset[str]:
    """The parameters of the upper blocks and of what follows them; all blocks may bring the embeddings."""
    total = len(anatomy.blocks)
    count = total if spec.blocks == "all" else spec.blocks
    if count > total:
        raise RecipeError(
            Problem(
                where="recipe key method.blocks",
                expected=f"at most {total}, the blocks of this model",
                found=str(count),
                fix=f"write method.blocks={total}, or method.blocks=all",
            )
        )
    chosen = {name for name in names if _within(name, anatomy.blocks[total - count :])}
    if count:
        chosen |= {name for name in names if anatomy.part_of(name) == "final"}
    if spec.embeddings == "trained":
        chosen |= {name for name in names if anatomy.part_of(name) == "embeddings"}
    return frozenset(chosen)


def _named(names: Sequence[str], patterns: Sequence[str]) -> frozenset[str]:
    """The parameters whose names contain one of `patterns`; each pattern must match something."""
    for pattern in patterns:
        if not any(pattern in name for name in names):
            parents = sorted({name.rpartition(".")[0] for name in names})
            raise RecipeError(
                Problem(
                    where="recipe key method.layers",
                    expected="a part of a parameter's name in this model",
                    found=f"{pattern!r}, which is in none of them",
                    fix=f"take one of these: {', '.join(parents[:12])}{', ...' if len(parents) > 12 else ''}",
                )
            )
    return frozenset(name for name in names if any(pattern in name for pattern in patterns))


def _quiet(module: nn.Module, anatomy: Anatomy, trained: frozenset[str]) -> tuple[str, ...]:
    """The modules that start before the first block that trains, or all of the backbone where only the head does.

    What holds the blocks is one of them: a few families drop out there, by a function that asks for its mode.
    """
    if any(anatomy.part_of(name) == "embeddings" for name in trained):
        return ()
    paths = [path for path, _ in module.named_modules()]
    quiet: list[str] = []
    for path in anatomy.order:
        if path not in anatomy.blocks:
            quiet.append(path)
        elif any(_within(name, (path,)) for name in trained):
            break
        else:
            quiet += [inner for inner in paths if _within(inner, (path,))]
    return tuple(quiet)


def _within(name: str, prefixes: Sequence[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)
