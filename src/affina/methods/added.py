"""A method that trains tensors beside the model's own: its groups, its state, its modes, and how it comes on and off.

The model's own weights stay bit for bit what they are, except the task's head, which is trained whole. This module
knows no method: what is trained where, how it starts, and what it can do beside that is each subclass's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from affina.methods.base import Attached, BaseTensors, ParameterGroup
from affina.methods.reach import quiet_below
from affina.methods.weights import TrainedWeights
from affina.models.anatomy import Anatomy


class Place(Protocol):
    """A part of the model that computes something else while a method is on it."""

    def attach(self) -> None:
        """Put what is trained in."""
        ...

    def detach(self) -> None:
        """Bring back what the model has of its own."""
        ...


class Added(ABC):
    """A model with tensors that train beside it, and its head: what of `Attached` all such methods share.

    The method is on the model from the end of this constructor on.

    Args:
        module: the model; its own parameters are frozen here, those of its head excepted.
        anatomy: where its head is.
        tensors: what trains beside it, by the names that a checkpoint has.
        places: where it acts.
        reached: names or paths in the model, the lowest of which is where training begins to matter; below it
            there is no dropout.
        rates: a tensor's name to what its learning rate is multiplied by, where that is not 1.
    """

    decays: ClassVar[bool] = True
    """Whether weight decay applies to the matrices among the tensors."""

    def __init__(
        self,
        module: Any,
        anatomy: Anatomy,
        *,
        tensors: Mapping[str, nn.Parameter],
        places: Sequence[Place],
        reached: Collection[str],
        rates: Mapping[str, float] | None = None,
    ) -> None:
        names = [name for name, _ in module.named_parameters()]
        head = frozenset(name for name in names if anatomy.part_of(name) == "head")
        quiet = quiet_below(module, anatomy, reached)
        self.module = module
        self._head = TrainedWeights(module, trained=head, head=head, quiet=quiet, base_tensors=dict)
        self._tensors, self._places, self._rates = dict(tensors), tuple(places), rates or {}
        self._begun: dict[str, Tensor] | None = None
        self.attach()

    @property
    @abstractmethod
    def taken(self) -> int:
        """Positions of the model's longest input that are no longer there for a text."""

    @abstractmethod
    def start_over(self) -> None:
        """The tensors as before the first step, drawn anew from torch's random state."""

    def begin_with(self, tensors: Mapping[str, Tensor]) -> None:
        """Start from these instead, now and whenever all starts anew: those of an adapter that goes on training.

        Args:
            tensors: the method's own, all of them, and any of the head's.

        Raises:
            KeyError: one is missing or unknown; nothing was copied.
        """
        self.load_state_dict(self._head.state_dict() | dict(tensors))
        self._begun = {name: tensor.detach().clone() for name, tensor in self.state_dict().items() if name in tensors}

    @property
    def goes_on(self) -> bool:
        """Whether the tensors began as those of an adapter."""
        return self._begun is not None

    def start_anew(self, base: BaseTensors) -> None:
        """The tensors as before the first step, and the head as `base` has or draws it."""
        if self._begun is None:
            self.start_over()
        self._head.start_anew(base)
        if self._begun is not None:
            self.load_state_dict(self.state_dict() | self._begun)

    def attach(self) -> None:
        """Put the method on the model; it must not be on it."""
        for place in self._places:
            place.attach()

    def detach(self) -> None:
        """Take it off, for good."""
        for place in self._places:
            place.detach()

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """The model without the method: the base, bit for bit; another method may be attached meanwhile."""
        self.detach()
        try:
            yield
        finally:
            self.attach()

    @contextmanager
    def as_it_came(self) -> Iterator[None]:
        """The model without the method, or with the tensors of the adapter that goes on, by swapping storage."""
        if self._begun is None:
            with self.disabled():
                yield
            return
        kept = {name: tensor.data for name, tensor in self._tensors.items()}
        try:
            for name, tensor in self._tensors.items():
                tensor.data = self._begun[name]
            yield
        finally:
            for name, tensor in self._tensors.items():
                tensor.data = kept[name]

    def train(self) -> None:
        """Dropout on, except in what runs before the first thing that is reached."""
        self._head.train()

    def eval(self) -> None:
        """Dropout off everywhere."""
        self._head.eval()

    def parameter_groups(self) -> tuple[ParameterGroup, ...]:
        """The tensors, those that share a rate and a decay together, and the head's."""
        groups: dict[tuple[bool, float], dict[str, nn.Parameter]] = {}
        for name, tensor in self._tensors.items():
            groups.setdefault((self.decays and tensor.ndim > 1, self._rates.get(name, 1.0)), {})[name] = tensor
        body = [ParameterGroup("body", decays, members, rate) for (decays, rate), members in groups.items()]
        return (*body, *self._head.parameter_groups())

    def state_dict(self) -> dict[str, Tensor]:
        """Every trained tensor by name, head included; references, not copies."""
        return {name: tensor.detach() for name, tensor in self._tensors.items()} | self._head.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Copy `state` into the trained tensors.

        Raises:
            KeyError: a name is missing or unknown; nothing was copied.
        """
        own = self._head.state_dict().keys()
        if different := state.keys() ^ (self._tensors.keys() | own):
            raise KeyError(f"not the tensors that train here: {sorted(different)[:5]}")
        self._head.load_state_dict({name: state[name] for name in own})
        with torch.no_grad():
            for name, tensor in self._tensors.items():
                tensor.copy_(state[name])


def taken_by(attached: Attached) -> int:
    """Positions that a method has before each text: virtual tokens, or those of a prefix."""
    return attached.taken if isinstance(attached, Added) else 0
