"""Going on from an adapter: what it says of its method and what a recipe says, made one, or refused where they differ.

The shape of what trains is the adapter's; how it is trained is the recipe's. Which layers a LoRA updates is compared
where the model is at hand (`lora_reading`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from affina.errors import Problem, RecipeError
from affina.methods.saved import BesideSpec, spec_of
from affina.models.adapters import Adapter
from affina.recipe.base import AUTO

SHAPE: Final = ("rank", "alpha", "rslora", "length", "stacks", "reparameterise")
"""Keys that an adapter has an answer to."""
_TRAINING: Final = ("dropout", "rate_ratio", "targets", "blocks")
"""Keys that are the recipe's, or are compared with the model at hand."""
_START: Final = ("init", "text", "width")
"""Keys of what begins anew: there is nothing of that."""


def agreed(asked: BesideSpec | None, adapter: Adapter, *, anew: str) -> BesideSpec:
    """The method to go on with.

    Args:
        asked: the recipe's `method`, of the adapter's kind; None where the recipe leaves it open.
        adapter: from `read_adapter`.
        anew: how a new adapter is begun instead, for the fix.

    Raises:
        RecipeError: a key says something else than the adapter; with all such keys.
        ModelError: the adapter has a feature that we do not have.
    """
    said = spec_of(adapter)
    if asked is None:
        return said
    if problems := list(_differences(asked, said, adapter, anew)):
        raise RecipeError(*problems)
    ours: dict[str, Any] = {key: getattr(asked, key) for key in _TRAINING if key in asked.model_fields_set}
    return said.model_copy(update=ours)


def _differences(asked: BesideSpec, said: BesideSpec, adapter: Adapter, anew: str) -> Iterator[Problem]:
    for key in sorted(asked.model_fields_set):
        given = getattr(asked, key)
        if key in SHAPE and given not in (getattr(said, key), AUTO):
            fix = f"leave method.{key} out to go on with {_shown(getattr(said, key))}; {anew}"
            expected = f"{_shown(getattr(said, key))}, as {adapter.where} has it" + _why(key)
            yield Problem(where=f"recipe key method.{key}", expected=expected, found=_shown(given), fix=fix)
        elif key in _START and given != type(said).model_fields[key].default:
            yield Problem(
                where=f"recipe key method.{key}",
                expected=f"nothing: training goes on from the tensors of {adapter.where}, and none of them starts anew",
                found=_shown(given),
                fix=f"leave method.{key} out; {anew}",
            )


def _why(key: str) -> str:
    if key == "reparameterise":
        return ": the network that a prefix is trained through is dropped after training"
    return ""


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
