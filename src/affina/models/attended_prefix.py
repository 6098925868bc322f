"""Keys and values before those of the input, in attention itself: for encoders, which have no cache.

transformers lets an attention function be registered by name; ours puts the prefix of a layer before its keys and
values, and lets every query see it. Positions are those of the input alone, and a relative bias is none for the prefix.
What is put in is a parameter of the method; this module trains nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, final
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from affina.models.attention import Before, switch, switch_back
from affina.models.longer import mark

NAME: Final = "affina_prefix"

Pair = Callable[[], tuple[Tensor, Tensor]]
"""Gives a layer's keys and values, [heads, length, size] each."""

_PREFIXES: Final[WeakKeyDictionary[nn.Module, Pair]] = WeakKeyDictionary()
_SEEN: Final[ContextVar[list[tuple[nn.Module, Tensor, Tensor]] | None]] = ContextVar("seen", default=None)
"""Where somebody watches: what each layer attends to."""


def attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **named: Any
) -> tuple[Tensor, None]:
    """Attention of a layer, [B, heads, T, size] each, over its prefix and its own keys."""
    if (seen := _SEEN.get()) is not None:
        seen.append((module, key, value))
    if (pair := _PREFIXES.get(module)) is not None:
        keys, values = (part.to(key.dtype).expand(len(key), -1, -1, -1) for part in pair())
        key, value = torch.cat([keys, key], dim=2), torch.cat([values, value], dim=2)
        length = keys.shape[2]
        if attention_mask is not None:
            shown = True if attention_mask.dtype == torch.bool else 0.0
            attention_mask = nn.functional.pad(attention_mask, (length, 0), value=shown)
        if named.get("position_bias") is not None:
            named["position_bias"] = nn.functional.pad(named["position_bias"], (length, 0))
    made: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **named)
    return made


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)


@final
class AttendedPrefix:
    """A stack of blocks whose attention sees a prefix.

    Args:
        part: the stack.
        layers: the modules that attend, in order.
        prefix: gives keys and values of all layers, [layers, 2, heads, length, size].
    """

    def __init__(self, part: Any, layers: Sequence[nn.Module], prefix: Callable[[], Tensor]) -> None:
        self._part, self._layers, self._prefix = part, tuple(layers), prefix
        self._made: Tensor | None = None
        self._before: Before = []
        self._handles: list[Any] = []

    def attach(self) -> None:
        """Let the layers attend by our function; the prefix is made once for each call of the stack."""
        self._before = switch(self._part, NAME)
        self._handles = [
            self._part.register_forward_pre_hook(lambda *_: self._make()),
            self._part.register_forward_hook(lambda *_: self._forget(), always_call=True),
        ]
        for number, layer in enumerate(self._layers):
            _PREFIXES[layer] = self._pair(number)
        mark(self._part, prefixed=True)

    def detach(self) -> None:
        """Let them attend as before."""
        for layer in self._layers:
            _PREFIXES.pop(layer, None)
        for handle in self._handles:
            handle.remove()
        switch_back(self._before)
        mark(self._part, prefixed=False)

    def _make(self) -> None:
        self._made = self._prefix()

    def _forget(self) -> None:
        self._made = None

    def _pair(self, number: int) -> Pair:
        def pair() -> tuple[Tensor, Tensor]:
            made = self._prefix() if self._made is None else self._made  # a block that is run again, in backward
            return made[number, 0], made[number, 1]

        return pair


def words_in_attention(part: Any, ids: Sequence[int]) -> tuple[list[nn.Module], Tensor] | None:
    """The layers of an encoder that attend, and their keys and values of words, [layers, 2, heads, len(ids), size].

    None where they attend by a function of their own, are of several shapes, or see what is before them alone.
    """
    if not _looks_ahead(part):
        return None
    fed = torch.tensor([list(ids)], device=next(part.parameters()).device)
    with _watched(part) as seen, torch.no_grad():
        part(input_ids=fed, attention_mask=torch.ones_like(fed))
    layers = [module for module, _, _ in seen]
    shapes = {tensor.shape for _, *pair in seen for tensor in pair}
    if len(shapes) != 1 or len(set(layers)) != len(layers) or next(iter(shapes))[2] != len(ids):
        return None
    return layers, torch.stack([torch.cat([key, value]) for _, key, value in seen])


def _looks_ahead(part: Any) -> bool:
    """Whether the first position sees the second: found by changing that."""
    device = next(part.parameters()).device
    with torch.no_grad():
        one, two = (part(input_ids=torch.tensor([[0, last]], device=device)).last_hidden_state for last in (0, 1))
    return not torch.equal(one[:, 0], two[:, 0])


@contextmanager
def _watched(part: Any) -> Iterator[list[tuple[nn.Module, Tensor, Tensor]]]:
    before, seen = switch(part, NAME), list[tuple[nn.Module, Tensor, Tensor]]()
    token = _SEEN.set(seen)
    try:
        yield seen
    finally:
        _SEEN.reset(token)
        switch_back(before)
