"""Method: full fine-tuning. Every weight of the model is trained, with one learning rate or one for each layer.

In which order the layers begin to train is `unfreezing`'s.
"""

from __future__ import annotations

from torch import nn

from affina.methods.base import BaseTensors
from affina.methods.layer_groups import layer_groups, layer_rates
from affina.methods.weights import TrainedWeights
from affina.models.anatomy import Anatomy
from affina.recipe.weight_specs import FullSpec


def attach(module: nn.Module, anatomy: Anatomy, spec: FullSpec, *, base_tensors: BaseTensors) -> TrainedWeights:
    """Train everything.

    Args:
        module: the model, its head in place.
        anatomy: where its embeddings, blocks and head are.
        spec: the recipe's `method`.
        base_tensors: for `disabled()`.
    """
    names = [name for name, _ in module.named_parameters()]
    head = frozenset(name for name in names if anatomy.part_of(name) == "head")
    return TrainedWeights(
        module,
        trained=frozenset(names),
        head=head,
        quiet=(),
        base_tensors=base_tensors,
        rates=layer_rates(layer_groups(names, anatomy), spec.layer_decay),
    )
