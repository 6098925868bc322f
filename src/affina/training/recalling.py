"""RecAdam: the weights are recalled to where they began, strongly at first, and let go as the training goes on.

Chen et al. 2020, algorithm 1, and the authors' code: with lambda(t) = 1 / (1 + exp(-k (t - t0))) the step of Adam is
lambda times its own, and each weight then goes towards its start by rate * (1 - lambda) * gamma times the distance, not
through Adam's moments. What is new in the task (the head) has plain Adam. Their gamma is 5000 at rates of 2e-5 or so:
here it is said as `pull` = peak rate * gamma, the share of the distance that is gone back in a step at the peak, since
a gamma that fits one rate leaps beyond the start at another (above 1) or does nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor, nn


def annealed(step: int, *, k: float, t0: float) -> float:
    """Lambda of a step, counted from 1."""
    away = k * (step - t0)
    return 1 / (1 + math.exp(-away)) if away > 0 else math.exp(away) / (1 + math.exp(away))


@final
class Recall:
    """See above; acts around each step of the optimizer that it is put `on`.

    Args:
        weights: name to the parameters that are recalled.
        start: the same names to the values that they are recalled to.
        k: how fast lambda rises.
        t0: the step at which it is a half.
        pull: above 0, at most 1.
    """

    def __init__(
        self, weights: Mapping[str, nn.Parameter], start: Mapping[str, Tensor], *, k: float, t0: float, pull: float
    ) -> None:
        self._start = {weight: start[name] for name, weight in weights.items()}
        self._k, self._t0, self._pull = k, t0, pull
        self._kept: list[tuple[dict[str, Any], float, float]] = []

    def on(self, adamw: torch.optim.Optimizer) -> None:
        """Act from its next step on; the groups have a `peak`, and the steps that are `done`, which are the time."""
        adamw.register_step_pre_hook(self._before)
        adamw.register_step_post_hook(self._after)

    def _before(self, adamw: torch.optim.Optimizer, *_: Any) -> None:
        for group in adamw.param_groups:
            if any(weight in self._start for weight in group["params"]):
                share = annealed(1 + group["done"], k=self._k, t0=self._t0)
                self._kept.append((group, group["lr"], share))
                group["lr"] *= share

    @torch.no_grad()
    def _after(self, adamw: torch.optim.Optimizer, *_: Any) -> None:
        skipped = bool(getattr(adamw, "found_inf", None))  # set by fp16's scaler, whose step then moves nothing
        for group, rate, share in self._kept:
            group["lr"] = rate
            if skipped:
                continue
            back = self._pull * rate / group["peak"] * (1 - share)
            for weight in group["params"]:
                if weight in self._start and weight.grad is not None:
                    weight.lerp_(self._start[weight], back)
        self._kept.clear()
