"""Whether a run's blocks keep what they computed for the backward pass, or are run again there.

Owns what a recipe's wish comes to on this model with this method; how it is done is `models.checkpointing`'s.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from affina.errors import Problem, RecipeError
from affina.methods.base import Attached
from affina.methods.prefix import TunedPrefix
from affina.methods.reach import lowest_reached
from affina.models.base import Pretrained
from affina.models.checkpointing import can_checkpoint, set_checkpointing
from affina.pipeline.prepared import Prepared
from affina.recipe.resolve import GIVEN
from affina.recipe.schema import Recipe
from affina.values import Resolved

KEY: Final = "train.checkpoint_activations"


def begin_running_again(recipe: Recipe, model: Pretrained, attached: Attached) -> dict[str, Resolved[Any]]:
    """Set the model's blocks up as the recipe says; recipe key to what is printed of it.

    Raises:
        RecipeError: the blocks of this model cannot be run again, or not with this method.
    """
    if not recipe.train.checkpoint_activations:
        return {}
    if (problem := _problem(model, attached)) is not None:
        raise RecipeError(problem)
    set_checkpointing(model.module, on=True)
    blocks, again = len(model.anatomy.blocks), reached_blocks(model, attached)
    if not again:
        return {KEY: Resolved(True, f"{GIVEN}, without effect: nothing in or below the blocks trains")}
    what = f"{again} of {blocks} blocks keep what enters them alone, and are run again in the backward pass"
    return {KEY: Resolved(True, f"{GIVEN}: {what}; less memory, more time, the same numbers")}


def can_run_again(prepared: Prepared) -> bool:
    """Whether the key would be accepted, and change something."""
    return _problem(prepared.model, prepared.attached) is None and reached_blocks(prepared.model, prepared.attached) > 0


def reached_blocks(model: Pretrained, attached: Attached) -> int:
    """How many blocks the backward pass comes through."""
    return len(model.anatomy.blocks) - lowest_reached(model.module, model.anatomy, attached.state_dict())


def with_key(prepared: Prepared, *, on: bool) -> Prepared:
    """The run as if its recipe said so; its model is left as it is."""
    train = prepared.recipe.train.model_copy(update={"checkpoint_activations": on})
    return replace(prepared, recipe=prepared.recipe.model_copy(update={"train": train}))


def _problem(model: Pretrained, attached: Attached) -> Problem | None:
    kind = type(model.module).__name__
    if not can_checkpoint(model.module, model.anatomy):
        return Problem(
            where=f"recipe key {KEY}",
            expected="a model whose blocks transformers can run again",
            found=f"a {kind}, which has none",
            fix=f"leave {KEY} out; smaller train.batch_tokens with larger train.accumulate save memory too",
        )
    if isinstance(attached, TunedPrefix) and attached.in_cache:
        return Problem(
            where=f"recipe key {KEY}",
            expected="a method whose tensors are not in the cache, which blocks that are run again do without",
            found=f"method prefix, which a {kind} takes through its cache",
            fix=f"leave {KEY} out, or write method=prompt or method=lora",
        )
    return None
