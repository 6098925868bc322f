"""Several ways to go on after one prompt: the prompt is read once, and its keys and values are shared by all of them.

The cache is transformers' own, or one that holds the same. This module computes no loss and does not judge whether a
model's cache can be trusted (`tasks.label_scoring` tries it).
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from copy import deepcopy
from typing import Final

import torch
from torch import Tensor
from transformers import DynamicCache

from affina.models.growing_cache import growing_cache
from affina.models.language import LanguageModel

WORTH_SHARING: Final = 64
"""Tokens from which a common beginning is read by itself."""


@torch.inference_mode()
def states_of_tails(model: LanguageModel, prompts: Tensor, tails: Tensor, *, together: int) -> Tensor:
    """The states that foretell every token of every tail.

    Args:
        model: a decoder, in evaluation mode.
        prompts: [P, T] tokens, T at least 1, without padding.
        tails: [P, N, t] tokens, what each prompt goes on with; padded on the right by any token.
        together: tails that are read at once, at most.

    Returns:
        [P, N, t, width] for `model.output`: tail token k is foretold by the prompt and the tail's tokens before k.
    """
    cache = DynamicCache(config=model.module.config)
    count, ways, length = tails.shape
    read = model.states({"input_ids": prompts, "attention_mask": torch.ones_like(prompts), "past_key_values": cache})
    first = read[:, -1:, None].transpose(1, 2).expand(-1, ways, -1, -1)
    if length == 1:
        return first
    rest = [
        _read_on(model, cache, tails[:, start : start + max(1, together // count), :-1], seen=prompts.shape[1])
        for start in range(0, ways, max(1, together // count))
    ]
    return torch.cat([first, torch.cat(rest, dim=1)], dim=2)


def _read_on(model: LanguageModel, cache: DynamicCache, tails: Tensor, *, seen: int) -> Tensor:
    """[P, n, t] tokens behind what is in the cache to their states [P, n, t, width]; the cache stays as it is."""
    count, ways, length = tails.shape
    own = deepcopy(cache)
    own.batch_repeat_interleave(ways)
    mask = tails.new_ones(count * ways, seen + length)
    read = model.states({"input_ids": tails.flatten(0, 1), "attention_mask": mask, "past_key_values": own})
    return read.view(count, ways, length, -1)


@torch.inference_mode()
def shared_beginning(
    model: LanguageModel, prompts: Sequence[Sequence[int]], *, beams: int
) -> tuple[DynamicCache | None, int]:
    """What prompts begin with, read once for all of them.

    Positions are counted past padding between the beginning and the rest; a model that is not told its positions, one
    with a cache of another kind and one with virtual tokens of its own in front share nothing.

    Args:
        model: in evaluation mode.
        prompts: of a batch.
        beams: rows of the batch for each prompt.

    Returns:
        a cache for the batch, None for transformers' own, and how many tokens of each prompt it holds.
    """
    cache = growing_cache(model.module)
    length = common_length(prompts)
    told = "position_ids" in inspect.signature(type(model.module).forward).parameters
    if cache is None or not told or len(prompts) == 1 or length < WORTH_SHARING:
        return cache, 0
    ids = torch.tensor([list(prompts[0][:length])], device=next(model.module.parameters()).device)
    model.states({"input_ids": ids, "attention_mask": torch.ones_like(ids), "past_key_values": cache})
    if cache.get_seq_length() != length:
        return growing_cache(model.module), 0
    cache.batch_repeat_interleave(len(prompts) * beams)
    return cache, length


def common_length(prompts: Sequence[Sequence[int]]) -> int:
    """Tokens that all prompts begin with; each keeps one at least beyond them."""
    first, last = min(map(tuple, prompts)), max(map(tuple, prompts))  # what these share is shared by all between them
    most = min(map(len, prompts)) - 1
    return next((place for place in range(most) if first[place] != last[place]), most)
