"""What virtual tokens and prefixes share: standing in for a forward, masks and positions of what they stand before."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakSet

import torch
from torch import Tensor, nn
from transformers import Cache

_PREFIXED: Final[WeakSet[nn.Module]] = WeakSet()


def mark(part: nn.Module, *, prefixed: bool) -> None:
    """Note that a stack of blocks has a prefix before its keys and values, or has none any more."""
    (_PREFIXED.add if prefixed else _PREFIXED.discard)(part)


def has_prefix(module: nn.Module) -> bool:
    """Whether a stack inside a model has a prefix: what is computed past its own forward would miss it."""
    return bool(_PREFIXED) and any(child in _PREFIXED for child in module.modules())


def stand_in(part: Any, run: Callable[[dict[str, Any]], Any]) -> None:
    """Put `run` in the place of a module's forward; it is given the arguments by name.

    The signature stays the module's own: generation looks there for what an encoder may be given. Deleting the
    attribute `forward` of the module brings its own back.
    """
    names = inspect.signature(type(part).forward)

    def forward(*given: Any, **named: Any) -> Any:
        return run(_by_name(names, part, given, named))

    without_self = list(names.parameters.values())[1:]
    forward.__signature__ = names.replace(parameters=without_self)  # type: ignore[attr-defined]
    part.forward = forward  # an attribute of the instance shadows the class's method


def _by_name(names: inspect.Signature, module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a module's forward by name, those that it collects under one name among them."""
    bound = names.bind(module, *given, **named)
    _, *rest = bound.arguments.items()  # the module itself comes first
    arguments = dict(rest)
    for name, parameter in names.parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            arguments |= arguments.pop(name, {})
    return arguments


def before(numbers: Tensor, length: int, *, value: int) -> Tensor:
    """[B, T] to [B, length + T], the new ones being `value`."""
    return torch.cat([numbers.new_full((numbers.shape[0], length), value), numbers], dim=1)


def past_of(cache: Any) -> int:
    """How many positions a cache already holds."""
    return int(cache.get_seq_length()) if isinstance(cache, Cache) else 0


def places_of(
    arguments: dict[str, Any], names: inspect.Signature, *, length: int, rows: int, tokens: int
) -> Tensor | None:
    """The positions of the tokens of an input that `length` others stand before, or None to leave them to the model.

    Args:
        arguments: of the forward, the mask already lengthened.
        names: what the forward takes.
        length: how many stand before.
        rows: texts in the batch.
        tokens: of each, in this call.

    Returns:
        [rows, tokens].
    """
    mask, places = arguments.get("attention_mask"), arguments.get("position_ids")
    if places is not None:
        moved: Tensor = places.expand(rows, -1) + length
        return moved
    if mask is None or mask.ndim != 2 or "position_ids" not in names.parameters:
        return None
    if not bool((mask[:, length] == 0).any()):
        return None
    counted: Tensor = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -tokens:]  # padded on the left
    return counted
