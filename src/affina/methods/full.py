"""Method: full fine-tuning. Every weight of the model is trained."""

from __future__ import annotations

from torch import nn

from affina.methods.base import BaseTensors
from affina.methods.weights import TrainedWeights
from affina.models.anatomy import Anatomy


def attach(module: nn.Module, anatomy: Anatomy, *, base_tensors: BaseTensors) -> TrainedWeights:
    """Train everything.

    Args:
        module: the model, its head in place.
        anatomy: which parameters are the head's.
        base_tensors: for `disabled()`.
    """
    names = [name for name, _ in module.named_parameters()]
    head = frozenset(name for name in names if anatomy.part_of(name) == "head")
    return TrainedWeights(module, trained=frozenset(names), head=head, quiet=(), base_tensors=base_tensors)
