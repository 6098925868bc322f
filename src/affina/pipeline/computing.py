"""Where and how a run computes: its device, the precision of its products, and on a CPU the library that makes them."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from affina.pipeline.folders import begun_with
from affina.recipe.base import AUTO
from affina.recipe.schema import Recipe
from affina.runtime import machine, products
from affina.training import precision
from affina.training.precision import PrecisionName
from affina.values import Resolved


def choose_computing(recipe: Recipe, choices: dict[str, Resolved[Any]]) -> tuple[torch.device, PrecisionName]:
    """The device and the precision; the library of the products is in use from now on. All three are among the choices.

    Raises:
        DeviceError: what the recipe asks for is not on this machine.
    """
    device = machine.choose_device(recipe.device)
    reason = "the first of cuda, mps, cpu here" if recipe.device == AUTO else "given in the recipe"
    made = products.choose(recipe.products, device, begun=partial(begun_with, recipe, "products"))
    products.use(made.value)  # before precisions are timed against each other
    chosen = precision.choose(recipe.train.precision, device, begun=partial(begun_with, recipe, "train", "precision"))
    choices |= {"device": Resolved(device.type, reason), "products": made, "train.precision": chosen}
    return device, chosen.value
