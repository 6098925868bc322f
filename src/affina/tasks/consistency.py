"""R-Drop: a model whose dropout is drawn twice is to answer the same both times (Wu et al. 2021, equations 2 to 4).

What is trained on is half of the paper's sum: the mean of the two losses, and strength / 2 times the mean of the two
divergences, KL(first || second) and KL(second || first). AdamW moves the same by it, and the loss keeps its size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from affina.models.output_layer import OutputLayer
from affina.tasks.token_loss import CHUNK, IGNORED, chunk_rows


def twice(
    once: Callable[[], tuple[Tensor, Tensor]], apart: Callable[[Tensor, Tensor], Tensor], *, strength: float
) -> Tensor:
    """The loss of one pass at strength 0, or where nothing is trained; else what is trained on.

    Args:
        once: a pass: the sum of its losses, and its answers.
        apart: how far the answers of two passes are apart, summed as the losses are.
        strength: the paper's alpha.
    """
    loss, answers = once()
    if not (strength and torch.is_grad_enabled()):
        return loss
    again, others = once()
    return (loss + again) / 2 + strength / 2 * apart(answers, others)


def paired(logits: Tensor, others: Tensor) -> Tensor:
    """How far the answers to texts are from those to the same texts with identity terms swapped, summed.

    Garg et al. 2019 (counterfactual logit pairing), section 4.3: |g(x) - g(x')| of a text with one logit; of more the
    mean over them. Each text has one counterfactual here, all its terms swapped.

    Args:
        logits: [texts, outputs].
        others: the same of the swapped texts.
    """
    return (_wide(logits) - _wide(others)).abs().mean(dim=-1).sum()


def of_classes(first: Tensor, second: Tensor) -> Tensor:
    """The mean of both divergences in nats, [...], of logits [..., classes]."""
    one, two = (torch.log_softmax(_wide(logits), dim=-1) for logits in (first, second))
    return ((one.exp() - two.exp()) * (one - two)).sum(dim=-1) / 2


def of_marks(first: Tensor, second: Tensor) -> Tensor:
    """The same of labels that are each given or not, [batch, labels] like the logits."""
    one, two = _wide(first), _wide(second)
    # KL(p || q) + KL(q || p) of two Bernoullis is (p - q) (logit p - logit q)
    return ((one.sigmoid() - two.sigmoid()) * (one - two)) / 2


def of_numbers(first: Tensor, second: Tensor) -> Tensor:
    """The squared difference of two numbers, in the place of a divergence."""
    return (_wide(first) - _wide(second)).square()


def of_tokens(first: Tensor, second: Tensor, *, targets: Tensor, output: OutputLayer, chunk: int = CHUNK) -> Tensor:
    """The sum of `of_classes` over the positions that have a target, in chunks that the backward pass makes again.

    Args:
        first: last hidden states of a pass, [..., width].
        second: of the other.
        targets: [...], -100 where nothing is learned.
        output: the model's output layer.
        chunk: logits of each pass in memory at once.
    """
    wanted = targets != IGNORED
    first, second = first[wanted], second[wanted]
    size = chunk_rows(output.vocabulary, chunk=chunk // 4)
    total = first.new_zeros((), dtype=torch.promote_types(first.dtype, torch.float32))

    def part(one: Tensor, two: Tensor) -> Tensor:
        return of_classes(output(one), output(two)).sum()

    for start in range(0, len(first), size):
        pair: Any = (first[start : start + size], second[start : start + size])
        total = total + checkpoint(part, *pair, use_reentrant=False)
    return total


def _wide(logits: Tensor) -> Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
