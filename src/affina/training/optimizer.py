"""AdamW with bias correction (Loshchilov & Hutter 2019) over a method's parameter groups, its state by name.

In eight bits (Dettmers et al. 2022) the moments of larger tensors are levels with a scale for each 256 of them.

Owns the learning rate of each group and the form in which the optimizer's state is kept: named tensors, no pickle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, final

import torch
from torch import Tensor

from affina.methods.base import BodyOrHead, ParameterGroup
from affina.runtime.four_bits import bitsandbytes

BETAS: Final = (0.9, 0.999)
EPSILON: Final = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The peak learning rates, and the weight decay of matrices; `body_decay` is that of the body where it differs."""

    body: float
    head: float
    weight_decay: float
    body_decay: float | None = None

    def decay_of(self, part: BodyOrHead) -> float:
        """The weight decay of a part's matrices."""
        return self.weight_decay if part == "head" or self.body_decay is None else self.body_decay


Kind = Literal["adamw", "adamw_8bit"]
KEY: Final = "train.optimizer"
TABLES: Final = frozenset({"qmap1", "qmap2"})
"""The levels of eight bits, which all tensors share."""
MOMENTS: Final[Mapping[Kind, float]] = {"adamw": 2.0, "adamw_8bit": 2 * (1 + 4 / 256) / 4}
"""Numbers of 32 bits that are kept for each weight that trains: two, or two of eight bits with a scale for each 256."""


@final
class Optimizer:
    """torch's fused AdamW, or bitsandbytes' with moments in eight bits, addressed by parameter names.

    Args:
        groups: what to move.
        rates: how fast.
        kind: which of the two.

    Raises:
        RecipeError: the library is not installed.
    """

    def __init__(self, groups: Sequence[ParameterGroup], rates: Rates, kind: Kind = "adamw") -> None:
        self._names = {id(tensor): name for group in groups for name, tensor in group.parameters.items()}
        self.parameters = [tensor for group in groups for tensor in group.parameters.values()]
        moved = [
            {
                "params": list(group.parameters.values()),
                "peak": group.rate * (rates.head if group.part == "head" else rates.body),
                "weight_decay": rates.decay_of(group.part) if group.decays else 0.0,
            }
            for group in groups
        ]
        self._in_eight_bits = kind == "adamw_8bit"
        self.adamw: torch.optim.Optimizer
        if self._in_eight_bits:
            self.adamw = bitsandbytes(KEY).optim.AdamW8bit(moved, lr=rates.body, betas=BETAS, eps=EPSILON)
        else:
            self.adamw = torch.optim.AdamW(moved, lr=rates.body, betas=BETAS, eps=EPSILON, fused=True)

    def set_factor(self, factor: float, *, step: int = 0) -> None:
        """The learning rate of each group becomes its peak times `factor`, its time the steps `done` so far."""
        for group in self.adamw.param_groups:
            group["lr"], group["done"] = group["peak"] * factor, step

    def clear(self) -> None:
        """Forget the gradients and free their memory."""
        self.adamw.zero_grad(set_to_none=True)

    def release(self) -> None:
        """Drop the moments of what is frozen now: unfrozen again, it starts as if it had never moved."""
        for parameter in self.parameters:
            if not parameter.requires_grad:
                self.adamw.state.pop(parameter, None)

    def start_anew(self) -> None:
        """Drop all gradients and moments."""
        self.clear()
        self.adamw.state.clear()

    def state_dict(self) -> dict[str, Tensor]:
        """The moments and step counts, as `NAME/PARAMETER` to tensor; references, but for tables that tensors share."""
        return {
            f"{key}/{self._names[id(parameter)]}": value.clone() if key in TABLES else torch.as_tensor(value)
            for parameter, state in self.adamw.state.items()
            for key, value in state.items()
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state_dict` gave, onto the parameters' devices (step counts stay where AdamW keeps them)."""
        by_name = {self._names[id(parameter)]: parameter for parameter in self.parameters}
        restored: dict[Any, dict[str, Any]] = {}
        for path, tensor in state.items():
            key, _, name = path.partition("/")
            parameter = by_name[name]
            is_count = self._in_eight_bits and not tensor.ndim
            value = int(tensor) if is_count else tensor.to(parameter.device, copy=True)
            restored.setdefault(parameter, {})[key] = value
        self.adamw.state.clear()
        self.adamw.state.update(restored)
