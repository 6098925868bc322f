"""Attention of texts that lie one behind the other in a single line and begin alike: the beginning is there once.

A line is the common beginning and then what each text goes on with, its tail. A token of the beginning sees the tokens
before it; one of a tail sees the beginning and the tail's own before it, as if the text were alone. Everything but
attention works on each token by itself, so that nothing is padded there and the beginning is computed once, forward
and backward. Exact: keys and values of the beginning are the same for all (only the order of float sums differs), as
long as nothing random acts.

Owns the function that attends so, which is given the tails' places as one more argument of the model (`SEGMENTS`).
Whether a model hands that on, and obeys it, is found by trying (`tasks.packing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME: Final = "affina_segments"
SEGMENTS: Final = "segments"
"""The argument: [tails, 2] places in the line, from and to, in order; the beginning is before the first."""


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    segments: Tensor | None = None,
    **named: Any,
) -> tuple[Tensor, None]:
    """Attention of a layer over [1, heads, T, size] each, to [1, T, heads, size]; without segments as usual."""
    if segments is None:
        usual: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **named)
        return usual
    spans: list[list[int]] = segments.tolist()
    common, sizes = spans[0][0], [end - start for start, end in spans]
    window: int | None = named.pop("sliding_window", None)
    longest, made = max(sizes), []
    if common:
        shared = (states[:, :, :common] for states in (query, key, value))
        seen = None if window is None else _seen(0, common, window, like=segments)
        made.append(sdpa_attention_forward(module, *shared, seen, **named)[0][0])
    keys, values = (
        torch.cat([states[:, :, :common].expand(len(sizes), -1, -1, -1), _tails(states, common, sizes)], dim=2)
        for states in (key, value)
    )
    plain = not common and window is None  # then what a token sees is all before it: a kernel needs no mask for that
    seen = None if plain else _seen(common, longest, window, like=segments)
    tails = sdpa_attention_forward(module, _tails(query, common, sizes), keys, values, seen, **named)[0]
    made += [tail[:size] for tail, size in zip(tails, sizes, strict=True)]
    return torch.cat(made)[None], None


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)


def _tails(states: Tensor, common: int, sizes: Sequence[int]) -> Tensor:
    """[1, heads, T, size] to what comes after the beginning, [tails, heads, longest, size]; zeros behind a tail."""
    parts = torch.split_with_sizes(states[0].transpose(0, 1)[common:], list(sizes))
    return pad_sequence(list(parts), batch_first=True).transpose(1, 2)


def _seen(common: int, length: int, window: int | None, *, like: Tensor) -> Tensor:
    """Which of `common` + `length` keys the last `length` tokens see, [1, 1, length, common + length]."""
    own = torch.arange(common, common + length, device=like.device)[:, None]
    other = torch.arange(common + length, device=like.device)
    seen = other <= own
    return (seen if window is None else seen & (other > own - window))[None, None]
