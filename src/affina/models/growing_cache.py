"""A cache for writing that grows in place: transformers' own copies all keys and values for every token written.

The values are the same to the last bit. It takes the place of a decoder's plain cache alone; a model whose cache is of
another kind (sliding windows, states of a recurrence, an encoder beside it) writes with transformers' own.
"""

from __future__ import annotations

import inspect
from typing import Any, Final, final

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

ROOM: Final = 64
"""Tokens for which there is room each time that a layer grows."""


def growing_cache(module: Any) -> DynamicCache | None:
    """An empty cache for a decoder; None where it takes no plain one.

    Args:
        module: the model, as transformers defines it.
    """
    config = module.config
    if config.is_encoder_decoder or "past_key_values" not in inspect.signature(type(module).forward).parameters:
        return None
    if not module._supports_default_dynamic_cache():  # what `generate` asks before it makes one
        return None
    cache = DynamicCache(config=config.get_text_config(decoder=True))
    if not cache.layers or any(type(layer) is not DynamicLayer for layer in cache.layers):
        return None
    cache.layers = [GrowingLayer() for _ in cache.layers]
    return cache


@final
class GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """A layer's keys and values as the beginning of a larger tensor.

    Whatever else transformers does to them (beams are reordered, tokens are taken back) makes tensors of their own,
    which are seen and taken over.
    """

    def __init__(self) -> None:
        super().__init__()
        self.keys: Any
        self.values: Any
        self._rooms: tuple[Tensor, Tensor] | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Keep the states of further tokens, [B, heads, T, size]; all that are kept, as views."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        seen, added = self.get_seq_length(), key_states.shape[-2]
        if self._rooms is None or not self._fits(seen + added, self._rooms):
            self._rooms = (_roomy(self.keys, key_states, seen), _roomy(self.values, value_states, seen))
        for room, states in zip(self._rooms, (key_states, value_states), strict=True):
            room[..., seen : seen + added, :] = states
        self.keys, self.values = (room[..., : seen + added, :] for room in self._rooms)
        return self.keys, self.values

    def _fits(self, tokens: int, rooms: tuple[Tensor, Tensor]) -> bool:
        """Whether what is kept still is the beginning of these, and so many tokens have room there."""
        held = zip(rooms, (self.keys, self.values), strict=True)
        return tokens <= rooms[0].shape[-2] and all(
            room.data_ptr() == own.data_ptr() and room.shape[0] == own.shape[0] for room, own in held
        )


def _roomy(kept: Tensor, states: Tensor, seen: int) -> Tensor:
    """A tensor that begins with what was kept and has room for further states."""
    shape = list(states.shape)
    shape[-2] += seen + ROOM
    room = torch.empty(shape, dtype=states.dtype, device=states.device)
    if seen:
        room[..., :seen, :] = kept
    return room
