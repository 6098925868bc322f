"""What a method gives back once it is attached to a model: the contract of design section 3.

A method says what may change. It knows no task, no optimizer and no file format of a checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

BaseTensors = Callable[[], Mapping[str, Tensor]]
"""Loads the base model's tensors by parameter name."""
BodyOrHead = Literal["body", "head"]
"""Pre-trained weights, and what is new in the task."""


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters that share a learning rate and a weight decay.

    Attributes:
        part: of the model.
        decays: whether weight decay applies: matrices only, no norms and biases.
        parameters: name to tensor, in the model's order.
        rate: what the part's learning rate is multiplied by; not 1 for LoRA+'s B and with discriminative rates.
    """

    part: BodyOrHead
    decays: bool
    parameters: Mapping[str, nn.Parameter]
    rate: float = 1.0


class Attached(Protocol):
    """A model with a method attached: what trains, how to keep it, how to switch it off."""

    def parameter_groups(self) -> tuple[ParameterGroup, ...]:
        """What the optimizer moves."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """Every trained tensor by name, head included; references, not copies."""
        ...

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put trained tensors back; the names must be exactly those of `state_dict`."""
        ...

    def train(self) -> None:
        """Dropout on where weights train; frozen parts below the first trained one stay without it."""
        ...

    def eval(self) -> None:
        """Dropout off everywhere."""
        ...

    def disabled(self) -> AbstractContextManager[None]:
        """The base model, bit for bit, while the block runs; the head is no part of the base."""
        ...

    def as_it_came(self) -> AbstractContextManager[None]:
        """The model that the run began with, bit for bit, while the block runs; the head is no part of it.

        That is the base, but where the run goes on from an adapter: then the base with the adapter as it was.
        """
        ...

    def start_anew(self, base: BaseTensors) -> None:
        """All that trains as before the first step: the base's own, and what is new drawn from torch's random state."""
        ...

    @property
    def taken(self) -> int:
        """Positions of the model's longest input that are no longer there for a text."""
        ...

    def detach(self) -> None:
        """Take the method off the model, for good; what trained in the model's own weights stays in them."""
        ...


@runtime_checkable
class Freezable(Protocol):
    """A method of whose tensors some can stand still for a while."""

    def train_only(self, names: Collection[str], *, quiet: Sequence[str]) -> None:
        """Let only these train from now on; the others of `state_dict` keep their values, and get no gradient.

        Args:
            names: of `state_dict`.
            quiet: the modules that run before the first of them, which `train` leaves without dropout.
        """
        ...

    def train_all(self) -> None:
        """Let all of `state_dict` train again, as when the method was attached."""
        ...


@runtime_checkable
class Mergeable(Protocol):
    """A method whose training can be written into the model's own weights."""

    @property
    def merge_bytes(self) -> int:
        """What `merged()` holds beside the model."""
        ...

    def merged(self) -> AbstractContextManager[None]:
        """A plain model that computes the same, while the block runs; then the stored weights are back, bit for bit.

        Inside it the model has its own names and classes alone: it can be saved, or run without the method's cost.
        """
        ...


@runtime_checkable
class Scalable(Protocol):
    """A method whose change to the model can be made smaller: the line of Wortsman et al. (2022), section 3."""

    def scaled(self, strength: float, *, start: Mapping[str, Tensor], tuned: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The trained tensors of a model on the line between two stored ends; nothing is put into the model.

        Args:
            strength: 0 is `start` and 1 is `tuned`, bit for bit.
            start: `state_dict` before the first step: the base, with the head that the line begins at.
            tuned: `state_dict` of the tuned model.
        """
        ...


def between(start: Mapping[str, Tensor], tuned: Mapping[str, Tensor], strength: float) -> dict[str, Tensor]:
    """The tensors start + strength * (tuned - start); at 0 and 1 those of that end themselves."""
    if strength in (0.0, 1.0):
        return dict(tuned if strength else start)
    return {name: torch.lerp(start[name], tensor.to(start[name]), strength) for name, tensor in tuned.items()}


def trained_count(attached: Attached) -> int:
    """How many numbers train, the head's included."""
    return sum(tensor.numel() for tensor in attached.state_dict().values())
