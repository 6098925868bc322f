"""The cross-entropy of tokens, only where a target is, in chunks: no tensor of tokens x vocabulary ever exists.

A prompt's tokens have no target, and what the output layer makes of them is read by nobody. What is left goes through
the layer some rows at a time; each chunk's gradient is made at once, in place, while its logits are there, so that the
backward pass needs no second product: three products in all, as in the plain way. The gradients are exact (only the
order of float sums differs). Making the gradient in the forward pass is known from fused losses (Hsu et al. 2024,
Liger Kernel).

Owns the loss and its gradients. It does not decide which tokens have targets (the tasks do).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from affina.models.output_layer import LinearOutput, OutputLayer, OwnLogits

CHUNK: Final = 4_194_304
"""Logits in memory at once, at most (16 MiB in float32); one row at least."""
IGNORED: Final = -100
"""The target of a position that has none."""
Part = Callable[[Tensor, slice], tuple[Tensor, Tensor]]
"""What a chunk's products [N, vocabulary] (before factor, shift and cap; they may be overwritten) and its place among
the positions come to: the summed loss, and its gradient by the products."""


def chunk_rows(vocabulary: int, *, chunk: int = CHUNK) -> int:
    """Positions that go through the output layer together."""
    return max(1, chunk // vocabulary)


def token_loss(
    hidden: Tensor, targets: Tensor, output: OutputLayer, *, label_smoothing: float = 0.0, chunk: int = CHUNK
) -> Tensor:
    """The sum of the cross-entropies, in nats, of the positions that have a target.

    Args:
        hidden: [..., width], last hidden states; position by position what predicts `targets`.
        targets: [...], token ids, -100 where there is none.
        output: the model's output layer.
        label_smoothing: share of a target's probability that is spread over the vocabulary (Szegedy et al. 2016, 7).
        chunk: logits in memory at once.

    Returns:
        A float32 scalar (float64 for float64 states) with a graph.
    """
    states, wanted = _with_targets(hidden, targets)
    if not len(wanted):
        return hidden.sum() * 0.0
    if not torch.is_grad_enabled():
        return token_losses(states, wanted, output, chunk=chunk, label_smoothing=label_smoothing).sum()
    if isinstance(output, OwnLogits):
        return _plain(states, wanted, label_smoothing).sum()
    part = partial(_cross_entropy, targets=wanted, output=output, smoothing=label_smoothing)
    return summed_in_chunks(states, output, part, chunk=chunk)


def summed_in_chunks(states: Tensor, output: LinearOutput, part: Part, *, chunk: int = CHUNK) -> Tensor:
    """A loss of all positions, summed, whose gradients are made chunk by chunk in the forward pass.

    Args:
        states: [N, width], last hidden states.
        output: the model's output layer.
        part: the loss of a chunk.
        chunk: logits in memory at once.

    Returns:
        A float32 scalar (float64 for float64 states) with a graph; it has one backward pass.
    """
    summed: Tensor = _ChunkedLoss.apply(  # type: ignore[no-untyped-call]
        states, output.weight, output.bias, (output, part, chunk)
    )
    return summed


@torch.no_grad()
def token_losses(
    hidden: Tensor, targets: Tensor, output: OutputLayer, *, label_smoothing: float = 0.0, chunk: int = CHUNK
) -> Tensor:
    """The cross-entropy of each position, in nats, in the shape of `targets`; 0 where there is no target."""
    losses = torch.zeros(targets.shape, dtype=_wide(hidden), device=hidden.device)
    states, wanted = _with_targets(hidden, targets)
    size = chunk_rows(output.vocabulary, chunk=chunk)
    found = [
        _plain(output(states[start : start + size]), wanted[start : start + size], label_smoothing)
        for start in range(0, len(wanted), size)
    ]
    if found:
        losses[targets != IGNORED] = torch.cat(found).to(losses.dtype)
    return losses


def _with_targets(hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    has_target = targets != IGNORED
    return hidden[has_target], targets[has_target]


def _wide(tensor: Tensor) -> torch.dtype:
    """Low precision ends before the softmax."""
    return torch.promote_types(tensor.dtype, torch.float32)


def _plain(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    wide = logits.to(_wide(logits))
    return functional.cross_entropy(wide, targets, reduction="none", label_smoothing=label_smoothing)


class _ChunkedLoss(torch.autograd.Function):
    """A linear output layer and its loss; forward makes the gradients, backward scales them."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        rest: tuple[LinearOutput, Part, int],
    ) -> Tensor:
        output, part, chunk = rest
        needs_hidden, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        d_hidden = torch.empty_like(hidden) if needs_hidden else None
        d_weight = torch.zeros_like(weight) if needs_weight else None
        d_bias = torch.zeros_like(bias) if bias is not None and needs_bias else None
        total = torch.zeros((), dtype=_wide(hidden), device=hidden.device)
        size = chunk_rows(output.vocabulary, chunk=chunk)
        for start in range(0, len(hidden), size):
            states = hidden[start : start + size]
            product = output.product(states)
            loss, gradient = part(product.to(total.dtype), slice(start, start + len(states)))
            total += loss
            gradient = gradient.to(product.dtype)
            if d_hidden is not None:
                d_hidden[start : start + size] = gradient @ output.weight.to(product.dtype)
            if d_weight is not None:
                _add_product(d_weight, gradient.T, states.to(product.dtype))
            if d_bias is not None:
                d_bias += gradient.sum(0)
        ctx.gradients = (d_hidden, d_weight, d_bias)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (scale,), found = gradients, ctx.gradients
        if found is None:
            raise RuntimeError("a chunked loss has one backward pass: its gradients are scaled in place")
        ctx.gradients = None
        return (*(None if own is None else own.mul_(scale.to(own.dtype)) for own in found), None)


