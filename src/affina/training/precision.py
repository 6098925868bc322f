"""Mixed precision: autocast, and dynamic loss scaling for fp16 (Micikevicius et al. 2018, section 3).

Weights, gradients and optimizer states stay in float32. This module refuses what the device would only emulate.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, final

import torch
from torch import Tensor

from affina.errors import DeviceError, Problem
from affina.runtime.machine import low_precision_missing
from affina.values import Resolved

PrecisionName = Literal["fp32", "bf16", "fp16"]


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


def choose(asked: str, device: torch.device) -> Resolved[PrecisionName]:
    """The precision to use.

    Raises:
        DeviceError: reduced precision was asked for where the device has no instructions for it.
    """
    if asked == "auto":
        if device.type == "cuda" and low_precision_missing(device, "bf16") is None:
            return Resolved("bf16", "the GPU has bfloat16 matrix units; weights and optimizer stay in float32")
        return Resolved("fp32", f"exact, and the safe choice on {device.type}")
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
