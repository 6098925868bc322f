"""The units of a regression head: trained on standardised numbers, exported so that its logit is in the user's own.

With w, b the head's last layer and y = shift + scale * z, the layer (scale * w, scale * b + shift) gives y where (w, b)
gives z: the same function, but for rounding. Where float32 cannot hold it (a mean of ten million with a deviation of
1 leaves no digit to tell rows apart by), or where the head has nothing to hold it in, the exported logit stays z, and
config.json says what number that is. This module knows no targets.
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
from affina.models.settings import UNITS

SPACING: Final = 2.0**-23
"""Of float32 numbers, relative to their size."""
FINEST: Final = 1e-3
"""Of a deviation: what rounding may move a number by. An error of half a deviation then moves by 0.2% at most."""
MOST_CARRIED: Final = 2.0
"""Deviations that a mean may be away from 0 where a head without a bias has to make it of the features: that far a
ridge probe on a decoder loses nothing by it, at 5 deviations 1% of its error, at 10 5% (docs/log.md)."""
SMALLEST: Final = 1e-30
LARGEST: Final = 1e30
"""Sizes that float32 holds with room for what they are multiplied by."""


@dataclass(frozen=True, slots=True)
class Units:
    """A number is `shift + scale * z`, where z is what the head gives while it trains."""

    shift: float = 0.0
    scale: float = 1.0


PLAIN: Final = Units()


def units_for(module: nn.Module, anatomy: Anatomy, *, mean: float, deviation: float) -> Units:
    """The units that this model's head trains in: standard ones, but for a head that can be exported without a shift.

    Many decoders' heads have no bias, which could not hold the shift; their numbers are scaled and not shifted.

    Args:
        module: the model.
        anatomy: where its head is.
        mean: of the training rows' numbers.
        deviation: their standard deviation, above 0.
    """
    layer = last_layer(module, anatomy)
    if layer is not None and layer.bias is None and abs(mean) <= MOST_CARRIED * deviation:
        return Units(0.0, (mean**2 + deviation**2) ** 0.5)
    return Units(mean, deviation)


def units_shipped(module: nn.Module, anatomy: Anatomy, units: Units) -> Units:
    """What the exported logit counts in: the user's own units where the head can hold them, else `units`."""
    layer = last_layer(module, anatomy)
    held = layer is not None and (layer.bias is not None or not units.shift) and _fits(units)
    return PLAIN if held else units


def _fits(units: Units) -> bool:
    """Whether float32 tells numbers in the user's own units apart as finely as the head does."""
    in_range = SMALLEST <= units.scale <= LARGEST and abs(units.shift) <= LARGEST
    return in_range and lost(units) <= FINEST


def lost(units: Units) -> float:
    """What float32's rounding moves a number in the user's own units by, in deviations."""
    return SPACING * abs(units.shift) / units.scale


def units_of(config: Any) -> Units:
    """What the logit of a saved model counts in, as its configuration says; plain where it says nothing."""
    found: dict[str, float] | None = config.to_dict().get(UNITS)
    return PLAIN if found is None else Units(found["shift"], found["scale"])


def _set_units(config: Any, units: Units) -> None:
    if units != PLAIN:
        setattr(config, UNITS, {"shift": units.shift, "scale": units.scale})
    elif units_of(config) != PLAIN:
        delattr(config, UNITS)


def rebased(layer: nn.Linear | None, before: Units, after: Units) -> Units:
    """Make a layer that counts in `before` count in `after` where it can hold that; what it counts in then."""
    shift = (before.shift - after.shift) / after.scale
    if layer is None or (layer.bias is None and shift):
        return before
    _change(layer, shift=shift, scale=before.scale / after.scale)
    return after


def _change(layer: nn.Linear, *, shift: float, scale: float) -> None:
    with torch.no_grad():
        layer.weight.mul_(scale)
        if layer.bias is not None:
            layer.bias.copy_(layer.bias.double() * scale + shift)


@contextmanager
def as_shipped(module: Any, anatomy: Anatomy, units: Units) -> Iterator[None]:
    """The model with its logit in the user's units, or a configuration that says how to come to them.

    Its weights are afterwards as they were, bit for bit.
    """
    shipped, layer = units_shipped(module, anatomy, units), last_layer(module, anatomy)
    _set_units(module.config, shipped)
    if layer is None or units == shipped:
        yield
        return
    kept = {name: tensor.detach().clone() for name, tensor in layer.named_parameters()}
    rebased(layer, units, shipped)
    try:
        yield
    finally:
        with torch.no_grad():
            for name, parameter in layer.named_parameters():
                parameter.copy_(kept[name])
