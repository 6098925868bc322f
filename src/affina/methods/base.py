"""What a method gives back once it is attached to a model: the contract of design section 3.

A method says what may change. It knows no task, no optimizer and no file format of a checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters that share a learning rate and a weight decay.

    Attributes:
        part: "body" for pre-trained weights, "head" for what is new in the task.
        decays: whether weight decay applies: matrices only, no norms and biases.
        parameters: name to tensor, in the model's order.
    """

    part: Literal["body", "head"]
    decays: bool
    parameters: Mapping[str, nn.Parameter]


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
