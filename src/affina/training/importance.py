"""How much each weight matters to what a model says by itself: the diagonal of its Fisher information (for EWC).

The Fisher information is the mean of squared gradients of the log-likelihood over what the model itself draws, not over
somebody's labels, with which it would be the empirical one (Kunstner et al. 2019). A text's tokens are drawn one after
the other, so that the gradients of any two are uncorrelated: the square of a text's gradient is, in the mean, the sum
of its tokens' squares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Likelihood:
    """A text that the model drew: minus its log-likelihood in nats, with a graph, and its tokens."""

    loss: Callable[[], Tensor]
    tokens: int


def fisher(weights: Mapping[str, nn.Parameter], texts: Iterable[Likelihood]) -> dict[str, Tensor]:
    """The diagonal of the Fisher information of a token, by weight.

    With it half of the sum of fisher * (weight - start)^2 is, to second order, KL(base || tuned) for each token.

    Args:
        weights: name to the parameters that it is about.
        texts: at least one, each from the model as it is.
    """
    found = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    tokens = 0
    with torch.enable_grad():
        for text in texts:
            gradients = torch.autograd.grad(text.loss(), list(weights.values()), allow_unused=True)
            tokens += text.tokens
            for name, gradient in zip(found, gradients, strict=True):
                if gradient is not None:
                    found[name].addcmul_(gradient, gradient)
    return {name: squares.div_(tokens) for name, squares in found.items()}
