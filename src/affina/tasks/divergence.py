"""How far a model's next-token probabilities have moved: KL(base || tuned) at each position, in chunks.

Kept of the base are its last hidden states, which are small, and its output layer; logits of both are made for some
positions at a time, so that no tensor of tokens x vocabulary exists, and the distributions are whole, not their few
likeliest tokens. Where the two models are the same, every figure is exactly 0. This module reads no text.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final

import torch
from torch import Tensor

from affina.models.output_layer import LinearOutput
from affina.tasks.token_loss import CHUNK, by_product, chunk_rows, logits_in_place, summed_in_chunks

Foreteller = tuple[Tensor, LinearOutput]
"""Last states, [N, width], and the output layer that makes logits of them."""
TOGETHER: Final = CHUNK // 4
"""Logits of each model in memory at once, at most: there are some tensors of that size."""


def kept(output: LinearOutput) -> LinearOutput:
    """The output layer with the tensors that it has now, whatever is put in their place later; nothing is copied."""
    bias = None if output.bias is None else output.bias.detach()
    return replace(output, weight=output.weight.detach(), bias=bias)


def copied(output: LinearOutput) -> LinearOutput:
    """The output layer as it is now, whatever is trained of it later: a copy of what trains, and of nothing else."""

    def still(tensor: Tensor) -> Tensor:
        return tensor.detach().clone() if tensor.requires_grad else tensor.detach()

    return replace(output, weight=still(output.weight), bias=None if output.bias is None else still(output.bias))


@torch.no_grad()
def divergences(base: Foreteller, tuned: Foreteller, *, chunk: int = TOGETHER) -> Tensor:
    """KL(base || tuned) in nats, [N], in float32 or wider.

    Args:
        base: of the untouched model.
        tuned: of the tuned one, position by position.
        chunk: logits of each model that are in memory at once.
    """
    size = chunk_rows(tuned[1].vocabulary, chunk=chunk)
    found = []
    for start in range(0, len(base[0]), size):
        first, second = (
            torch.log_softmax(_wide(output(states[start : start + size])), dim=-1) for states, output in (base, tuned)
        )
        found.append((first.exp() * (first - second)).sum(dim=-1))
    return torch.cat(found)


def summed_divergence(base: Foreteller, tuned: Foreteller, *, chunk: int = TOGETHER) -> Tensor:
    """The sum of `divergences`, with a graph to the tuned model's states and output layer; one backward pass.

    Args:
        base: of the untouched model; it gets no gradient.
        tuned: of the tuned one, position by position.
        chunk: logits of each model that are in memory at once.
    """
    states, output = tuned
    return summed_in_chunks(states, output, partial(_divergence, base=base, output=output), chunk=chunk)


def _divergence(product: Tensor, places: slice, *, base: Foreteller, output: LinearOutput) -> tuple[Tensor, Tensor]:
    """The summed divergence of a chunk: a `Part`. Its gradient by the tuned model's logits is q - p."""
    before = torch.log_softmax(base[1](base[0][places]).to(product.dtype), dim=-1)
    logits, slope = logits_in_place(product, output)
    after = torch.log_softmax(logits, dim=-1)  # as before it, so that what has not moved is 0 exactly
    share = before.exp()
    loss = (share * before.sub_(after)).sum()
    return loss, by_product(after.exp_().sub_(share), slope, output)


def _wide(logits: Tensor) -> Tensor:
    """Low precision ends before the softmax."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
