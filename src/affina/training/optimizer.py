"""AdamW with bias correction (Loshchilov & Hutter 2019) over a method's parameter groups, its state by name.

In eight bits (Dettmers et al. 2022) the moments of larger tensors are levels with a scale for each 256 of them.

Owns the learning rate of each group and the form in which the optimizer's state is kept: named tensors, no pickle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, final

import torch
from torch import Tensor

from affina.methods.base import BodyOrHead, ParameterGroup
from affina.runtime.four_bits import bitsandbytes
from affina.training.looked_up import LookedUp

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
ROWS: Final = "rows"
TABLES: Final = frozenset({"qmap1", "qmap2"})
"""The levels of eight bits, which all tensors share,"""
LEVELS: Final = 256
"""and how many they are."""
SCALES: Final = frozenset({"absmax1", "absmax2"})
TOGETHER: Final = 256
"""Moments of eight bits that share a scale."""
MOMENTS: Final[Mapping[Kind, float]] = {"adamw": 2.0, "adamw_8bit": 2 * (1 + 4 / TOGETHER) / 4}
"""Numbers of 32 bits that are kept for each weight that trains: two, or two of eight bits with a scale for each 256."""


def may_be(key: str, shape: tuple[int, ...], weight: Tensor, rows: Tensor | None) -> bool:
    """Whether a tensor of an optimizer's state fits a weight that trains.

    Args:
        key: what it is of the weight.
        shape: its own.
        weight: the whole one.
        rows: those of its rows that the state says it is about; None for all of them.
    """
    whole = tuple(weight.shape)
    if rows is not None and not _are_rows(rows, of=len(weight)):
        return False
    if key == ROWS:
        return rows is not None
    if key in TABLES:
        return shape == (LEVELS,)
    if key in SCALES:
        return shape == (-(-weight.numel() // TOGETHER),)
    return shape in ((), whole if rows is None else (len(rows), *whole[1:]))


def _are_rows(rows: Tensor, *, of: int) -> bool:
    if rows.dtype != torch.int64 or rows.ndim != 1 or not len(rows):
        return False
    return int(rows[0]) >= 0 and int(rows[-1]) < of and bool((rows[1:] > rows[:-1]).all())


@final
class Optimizer:
    """torch's fused AdamW, or bitsandbytes' with moments in eight bits, addressed by parameter names.

    Args:
        groups: what to move.
        rates: how fast.
        kind: which of the two.
        looked_up: name of a table among them to those of its rows that move in its place.

    Attributes:
        parameters: what moves, in the order of the groups.
        moves_whole: tables of which all rows came to move.

    Raises:
        RecipeError: the library is not installed.
    """

    def __init__(
        self,
        groups: Sequence[ParameterGroup],
        rates: Rates,
        kind: Kind = "adamw",
        *,
        looked_up: Mapping[str, LookedUp] | None = None,
    ) -> None:
        self._looked_up = dict(looked_up or {})
        self.moves_whole: list[str] = []
        parts = {name: one.part for name, one in self._looked_up.items()}
        named = [{name: parts.get(name, tensor) for name, tensor in group.parameters.items()} for group in groups]
        self._names = {id(tensor): name for tensors in named for name, tensor in tensors.items()}
        self.parameters: list[Tensor] = [tensor for tensors in named for tensor in tensors.values()]
        moved = [
            {
                "params": list(tensors.values()),
                "peak": group.rate * (rates.head if group.part == "head" else rates.body),
                "weight_decay": rates.decay_of(group.part) if group.decays else 0.0,
            }
            for group, tensors in zip(groups, named, strict=True)
        ]
        self._in_eight_bits = kind == "adamw_8bit"
        self.adamw: torch.optim.Optimizer
        if self._in_eight_bits:
            self.adamw = bitsandbytes(KEY).optim.AdamW8bit(moved, lr=rates.body, betas=BETAS, eps=EPSILON)
        else:
            self.adamw = torch.optim.AdamW(moved, lr=rates.body, betas=BETAS, eps=EPSILON, fused=True)

    @contextmanager
    def looking_up(self) -> Iterator[None]:
        """Around forward and backward passes."""
        with ExitStack() as stack:
            for one in self._looked_up.values():
                stack.enter_context(one.during())
            yield

    def collect(self) -> None:
        """After a backward pass: tables give the gradients of their rows on; one that cannot moves whole from now."""
        for name, one in list(self._looked_up.items()):
            if not one.collect():
                self._move_whole(name)

    @contextmanager
    def rows_at_hand(self) -> Iterator[None]:
        """Around a step: the rows that move are those of the tables, before it and after it."""
        for one in self._looked_up.values():
            one.read()
        yield
        for one in self._looked_up.values():
            one.write()

    def _move_whole(self, name: str) -> None:
        """From now on all rows of a table move, with the moments of those that did.

        What takes memory is made first: where that is not there, nothing has changed.
        """
        one = self._looked_up[name]
        part, weight = one.part, one.weight
        gradient, state = one.whole_gradient(), self.adamw.state.get(part, {})
        moments = {key: one.whole(value) if value.ndim else value for key, value in state.items()}
        del self._looked_up[name]
        self.moves_whole.append(name)
        weight.grad = gradient
        for group in self.adamw.param_groups:
            group["params"] = [weight if tensor is part else tensor for tensor in group["params"]]
        self.parameters = [weight if tensor is part else tensor for tensor in self.parameters]
        self._names[id(weight)] = self._names.pop(id(part))
        if self.adamw.state.pop(part, None) is not None:
            self.adamw.state[weight] = moments

    def set_factor(self, factor: float, *, step: int = 0) -> None:
        """The learning rate of each group becomes its peak times `factor`, its time the steps `done` so far."""
        for group in self.adamw.param_groups:
            group["lr"], group["done"] = group["peak"] * factor, step

    def clear(self) -> None:
        """Forget the gradients and free their memory."""
        self.adamw.zero_grad(set_to_none=True)
        for one in self._looked_up.values():
            one.weight.grad = None

    def release(self) -> None:
        """Drop the moments of what is frozen now: unfrozen again, it starts as if it had never moved."""
        for one in self._looked_up.values():
            one.read()
        for parameter in self.parameters:
            if not parameter.requires_grad:
                self.adamw.state.pop(parameter, None)

    def start_anew(self) -> None:
        """Drop all gradients and moments."""
        self.clear()
        self.adamw.state.clear()

    def state_dict(self) -> dict[str, Tensor]:
        """The moments and step counts, as `NAME/PARAMETER` to tensor; references, but for tables that tensors share.

        Of a table whose rows move in its place there are `rows/PARAMETER` too, and the moments are theirs.
        """
        return {
            f"{key}/{self._names[id(parameter)]}": value.clone() if key in TABLES else torch.as_tensor(value)
            for parameter, state in self.adamw.state.items()
            for key, value in state.items()
        } | {f"{ROWS}/{name}": one.rows for name, one in self._looked_up.items() if one.part in self.adamw.state}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state_dict` gave, onto the parameters' devices (step counts stay where AdamW keeps them)."""
        rows = {path.removeprefix(f"{ROWS}/"): tensor for path, tensor in state.items() if path.startswith(f"{ROWS}/")}
        known = {path.partition("/")[2] for path in state}
        for name, one in list(self._looked_up.items()):
            if name in known and (name not in rows or not torch.equal(rows[name].to(one.rows), one.rows)):
                self._move_whole(name)
        by_name = {self._names[id(parameter)]: parameter for parameter in self.parameters}
        restored: dict[Any, dict[str, Any]] = {}
        for path, tensor in state.items():
            key, _, name = path.partition("/")
            if key == ROWS:
                continue
            parameter = by_name[name]
            is_count = self._in_eight_bits and not tensor.ndim
            here = tensor.to(parameter.device, copy=True)
            if name in rows and name not in self._looked_up and tensor.ndim:
                here = torch.zeros_like(parameter).index_copy_(0, rows[name].to(parameter.device), here)
            value = int(tensor) if is_count else here
            restored.setdefault(parameter, {})[key] = value
        self.adamw.state.clear()
        self.adamw.state.update(restored)
