"""The lower blocks of a model that nothing reaches that trains: found, run once, and later stepped over.

Which blocks they are is read off a forward pass: a block that no trained tensor has come into gives states that need no
gradient. The model's own forward stays as it is (masks, positions and what holds the blocks are its own): while it is
stepped over, each of these blocks gives the states that the highest of them gave before. Where a first block hands on
something beside the states (T5's position bias), it is run for that.

Owns the cut and the two ways to run a model that is cut. It keeps nothing, and does not decide whether that is exact:
who uses it tries it out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, final

import torch
from torch import Tensor

from affina.models.anatomy import Anatomy
from affina.models.heads import backbone_gives
from affina.models.standing_in import stands_in

Run = Callable[[], Tensor]
"""A forward pass of a model over some batch, up to the states that its loss is made of."""
NOTHING: Final = -1


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenStack:
    """The lower blocks of one stack (an encoder's or a decoder's) that nothing reaches that trains.

    Attributes:
        blocks: their paths, the lowest first.
        is_whole: there is no block above them.
        beside: how many things each gives beside the states, in a tuple; -1 where it gives the states alone.
        runs_first: the lowest is run for what it hands on to the blocks above.
    """

    blocks: tuple[str, ...]
    is_whole: bool
    beside: int
    runs_first: bool


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Where a model is cut in two.

    Attributes:
        stacks: of each stack its frozen part, an encoder's before its decoder's; a stack that has none is not there.
        backbone: nothing in the backbone of a classifier trains: known is what its head reads, and no block is run.
        first_alone: of that the head reads the first position alone.
    """

    stacks: tuple[FrozenStack, ...]
    backbone: bool = False
    first_alone: bool = False

    @property
    def depth(self) -> int:
        """How many blocks are stepped over."""
        return sum(len(stack.blocks) - stack.runs_first for stack in self.stacks)

    @property
    def reach(self) -> int:
        """How many blocks the known states come out of, those counted that are run for what they hand on."""
        return sum(len(stack.blocks) for stack in self.stacks)

    @property
    def blocks(self) -> tuple[str, ...]:
        """The blocks that are stepped over."""
        return tuple(block for stack in self.stacks for block in stack.blocks[stack.runs_first :])


def find_cut(module: Any, anatomy: Anatomy, run: Run) -> Cut | None:
    """Find the blocks that no trained tensor comes into, as the model stands; None where there are none.

    Args:
        module: the model, with what trains requiring a gradient.
        anatomy: its own.
        run: a forward pass over any batch.
    """
    reached: dict[str, bool] = {}
    beside: dict[str, tuple[Any, ...] | None] = {}

    def note(path: str, _: Any, __: Any, output: Any) -> None:
        states, rest = _parted(output)
        reached[path] = reached.get(path, False) or states.requires_grad
        beside[path] = rest

    hooks = [module.get_submodule(path).register_forward_hook(partial(note, path)) for path in anatomy.blocks]
    try:
        with torch.enable_grad():
            whole = not run().requires_grad
    finally:
        for hook in hooks:
            hook.remove()
    found = []
    for blocks in _stacks(anatomy.blocks):
        frozen = next((place for place, path in enumerate(blocks) if reached[path]), len(blocks))
        if frozen:
            found.append(_frozen(blocks, frozen, beside[blocks[0]]))
        if frozen < len(blocks):
            break
    if not found:
        return None
    backbone = whole and bool(anatomy.head)
    return Cut(stacks=tuple(found), backbone=backbone, first_alone=backbone and anatomy.first_alone)


def _frozen(blocks: tuple[str, ...], count: int, rest: tuple[Any, ...] | None) -> FrozenStack:
    hands_on = any(isinstance(part, Tensor) for part in rest or ())
    return FrozenStack(
        blocks=blocks[:count],
        is_whole=count == len(blocks),
        beside=NOTHING if rest is None else len(rest),
        runs_first=hands_on and count < len(blocks),
    )


def _stacks(blocks: Sequence[str]) -> list[tuple[str, ...]]:
    """The blocks of each stack, in order: those whose paths differ in their last part alone."""
    together: dict[str, list[str]] = {}
    for path in blocks:
        together.setdefault(path.rpartition(".")[0], []).append(path)
    return [tuple(paths) for paths in together.values()]


class _AllKnownError(Exception):
    """The forward pass has come out of the highest frozen block."""


def frozen_states(module: Any, cut: Cut, run: Run) -> tuple[Tensor, ...]:
    """What the highest frozen block of each stack gives, [B, T, width] each; nothing above them is run.

    Args:
        module: the model.
        cut: from `find_cut`.
        run: a forward pass.
    """
    if cut.backbone:
        return (run(),)
    found: dict[str, Tensor] = {}
    tops = [stack.blocks[-1] for stack in cut.stacks]

    def keep(path: str, _: Any, __: Any, output: Any) -> None:
        found[path] = _parted(output)[0]
        # a stack that is frozen as a whole may run a block more than once
        if path == tops[-1] and not cut.stacks[-1].is_whole:
            raise _AllKnownError

    hooks = [module.get_submodule(path).register_forward_hook(partial(keep, path)) for path in tops]
    try:
        run()
    except _AllKnownError:
        pass
    finally:
        for hook in hooks:
            hook.remove()
    return tuple(found[path] for path in tops)


@contextmanager
def stepped_over(module: Any, cut: Cut, states: Sequence[Tensor]) -> Iterator[None]:
    """The model with known states in the place of its frozen blocks, while the block runs; whole again afterwards.

    Args:
        module: the model.
        cut: from `find_cut`.
        states: of each stack, [B, T, width], as `frozen_states` gives them; what stands at padding does not matter.
    """
    with ExitStack() as standing:
        if cut.backbone:
            standing.enter_context(backbone_gives(module, states[0], pooled=False))
        else:
            for stack, known in zip(cut.stacks, states, strict=True):
                for path, forward in _forwards(module, stack, known):
                    standing.enter_context(stands_in(module.get_submodule(path), forward))
        yield


def _forwards(module: Any, stack: FrozenStack, known: Tensor) -> Iterator[tuple[str, Callable[..., Any]]]:
    """What each block of a stack computes instead."""
    handed: list[Any] = [None] * max(0, stack.beside)
    first, *others = stack.blocks

    def give(*_: Any, **__: Any) -> Any:
        return known if stack.beside == NOTHING else (known, *handed)

    def run_first(*arguments: Any, **named: Any) -> Any:
        handed[:] = own(*arguments, **named)[1:]
        return give()

    own = module.get_submodule(first).forward
    yield first, run_first if stack.runs_first else give
    for path in others:
        yield path, give


def _parted(output: Any) -> tuple[Tensor, tuple[Any, ...] | None]:
    """The states that a block gives, and what beside them; None where it gives the states alone."""
    if isinstance(output, tuple):
        return output[0], output[1:]
    states: Tensor = output
    return states, None
