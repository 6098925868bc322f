"""How a new classification head starts: as the linear probe on its own features, where that holds for unseen rows.

A random last layer spends the first steps of a run on finding out what a logistic regression finds at once, and
meanwhile sends noise into the pre-trained weights (Kumar et al. 2022, section 3). So the dense layer before the
last one, where it ends in tanh, starts as a scaled identity, and the last layer as the probe fitted on what then
reaches it. docs/log.md has the measurements. This module finds and fills the layers; the probe is fitted, and whether
it is used decided, in `evaluation.probing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from affina.models.anatomy import Anatomy

POOLER_SCALE: Final = 0.5
"""tanh is nearly linear for hidden states of this size, so that the pooler loses nothing at the start."""


def last_layer(module: nn.Module, anatomy: Anatomy) -> nn.Linear | None:
    """The head's linear layer that gives the logits, or None in a head of another make."""
    layer = module.get_submodule(anatomy.output)
    return layer if isinstance(layer, nn.Linear) else None


def open_pooler(module: nn.Module, anatomy: Anatomy) -> bool:
    """Make BERT's pooler (a square dense layer before tanh) a scaled identity; False where the model has none."""
    found = dict(module.named_modules()).get(f"{anatomy.backbone}.pooler.dense")
    if not isinstance(found, nn.Linear) or found.in_features != found.out_features:
        return False
    with torch.no_grad():
        found.weight.copy_(torch.eye(found.in_features) * POOLER_SCALE)
        found.bias.zero_()
    return True


@contextmanager
def inputs_of(layer: nn.Linear) -> Iterator[list[Tensor]]:
    """The yielded list collects what `layer` is given: [batch, width], or [batch, time, width]."""
    seen: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].detach()))
    try:
        yield seen
    finally:
        handle.remove()


def fill(layer: nn.Linear, weight: NDArray[np.float64], bias: NDArray[np.float64], *, classes: Sequence[int]) -> None:
    """Start `layer` as a linear classifier; classes that the probe never saw keep a zero row.

    Args:
        layer: [classes, width].
        weight: [seen classes, width].
        bias: [seen classes].
        classes: which rows of `layer` these are.
    """
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[list(classes)] = torch.from_numpy(weight).to(layer.weight)
        if layer.bias is not None:
            layer.bias.zero_()
            layer.bias[list(classes)] = torch.from_numpy(bias).to(layer.bias)
