"""What the checks measure with: distances, gradients, and arithmetic in float64 for a while."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from affina.pipeline.prepared import Prepared
from affina.pipeline.training import rates_of
from affina.training.optimizer import Optimizer
from affina.training.plan import Window
from affina.training.precision import Precision
from affina.training.stepping import Stepper


def gradients(run: Prepared, window: Window) -> list[Tensor]:
    """The gradient of a window's mean loss by every trained tensor, as a step of the loop makes it, without dropout."""
    run.attached.eval()  # the same function whatever the batches: no dropout, no noise
    optimizer = Optimizer(run.attached.parameter_groups(), rates_of(run))
    stepper = Stepper(run.subject.work(run), optimizer, precision=Precision("fp32", run.device), clip=None)
    stepper.gradients(window)
    return taken(optimizer.parameters)


def taken(parameters: Sequence[Tensor]) -> list[Tensor]:
    """The gradients of tensors, zeros where there is none; they are gone afterwards."""
    found = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
    for one in parameters:
        one.grad = None
    return found


def trained_tensors(run: Prepared) -> list[Tensor]:
    """What the optimizer moves."""
    return [tensor for group in run.attached.parameter_groups() for tensor in group.parameters.values()]


def distance(first: Sequence[Tensor], second: Sequence[Tensor]) -> float:
    """The length of the difference over that of the first, all tensors as one vector; no number where that is zero."""
    apart = sum(_squared(one - other) for one, other in zip(first, second, strict=True))
    length = sum(map(_squared, first))
    return math.sqrt(apart / length) if length else math.nan


def _squared(tensor: Tensor) -> float:
    return float(doubled(tensor.detach()).square().sum())


def doubled(tensor: Tensor) -> Tensor:
    """The tensor in float64, where its device has it."""
    return tensor if tensor.device.type == "mps" else tensor.double()


def off(found: Tensor, expected: Tensor, *, least: float = 0.0) -> float:
    """The largest difference over the largest number that was expected; infinite where the shapes differ.

    Args:
        found: by another way.
        expected: [..].
        least: that the difference is measured by, where all numbers are smaller.
    """
    if found.shape != expected.shape:
        return math.inf
    largest = max(least, float(expected.detach().abs().max()))
    return float((found - expected).detach().abs().max()) / largest if largest else math.nan


@contextmanager
def precisely(run: Prepared, *, double: bool) -> Iterator[None]:
    """The run's tensors in float64 where that is asked for, while the block runs; then they are what they were.

    Args:
        run: its model and method.
        double: whether.
    """
    if not double:
        yield
        return
    module = run.model.module
    tensors = {id(one): one for one in (*module.parameters(), *module.buffers(), *trained_tensors(run))}
    kept = [(one, one.data) for one in tensors.values() if one.is_floating_point()]
    try:
        for one, data in kept:
            one.data = data.double()
        yield
    finally:
        for one, data in kept:
            one.data, one.grad = data, None
