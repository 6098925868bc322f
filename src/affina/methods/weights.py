"""Training a choice of the model's own weights: the one mechanism behind the methods `full` and `partial`.

Owns which tensors require a gradient and which modules run without dropout. Which tensors those are is decided by
`full` and `partial`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import final

import torch
from torch import Tensor, nn

from affina.methods.base import BaseTensors, BodyOrHead, ParameterGroup, between


@final
class TrainedWeights:
    """A model of which the named parameters train and all others stay bit for bit what they are.

    Args:
        module: the model; `requires_grad` of its parameters is set here.
        trained: names of the parameters to train, head included.
        head: names of the parameters of the task's head.
        quiet: names of modules that run without dropout, each by itself and without those inside it.
        base_tensors: for `disabled()`.
        rates: name to what its part's learning rate is multiplied by; 1 where a name is not there.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        trained: frozenset[str],
        head: frozenset[str],
        quiet: tuple[str, ...],
        base_tensors: BaseTensors,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        self.module = module
        self._head = head
        self._quiet: Sequence[str] = quiet
        self._quiet_in_all = quiet
        self._base_tensors = base_tensors
        self._rates = rates or {}
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(name in trained)
        self._trained = {name: parameter for name, parameter in module.named_parameters() if name in trained}

    def parameter_groups(self) -> tuple[ParameterGroup, ...]:
        """Body and head, the fastest first, each rate with its matrices (weight decay) and its vectors (none)."""
        members: dict[tuple[BodyOrHead, bool, float], dict[str, nn.Parameter]] = {}
        for name, tensor in self._trained.items():
            part: BodyOrHead = "head" if name in self._head else "body"
            members.setdefault((part, tensor.ndim > 1, self._rates.get(name, 1.0)), {})[name] = tensor
        groups = [ParameterGroup(part, decays, found, rate) for (part, decays, rate), found in members.items()]
        return tuple(sorted(groups, key=lambda group: (group.part == "head", -group.rate, not group.decays)))

    def train_only(self, names: Collection[str], *, quiet: Sequence[str]) -> None:
        """Let only these of the trained tensors train from now on.

        Raises:
            KeyError: one of them does not train here.
        """
        if unknown := set(names) - self._trained.keys():
            raise KeyError(f"not tensors that train here: {sorted(unknown)[:5]}")
        for name, parameter in self._trained.items():
            parameter.requires_grad_(name in names)
        self._quiet = quiet

    def train_all(self) -> None:
        """Every trained tensor trains again."""
        self.train_only(self._trained, quiet=self._quiet_in_all)

    def state_dict(self) -> dict[str, Tensor]:
        """Every trained tensor by name; references, not copies."""
        return {name: parameter.detach() for name, parameter in self._trained.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Copy `state` into the trained tensors.

        Raises:
            KeyError: a name is missing or unknown; nothing was copied.
        """
        if different := state.keys() ^ self._trained.keys():
            raise KeyError(f"not the tensors that train here: {sorted(different)[:5]}")
        with torch.no_grad():
            for name, parameter in self._trained.items():
                parameter.copy_(state[name])

    def scaled(self, strength: float, *, start: Mapping[str, Tensor], tuned: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Every trained tensor on the straight line, the head's too."""
        return between(start, tuned, strength)

    def train(self) -> None:
        """Dropout on, except in what runs before the first trained block."""
        self.module.train()
        for name in self._quiet:
            self.module.get_submodule(name).training = False

    def eval(self) -> None:
        """Dropout off everywhere."""
        self.module.eval()

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """The base tensors in the place of the trained ones, by swapping storage: exact, and exact again afterwards."""
        changed = [name for name in self._trained if name not in self._head]
        base = self._base_tensors() if changed else {}
        kept = {name: self._trained[name].data for name in changed}
        try:
            for name in changed:
                self._trained[name].data = base[name].to(kept[name].device, kept[name].dtype)
            yield
        finally:
            for name, tensor in kept.items():
                self._trained[name].data = tensor

    def as_it_came(self) -> AbstractContextManager[None]:
        """The base."""
        return self.disabled()

    def start_anew(self, base: BaseTensors) -> None:
        """The base's tensors again, and a new head as `base` draws it; all of them train."""
        self.train_all()
        if self._trained:
            tensors = base()
            self.load_state_dict({name: tensors[name] for name in self._trained})

    @property
    def taken(self) -> int:
        """None."""
        return 0

    def detach(self) -> None:
        """There is nothing beside the model."""
