"""The units of a regression head: trained on standardised numbers, exported so that its logit is in the user's own.

With w, b the head's last layer and y = shift + scale * z, the layer (scale * w, scale * b + shift) gives y where (w, b)
gives z: the same function, but for rounding. Many decoders' heads have no bias, which could not hold the shift; their
numbers are scaled and not shifted. This module knows no targets.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import nn

from affina.models.anatomy import Anatomy
from affina.models.head_start import last_layer


@dataclass(frozen=True, slots=True)
class Units:
    """A number is `shift + scale * z`, where z is what the head gives while it trains."""

    shift: float = 0.0
    scale: float = 1.0


PLAIN: Final = Units()


def units_for(module: nn.Module, anatomy: Anatomy, *, mean: float, deviation: float) -> Units:
    """The units that this model's head can be exported from.

    Args:
        module: the model.
        anatomy: where its head is.
        mean: of the training rows' numbers.
        deviation: their standard deviation, above 0.
    """
    layer = last_layer(module, anatomy)
    if layer is None:
        return PLAIN
    if layer.bias is None:
        return Units(0.0, (mean**2 + deviation**2) ** 0.5)
    return Units(mean, deviation)


def to_plain(layer: nn.Linear, units: Units) -> None:
    """Make a layer that gives z give the number."""
    with torch.no_grad():
        layer.weight.mul_(units.scale)
        if layer.bias is not None:
            layer.bias.mul_(units.scale).add_(units.shift)


def to_standard(layer: nn.Linear, units: Units) -> None:
    """Make a layer that gives the number give z."""
    with torch.no_grad():
        layer.weight.div_(units.scale)
        if layer.bias is not None:
            layer.bias.sub_(units.shift).div_(units.scale)


@contextmanager
def plain(module: Any, anatomy: Anatomy, units: Units) -> Iterator[None]:
    """The model with its logit in the user's units; afterwards it is as it was, bit for bit."""
    layer = last_layer(module, anatomy)
    if layer is None or units == PLAIN:
        yield
        return
    kept = {name: tensor.detach().clone() for name, tensor in layer.named_parameters()}
    to_plain(layer, units)
    try:
        yield
    finally:
        with torch.no_grad():
            for name, parameter in layer.named_parameters():
                parameter.copy_(kept[name])
