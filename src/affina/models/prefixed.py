"""Where a model can have a prefix: its stacks of blocks, how each takes one, and what real words are there.

How a stack takes it is found by trying: one that fills a cache takes it through that (`cached_prefix`), another in
attention (`attended_prefix`). This module trains nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from affina.models.anatomy import Anatomy, two_tokens
from affina.models.attended_prefix import AttendedPrefix, words_in_attention
from affina.models.cached_prefix import CachedPrefix, words_in_cache
from affina.models.virtual_tokens import reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A stack of blocks that can have a prefix.

    Attributes:
        words: keys and values of real words in it, [layers, 2, heads, length, size].
        cached: it takes a prefix through its cache, as PEFT gives it; else in attention.
        place: makes what puts a prefix in, from what gives it and its length.
    """

    words: Tensor
    cached: bool
    place: Callable[[Callable[[], Tensor], int], CachedPrefix | AttendedPrefix]


def stacks_of(module: Any, anatomy: Anatomy, words: Sequence[int], *, both: bool) -> Mapping[str, Stack]:
    """The stacks that are to have a prefix, by name; empty where one of them cannot.

    Args:
        module: the model, in evaluation mode.
        anatomy: its own.
        words: tokens of real words, as many as the prefix is long.
        both: in an encoder-decoder, the encoder too.
    """
    blocks = [module.get_submodule(path) for path in anatomy.blocks]
    if not module.config.is_encoder_decoder:
        stack = _stack(reader(module), blocks, words)
        return {} if stack is None else {"decoder": stack}
    encoder, decoder = module.get_encoder(), module.get_decoder()
    inside = set(decoder.modules())
    own = [block for block in blocks if block in inside]
    fed = torch.tensor([list(words)], device=next(module.parameters()).device)
    with torch.no_grad():
        states = encoder(input_ids=fed, attention_mask=torch.ones_like(fed)).last_hidden_state
    found = {"decoder": _stack(decoder, own, words, states=states)}
    if both:
        found["encoder"] = _stack(encoder, [block for block in blocks if block not in inside], words)
    whole = {name: stack for name, stack in found.items() if stack is not None}
    return whole if len(whole) == len(found) else {}


def _stack(part: Any, blocks: Sequence[Any], words: Sequence[int], *, states: Tensor | None = None) -> Stack | None:
    apart = states is not None
    cached = words_in_cache(part, words, apart=apart, states=states)
    if cached is not None and len(cached) == len(blocks):
        return Stack(
            words=cached,
            cached=True,
            place=lambda give, length: CachedPrefix(part, blocks, give, length=length, apart=apart),
        )
    if apart or (seen := words_in_attention(part, words)) is None:
        return None
    layers, found = seen
    return Stack(words=found, cached=False, place=lambda give, _: AttendedPrefix(part, layers, give))


def head_under_prefix(module: Any, anatomy: Anatomy) -> bool:
    """Whether PEFT gives a classifier with a prefix the logits that the model gives.

    Where the classifier as a whole takes no cache, PEFT runs the backbone, and the first of the head's modules on the
    second thing that it returns, a pooled state, or else on the first.
    """
    if "past_key_values" in inspect.signature(type(module).forward).parameters:
        return True
    inputs = two_tokens(module)
    last: Any = next((child for name, child in module.named_children() if name in anatomy.head), None)
    try:
        with torch.no_grad():
            states = module.base_model(**inputs).to_tuple()
            made = last(states[1] if len(states) > 1 else states[0])
            return torch.equal(made, module(**inputs).logits)
    except Exception:  # a head of several modules, or one that needs another state
        return False
