"""The books of a method that trains tensors beside the model's own: its groups, its state, its modes.

The model's own weights stay bit for bit what they are, except the task's head, which is trained whole. This module
knows no method.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, final

import torch
from torch import Tensor, nn

from affina.methods.base import ParameterGroup
from affina.methods.reach import quiet_below
from affina.methods.weights import TrainedWeights
from affina.models.anatomy import Anatomy


@final
class Added:
    """Tensors that train beside a model, and its head.

    Args:
        module: the model; its own parameters are frozen here, those of its head excepted.
        anatomy: where its head is.
        tensors: what trains beside it, by the names that a checkpoint has.
        reached: names or paths in the model, the lowest of which is where training begins to matter; below it
            there is no dropout.
        rates: a tensor's name to what its learning rate is multiplied by, where that is not 1.
        decays: whether weight decay applies to the matrices among them.
    """

    def __init__(
        self,
        module: Any,
        anatomy: Anatomy,
        *,
        tensors: Mapping[str, nn.Parameter],
        reached: Collection[str],
        rates: Mapping[str, float] | None = None,
        decays: bool = True,
    ) -> None:
        names = [name for name, _ in module.named_parameters()]
        head = frozenset(name for name in names if anatomy.part_of(name) == "head")
        quiet = quiet_below(module, anatomy, reached)
        self.head = TrainedWeights(module, trained=head, head=head, quiet=quiet, base_tensors=dict)
        self.tensors = dict(tensors)
        self._rates, self._decays = rates or {}, decays

    def parameter_groups(self) -> tuple[ParameterGroup, ...]:
        """The tensors, those that share a rate and a decay together, and the head's."""
        groups: dict[tuple[bool, float], dict[str, nn.Parameter]] = {}
        for name, tensor in self.tensors.items():
            groups.setdefault((self._decays and tensor.ndim > 1, self._rates.get(name, 1.0)), {})[name] = tensor
        body = [ParameterGroup("body", decays, members, rate) for (decays, rate), members in groups.items()]
        return (*body, *self.head.parameter_groups())

    def state_dict(self) -> dict[str, Tensor]:
        """Every trained tensor by name, head included; references, not copies."""
        return {name: tensor.detach() for name, tensor in self.tensors.items()} | self.head.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Copy `state` into the trained tensors.

        Raises:
            KeyError: a name is missing or unknown; nothing was copied.
        """
        own = self.head.state_dict().keys()
        if different := state.keys() ^ (self.tensors.keys() | own):
            raise KeyError(f"not the tensors that train here: {sorted(different)[:5]}")
        self.head.load_state_dict({name: state[name] for name in own})
        with torch.no_grad():
            for name, tensor in self.tensors.items():
                tensor.copy_(state[name])