def _add_product(into: Tensor, left: Tensor, right: Tensor) -> None:
    if left.dtype == into.dtype:
        into.addmm_(left, right)
    else:
        into += left @ right


def logits_in_place(product: Tensor, output: LinearOutput) -> tuple[Tensor, Tensor | None]:
    """The logits in the place of the products, and their slope by the capped ones; None without a cap."""
    logits = product.mul_(output.factor) if output.factor != 1.0 else product
    logits = logits.add_(output.shift) if output.shift is not None else logits
    if output.cap is None:
        return logits, None
    bounded = logits.div_(output.cap).tanh_()
    slope = 1 - bounded.square()
    return bounded.mul_(output.cap), slope


def by_product(gradient: Tensor, slope: Tensor | None, output: LinearOutput) -> Tensor:
    """The gradient by the products, in the place of that by the logits."""
    if slope is not None:
        gradient.mul_(slope)
    return gradient.mul_(output.factor) if output.factor != 1.0 else gradient


def _cross_entropy(
    product: Tensor, places: slice, *, targets: Tensor, output: LinearOutput, smoothing: float
) -> tuple[Tensor, Tensor]:
    """The summed cross-entropy of a chunk: a `Part`.

    Args:
        product: [N, vocabulary], overwritten.
        places: of the chunk.
        targets: of all positions.
        output: its factor, shift and cap.
        smoothing: as in `token_loss`.
    """
    wanted = targets[places]
    logits, slope = logits_in_place(product, output)
    classes = logits.shape[-1]
    partition = logits.logsumexp(-1)
    loss = (partition - logits.gather(-1, wanted[:, None])[:, 0]).sum() * (1 - smoothing)
    if smoothing:
        loss = loss + (partition - logits.mean(-1)).sum() * smoothing
    gradient = logits.sub_(partition[:, None]).exp_()
    if smoothing:
        gradient.sub_(smoothing / classes)
    gradient[torch.arange(len(wanted), device=wanted.device), wanted] -= 1 - smoothing
    return loss, by_product(gradient, slope, output)
