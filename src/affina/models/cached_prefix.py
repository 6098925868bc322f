"""Keys and values before those of the input, through the cache: for decoders, and for encoders that take a cache.

It is the way in which PEFT does it, so that all conventions are the same: the keys are taken as they are, after any
rotation, and the input's positions begin after them. A cache of generation is filled once, at its beginning. What is
put in is a parameter of the method; this module trains nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch import Tensor
from transformers import Cache, DynamicCache, EncoderDecoderCache

from affina.errors import Problem, RecipeError
from affina.models.longer import before, mark, past_of, places_of, stand_in

Prefix = Callable[[], Tensor]
"""Gives keys and values, [layers, 2, heads, length, size]."""


@final
class CachedPrefix:
    """A stack of blocks with a prefix in its cache.

    Args:
        part: the stack, as transformers defines it: a whole decoder, or the backbone around one.
        blocks: the blocks in it.
        prefix: gives what is put in.
        length: of the prefix.
        apart: the stack reads what an encoder gives, beside its own input.
    """

    def __init__(self, part: Any, blocks: Sequence[Any], prefix: Prefix, *, length: int, apart: bool) -> None:
        self._part, self._blocks, self._prefix = part, tuple(blocks), prefix
        self._length, self._apart = length, apart
        self._names = inspect.signature(type(part).forward)

    def attach(self) -> None:
        """Put the forward with the prefix in the place of the stack's own."""
        stand_in(self._part, self._run)
        mark(self._part, prefixed=True)

    def detach(self) -> None:
        """Bring the stack's own forward back."""
        del self._part.forward
        mark(self._part, prefixed=False)

    def _run(self, arguments: dict[str, Any]) -> Any:
        self._check_checkpointing()
        ids = arguments.get("input_ids")
        words: Tensor = arguments["inputs_embeds"] if ids is None else ids
        rows, tokens = words.shape[:2]
        cache = arguments.get("past_key_values")
        for_once = cache is None and arguments.get("use_cache") is False
        if past_of(cache) == 0:
            cache = arguments["past_key_values"] = self._filled(cache, rows)
        mask = arguments.get("attention_mask")
        if mask is None and not self._apart:
            mask = torch.ones(rows, past_of(cache) - self._length + tokens, dtype=torch.long, device=words.device)
        if mask is not None and mask.ndim == 2:
            arguments["attention_mask"] = before(mask, self._length, value=1)
        places = places_of(arguments, self._names, length=self._length, rows=rows, tokens=tokens)
        if places is not None:
            arguments["position_ids"] = places
        made = type(self._part).forward(self._part, **arguments)
        if for_once:  # whoever asked for no cache would take one that came back for a cache of its own
            made["past_key_values"] = None
        return made

    def _filled(self, cache: Any, rows: int) -> Cache:
        """A cache that holds the prefix: the empty one that was given, or a new one."""
        if not isinstance(cache, Cache):
            cache = EncoderDecoderCache(DynamicCache(), DynamicCache()) if self._apart else DynamicCache()
        own = cache.self_attention_cache if isinstance(cache, EncoderDecoderCache) else cache
        for layer, (keys, values) in enumerate(self._prefix()):
            own.update(keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1), layer)
        return cache

    def _check_checkpointing(self) -> None:
        """Refuse to train without the prefix: blocks that are run twice are given no cache.

        Raises:
            RecipeError: activation checkpointing is on.
        """
        if any(block.training and vars(block).get("gradient_checkpointing") for block in self._blocks):
            raise RecipeError(
                Problem(
                    where="recipe key method",
                    expected="a method that works with activation checkpointing, which runs blocks without a cache",
                    found="prefix, whose keys and values are in it",
                    fix="turn activation checkpointing off, or write method=lora or method=prompt",
                )
            )


def words_in_cache(part: Any, ids: Sequence[int], *, apart: bool, states: Tensor | None = None) -> Tensor | None:
    """Keys and values of words in a stack, [layers, 2, heads, len(ids), size]; None where it takes no cache.

    Args:
        part: the stack.
        ids: the words' tokens.
        apart: the stack reads what an encoder gives.
        states: that, [1, T, width].
    """
    takes = "past_key_values" in inspect.signature(type(part).forward).parameters
    if not takes or any(DynamicCache(config=part.config).is_sliding):  # no cache, or one that forgets its beginning
        return None
    own = DynamicCache()
    cache = EncoderDecoderCache(own, DynamicCache()) if apart else own
    fed = torch.tensor([list(ids)], device=next(part.parameters()).device)
    arguments: dict[str, Any] = {"input_ids": fed, "past_key_values": cache, "attention_mask": torch.ones_like(fed)}
    if apart:
        arguments |= {"encoder_hidden_states": states}
    with torch.no_grad():
        part(**arguments)
    layers = [(layer.keys, layer.values) for layer in own.layers if isinstance(layer.keys, Tensor)]
    shapes = {tensor.shape for pair in layers for tensor in pair}
    if len(shapes) != 1 or next(iter(shapes))[2] != len(ids):
        return None  # it was not filled, or the layers are of several shapes
    return torch.stack([torch.cat(pair) for pair in layers])
