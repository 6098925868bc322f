"""The anatomy of a language model: a decoder's, or that of an encoder with a decoder on top of it.

As in `anatomy`, it is found by watching one forward pass over two tokens. This module trains and freezes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from affina.models.anatomy import Anatomy, Part, blocks_of, prefixes, two_tokens, under, watch


def describe_writer(module: Any) -> Anatomy:
    """Find the parts of a language model, a decoder or an encoder-decoder; all of them are pre-trained: it has no head.

    An encoder-decoder's blocks are the encoder's and on top of them the decoder's; the output layer is final.

    Raises:
        ModelError: the model keeps its blocks in a way that Affina does not know.
    """
    inputs = two_tokens(module)
    if module.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = inputs["input_ids"]
        stacks = [_stack(module, part) for part in (module.get_encoder(), module.get_decoder())]
    else:
        stacks = [_stack(module, module.base_model)]
    orders = [watch(module, stack, inputs) for stack in stacks]
    tops = [stack[0].rpartition(".")[0].rpartition(".")[0] for stack in stacks]
    blocks = tuple(block for stack in stacks for block in stack)
    after = _after_their_stack(orders, tops)
    parts = {name: _part_of_writer(name, blocks, after) for name, _ in module.named_parameters()}
    return Anatomy(
        backbone="",
        embeddings=tuple(prefixes(module, "", parts, "embeddings")),
        blocks=blocks,
        final=tuple(prefixes(module, "", parts, "final")),
        head=(),
        output="",
        order=tuple(path for path in orders[0] if path and not _inside(path, blocks)),
    )


def _stack(module: Any, part: Any) -> tuple[str, ...]:
    path = next(path for path, child in module.named_modules() if child is part)
    return blocks_of(part, path)


def _after_their_stack(orders: Sequence[Mapping[str, bool]], tops: Sequence[str]) -> frozenset[str]:
    """The modules that start after the last block of the stack that they are in, or of all stacks."""
    found = set()
    for path in orders[-1]:
        own = next((order for order, top in zip(orders, tops, strict=True) if top and under(path, top)), orders[-1])
        if own.get(path, False):
            found.add(path)
    return frozenset(found)


def _part_of_writer(name: str, blocks: tuple[str, ...], after: frozenset[str]) -> Part:
    if any(under(name, block) for block in blocks):
        return "block"
    return "final" if name.rpartition(".")[0] in after else "embeddings"


def _inside(path: str, blocks: tuple[str, ...]) -> bool:
    return path not in blocks and any(under(path, block) for block in blocks)
