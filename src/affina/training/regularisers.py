"""What acts inside the loop against overfitting and forgetting, beside what AdamW, dropout and the loss do themselves.

A regulariser works on weights, gradients or embeddings of any model and task, or has a loss of its own beside the
task's; it draws from torch's random state alone, which a checkpoint keeps, so that a run that is resumed goes on bit
for bit. R-Drop is a loss of two passes (`tasks.consistency`). Which of them a run has, says `pipeline.regularising`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Final, final

import torch
from torch import Tensor, nn

LEVELS: Final = 2**16
"""The rate of `Mixout` is rounded to a multiple of 1 over this."""


Extra = Callable[[], Tensor]
"""A further loss of a window, made when it is called: with a graph, or without one where nothing of it trains."""


class Regulariser:
    """What may act at three places of a step; at each of them nothing, but for what a regulariser says itself."""

    def during(self) -> AbstractContextManager[None]:
        """Around the forward and backward pass of each micro-batch."""
        return nullcontext()

    def beside(self, tokens: int) -> Iterable[Extra]:  # noqa: ARG002 - for those that have a loss
        """More losses of a window that trains on so many tokens, after its own; each has its backward pass at once."""
        return ()

    def after(self) -> None:
        """Once a window's gradients are there, unscaled, before they are clipped."""
        return


@contextmanager
def all_during(regularisers: Sequence[Regulariser]) -> Iterator[None]:
    """`during` of every one of them."""
    with ExitStack() as stack:
        for one in regularisers:
            stack.enter_context(one.during())
        yield


@final
class PullToStart(Regulariser):
    """L2-SP: to the loss is added strength / 2 times the squared distance to the weights that the training began with.

    Li, Grandvalet & Davoine 2018, equation 2, whose alpha `strength` is; what is new has AdamW's weight decay in the
    place of their beta. With an importance for each number it is EWC (Kirkpatrick et al. 2017, equation 3, whose
    lambda `strength` is). The loss that is recorded is without it.

    Args:
        weights: name to the parameters that are pulled.
        start: the same names to the values that they are pulled to.
        strength: above 0.
        importance: the same names to what each number's squared distance is multiplied by; None for 1.
    """

    def __init__(
        self,
        weights: Mapping[str, nn.Parameter],
        start: Mapping[str, Tensor],
        *,
        strength: float,
        importance: Mapping[str, Tensor] | None = None,
    ) -> None:
        each = importance or {}
        self._pairs = [(weight, start[name], each.get(name)) for name, weight in weights.items()]
        self._strength = strength

    @torch.no_grad()
    def after(self) -> None:
        """The penalty's own gradient, where a weight has one."""
        for weight, start, importance in self._pairs:
            if weight.grad is not None:
                away = weight - start
                weight.grad.add_(away if importance is None else away.mul_(importance), alpha=self._strength)


@final
class Mixout(Regulariser):
    """Each element of a weight is, with probability `rate`, the one that the training began with, for one micro-batch.

    What is mixed is corrected so that its mean over the draws is the weight: (m * start + (1 - m) * weight - rate *
    start) / (1 - rate), m being 1 with probability `rate` (Lee, Cho & Kang 2020, equation 4). The gradient goes through
    it. Never in evaluation.

    Args:
        weights: name to the parameters that are mixed.
        start: the same names to the values that are mixed in.
        rate: above 0, below 1.
    """

    def __init__(self, weights: Mapping[str, nn.Parameter], start: Mapping[str, Tensor], *, rate: float) -> None:
        self._pairs = [(weight, start[name]) for name, weight in weights.items()]
        self._dropped = min(max(1, round(rate * LEVELS)), LEVELS - 1)

    @contextmanager
    def during(self) -> Iterator[None]:
        """The mixed weights in the place of the weights; their gradients become the weights' own."""
        own, hooks = [], []
        try:
            for weight, start in self._pairs:
                if not weight.requires_grad:
                    continue
                kept = self._draw(weight)  # 0, or 1 / (1 - rate)
                own.append((weight, weight.data))
                weight.data = torch.addcmul(start, kept, weight.data - start)
                hooks.append(weight.register_hook(_times(kept)))  # type: ignore[no-untyped-call]
            yield
        finally:
            for hook in hooks:
                hook.remove()
            for weight, data in own:
                weight.data = data

    def _draw(self, weight: Tensor) -> Tensor:
        drawn = torch.randint(LEVELS, weight.shape, device=weight.device, dtype=torch.int32)
        return (drawn >= self._dropped).to(weight.dtype).mul_(LEVELS / (LEVELS - self._dropped))


def _times(kept: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda gradient: gradient * kept


@final
class EmbeddingNoise(Regulariser):
    """NEFTune: uniform noise on the embeddings of what is read, drawn anew for each micro-batch.

    Each number gets up to strength / sqrt(tokens x width) more or less, tokens being those of its text (Jain et al.
    2023, algorithm 1). Never in evaluation.

    Args:
        embeddings: of a model's tokens.
        padding: the token that fills a batch up, which counts for no text.
        strength: the paper's alpha, above 0.
    """

    def __init__(self, embeddings: nn.Module, *, padding: int, strength: float) -> None:
        self._embeddings, self._padding, self._strength = embeddings, padding, strength

    @contextmanager
    def during(self) -> Iterator[None]:
        """The noise is on."""
        hook = self._embeddings.register_forward_hook(self._noisy)
        try:
            yield
        finally:
            hook.remove()

    def _noisy(self, _: nn.Module, given: tuple[Any, ...], vectors: Tensor) -> Tensor:
        tokens = (given[0] != self._padding).sum(dim=-1).clamp(min=1)
        most = self._strength / (tokens * vectors.shape[-1]).to(vectors.dtype).sqrt()
        noise = torch.empty_like(vectors).uniform_(-1, 1)
        return torch.addcmul(vectors, noise, most[..., None, None])
