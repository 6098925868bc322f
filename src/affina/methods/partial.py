"""Method: partial fine-tuning. The head and a choice of the model's weights are trained, the others stay as they are.

The choice is a number of upper blocks (0: the head alone), or parts of parameter names; the embeddings are frozen
or not. Where the embeddings are frozen, everything that runs before the first trained block runs without dropout, so
that what reaches it is always the same for a text.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from affina.errors import Problem, RecipeError
from affina.methods.base import BaseTensors
from affina.methods.reach import quiet_below, upper_blocks, within
from affina.methods.weights import TrainedWeights
from affina.models.anatomy import Anatomy
from affina.recipe.weight_specs import PartialSpec


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
        module, trained=trained, head=head, quiet=quiet_below(module, anatomy, trained), base_tensors=base_tensors
    )


def _upper(names: Sequence[str], anatomy: Anatomy, spec: PartialSpec) -> frozenset[str]:
    """The parameters of the upper blocks and of what follows them; all blocks may bring the embeddings."""
    blocks = upper_blocks(anatomy, spec.blocks)
    chosen = {name for name in names if within(name, blocks)}
    if blocks:
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
