"""Mixed precision: autocast, and dynamic loss scaling for fp16 (Micikevicius et al. 2018, section 3).

Weights, gradients and optimizer states stay in float32. This module refuses what the device would only emulate.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Literal, final

import torch
from torch import Tensor

from affina.errors import DeviceError, Problem
from affina.runtime import machine
from affina.runtime.machine import low_precision_missing
from affina.values import Resolved

PrecisionName = Literal["fp32", "bf16", "fp16"]
Begun = Callable[[], Resolved[Any] | None]
SIDES: Final = {"cuda": 4_096, "cpu": 768}
"""Of the matrices whose product is timed."""
FASTER: Final = {"cuda": 1.3, "cpu": 6.0}
"""So many times as fast a product has to be in bf16 to be worth its digits: on a CPU only matrix units (AMX) make it
so, since half of a step is no product there, and what is cast to and fro takes its part."""


@final
class Precision:
    """How one forward and backward pass computes.

    Args:
        name: fp32, bf16 or fp16.
        device: where.
    """

    def __init__(self, name: PrecisionName, device: torch.device) -> None:
        self.name = name
        self._device = device
        self._dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[name]
        self._scaler = torch.amp.GradScaler(device.type, enabled=name == "fp16")

    @property
    def scales(self) -> bool:
        """Whether an overflow in the gradients is expected now and then, and answered by a smaller scale."""
        return self._scaler.is_enabled()

    def autocast(self) -> AbstractContextManager[Any]:
        """The context of the forward pass."""
        if self.name == "fp32":
            return nullcontext()
        return torch.autocast(self._device.type, dtype=self._dtype)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of `loss`, times the loss scale."""
        torch.autograd.backward(self._scaler.scale(loss))

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Bring the gradients back to their own scale, before clipping."""
        self._scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer) -> float:
        """Move the weights, unless fp16 gradients overflowed; returns the loss scale that follows."""
        self._scaler.step(optimizer)
        self._scaler.update()
        return float(self._scaler.get_scale())

    def state(self) -> dict[str, Any]:
        """The loss scale and its counters; empty without scaling."""
        return dict(self._scaler.state_dict())

    def load_state(self, state: dict[str, Any]) -> None:
        """Put back what `state` gave."""
        if state:
            self._scaler.load_state_dict(state)


def _not_begun() -> None:
    """A new run."""


def choose(asked: str, device: torch.device, *, begun: Begun = _not_begun) -> Resolved[PrecisionName]:
    """The precision to use.

    Args:
        asked: the recipe's `train.precision`; `auto` takes bf16 where a matrix product in it is clearly faster.
        device: where.
        begun: gives what `auto` came to when a run that goes on began; None for a new one.

    Raises:
        DeviceError: reduced precision was asked for where the device has no instructions for it.
    """
    if asked == "auto":
        return _fastest(device, begun)
    name: PrecisionName = "fp32" if asked == "fp32" else "bf16" if asked == "bf16" else "fp16"
    missing = None if name == "fp32" else low_precision_missing(device, name)
    if missing is not None:
        raise DeviceError(
            Problem(
                where="recipe key train.precision",
                expected=f"a precision that {device.type} computes in hardware",
                found=f"{name}: {missing}, so it would be emulated and several times slower than fp32",
                fix="write train.precision=fp32, or leave it out",
            )
        )
    return Resolved(name, "given in the recipe")


def product_seconds(device: torch.device) -> list[float]:
    """The time of a product of square matrices in float32, and in bfloat16, in seconds."""
    side = SIDES[device.type]
    one = torch.ones(side, side, device=device)
    half = one.bfloat16()
    return machine.least_seconds(lambda: one @ one, lambda: half @ half)


def _fastest(device: torch.device, begun: Begun) -> Resolved[PrecisionName]:
    missing = low_precision_missing(device, "bf16")
    if missing is not None:
        return Resolved("fp32", f"exact, and bf16 would be emulated: {missing}")
    if (before := begun()) is not None:
        return before
    if device.type == "mps":
        return Resolved("fp32", "exact; no other is tried on mps")
    exact, reduced = product_seconds(device)
    timed = f"a matrix product takes {1e3 * reduced:.2g} ms in bf16 and {1e3 * exact:.2g} ms in fp32 here"
    if exact < FASTER[device.type] * reduced:
        return Resolved("fp32", f"exact, and {timed}")
    return Resolved("bf16", f"{timed}; weights and optimizer stay in float32")
