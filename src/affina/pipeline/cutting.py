"""Whether a run's model can be cut where its blocks are frozen: a few rows are run both ways, with their gradients.

Nothing is promised of a family: what a trial does not show to be the same is not done. Owns the trial, and which tokens
of a batch have their states kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import torch
from torch import Tensor

from affina.methods.base import Freezable
from affina.models.frozen_prefix import Cut, find_cut, frozen_states, stepped_over
from affina.pipeline.kept import Readable
from affina.pipeline.prepared import Prepared
from affina.runtime import heap, randomness
from affina.tasks.layout import Layout, first_of_each
from affina.training.precision import Precision
from affina.training.stages import Stage

T = TypeVar("T")
CLOSE: Final = 1e-5
"""Of the loss, and of the gradients as one vector: what the order of float32 sums may change."""
STILL: Final = 1e-3
"""Of the states: dropout moves them by far more."""


class _UnfitError(Exception):
    """Why frozen blocks are not run once; the text is for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a trial found out.

    Attributes:
        cut: where the model is cut.
        width: of what is kept.
        types: split to the type that each stack's states have.
    """

    cut: Cut
    width: int
    types: dict[str, tuple[torch.dtype, ...]]


def layouts_of(cut: Cut, batch: Readable) -> Sequence[Layout]:
    """Where the tokens stand whose states are kept, for each stack."""
    layouts = batch.layouts[: len(cut.stacks)]
    return [first_of_each(layouts[0])] if cut.first_alone else layouts


def cut_in(prepared: Prepared, stage: Stage | None) -> Cut | str | None:
    """Where the model is cut while a stage's tensors train, or all do; None where no block can be left out.

    Why it cannot be told, for the user, where the model's own code does not run that way.
    """
    return _apart_from_the_run(prepared, stage, _find)


def tried(prepared: Prepared, cut: Cut, stage: Stage | None) -> Tried | str:
    """Run a few rows both ways while a stage's tensors train, or all do; why not, where it is not the same."""
    return _apart_from_the_run(prepared, stage, partial(_try, cut=cut))


def _apart_from_the_run(prepared: Prepared, stage: Stage | None, of: Callable[[Prepared], T]) -> T | str:
    """What `of` finds of the model as it trains in a stage; the model is afterwards as it was, and nothing drawn."""
    attached, kind = prepared.attached, type(prepared.model.module).__name__
    try:
        with randomness.untouched():
            if stage is not None and isinstance(attached, Freezable):
                attached.train_only(stage.names, quiet=stage.quiet)
            attached.train()
            return of(prepared)
    except _UnfitError as unfit:
        return str(unfit)
    except Exception as error:  # a family's own code, run in a way that it may not be made for
        said = (str(error).strip().splitlines() or [""])[0]
        return f"in a trial a {kind} could not be cut: {type(error).__name__}: {said}"[:300]
    finally:
        if stage is not None and isinstance(attached, Freezable):
            attached.train_all()
        attached.eval()
        heap.give_back()  # gradients were there, and a forecast looks at what is held


def _find(prepared: Prepared) -> Cut | None:
    batch = _few_rows(prepared)
    with Precision(prepared.precision, prepared.device).autocast():
        cut = find_cut(prepared.model.module, prepared.model.anatomy, lambda: prepared.subject.read(batch))
    return cut if cut and cut.depth else None


def _few_rows(prepared: Prepared) -> Any:
    return prepared.subject.work(prepared).batch(_few(prepared.subject.lengths["train"]))


def _try(prepared: Prepared, cut: Cut) -> Tried:
    module, attached, subject = prepared.model.module, prepared.attached, prepared.subject
    work, autocast = subject.work(prepared), Precision(prepared.precision, prepared.device).autocast
    batch = _few_rows(prepared)

    def run() -> Tensor:
        return subject.read(batch)

    with torch.no_grad():
        with autocast():
            moving = frozen_states(module, cut, run)
            attached.eval()
            narrow = frozen_states(module, cut, run)
        exact = frozen_states(module, cut, run)
    layouts = layouts_of(cut, batch)
    for layout, one, other in zip(layouts, moving, narrow, strict=True):
        if _apart(layout.gathered(one), layout.gathered(other)) > STILL:
            raise _UnfitError("something is drawn at random in the frozen blocks while the others train")
    known = [layout.spread(layout.gathered(states)) for layout, states in zip(layouts, exact, strict=True)]
    whole = _loss_and_gradients(prepared, work.loss(batch))
    with stepped_over(module, cut, known):
        over = _loss_and_gradients(prepared, work.loss(batch))
    if max(_apart(one, other) for one, other in zip(over, whole, strict=True)) > CLOSE:
        kind = type(module).__name__
        raise _UnfitError(f"in a trial a {kind} gave another loss where its frozen blocks were stepped over")
    types = {"train": tuple(states.dtype for states in narrow), "validation": tuple(states.dtype for states in exact)}
    return Tried(cut=cut, width=exact[0].shape[-1], types=types)


def _few(lengths: Sequence[int]) -> list[int]:
    """Three rows of different lengths, none of them of the longer half."""
    order = sorted(range(len(lengths)), key=lambda place: lengths[place])
    return list(dict.fromkeys(order[place] for place in (len(order) // 2, len(order) // 4, 0)))


def _loss_and_gradients(prepared: Prepared, loss: Tensor) -> tuple[Tensor, Tensor]:
    trained = [tensor for group in prepared.attached.parameter_groups() for tensor in group.parameters.values()]
    trained = [tensor for tensor in trained if tensor.requires_grad]
    found = torch.autograd.grad(loss, trained, allow_unused=True)
    return loss.detach(), torch.cat([gradient.flatten() for gradient in found if gradient is not None])


def _apart(one: Tensor, other: Tensor) -> float:
    """The length of the difference over that of the other."""
    return float((one - other).norm() / other.norm().clamp(min=1e-30))
