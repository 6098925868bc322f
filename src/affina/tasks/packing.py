"""Passages one behind the other in a row, as if each were alone: no padding between them, and none sees another.

Every passage counts its positions from zero. Nearly every family makes the attention mask itself out of that, windows
and all; for one that does not a block-diagonal mask is given. Which of the two a model obeys, if any, is found out by a
trial and not by its name: the loss of each token packed must be what it is one by one. A model that obeys neither (its
own masks, a state that runs through the row) is not packed, and that is said.

Owns the trial and the batches. It does not choose which passages meet (`packs`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final, Protocol, final

import torch
from torch import Tensor

from affina.models.language import LanguageModel
from affina.tasks.lessons import Passage
from affina.tasks.lines import Lines
from affina.tasks.packs import ROW, plan_packs, rows_of
from affina.tasks.token_loss import IGNORED, token_losses
from affina.values import Resolved

CLOSE: Final = 1e-5
"""Of a token's loss: what the order of float32 sums may change."""
_TRIAL: Final = (5, 9, 1, 7)
"""Tokens of the passages of the trial, beside the longest that there will be."""


class Packing(Protocol):
    """How several passages share a line of a batch."""

    @property
    def words(self) -> str:
        """How the rows lie, in words."""
        ...

    def plan(self, lengths: Sequence[int], *, budget: int, seed: int, epoch: int) -> Sequence[list[int]]:
        """The batches of one epoch, as `data.batching.plan_epoch` gives them."""
        ...

    def shape(self, passages: Sequence[Passage]) -> tuple[int, int, int]:
        """What a batch of these passages comes to: rows, tokens of each, padding included, and keys that each sees."""
        ...

    def spans(self, passages: Sequence[Passage]) -> list[tuple[int, int, int]]:
        """Where in such a batch each passage has what is its own: its line, and from where to where in it."""
        ...

    def collate(self, passages: Sequence[Passage], *, rows: Sequence[int]) -> Lines:
        """Passages to lines, in their order; `rows` are their places in the split."""
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PackedLines:
    """Passages one behind the other in lines of about the same length: a `Packing`. Made by `choose_packing`.

    Attributes:
        masked: it is given an attention mask beside the positions.
        row: tokens of a row, at most; a longer passage is a row of its own.
    """

    masked: bool
    row: int = ROW
    words = "packed into lines"

    def plan(self, lengths: Sequence[int], *, budget: int, seed: int, epoch: int) -> list[list[int]]:
        """The batches of one epoch, as `data.batching.plan_epoch` gives them."""
        return plan_packs(lengths, budget=budget, row=self.row, seed=seed, epoch=epoch)

    def shape(self, passages: Sequence[Passage]) -> tuple[int, int, int]:
        """Lines and tokens of each, padding included, all of which its tokens attend to."""
        spans = self.spans(passages)
        time = max(end for _, _, end in spans)
        return 1 + spans[-1][0], time, time

    def spans(self, passages: Sequence[Passage]) -> list[tuple[int, int, int]]:
        """Where each passage is: its line, and from where to where in it."""
        found = []
        for line, places in enumerate(rows_of([len(passage.ids) for passage in passages], row=self.row)):
            ends = list(accumulate((len(passages[place].ids) for place in places), initial=0))
            found += [(line, start, end) for start, end in pairwise(ends)]
        return found

    def collate(self, passages: Sequence[Passage], *, rows: Sequence[int]) -> Lines:
        """Passages to rows, in their order; `rows` are their places in the split.

        The inputs are `input_ids` and `position_ids` [batch, time], and where the model needs it `attention_mask`
        [batch, 1, time, time], true where a token sees another. The last token of a passage has no target: what comes
        after it is another's.
        """
        spans, (*shape, _) = self.spans(passages), self.shape(passages)
        # what pads a row is passages of one token each, which see only themselves
        ids, positions, own = (torch.zeros(*shape, dtype=torch.long) for _ in range(3))
        targets, filled = torch.full_like(ids, IGNORED), [0] * shape[0]
        for number, (passage, (line, start, end)) in enumerate(zip(passages, spans, strict=True), start=1):
            write(passage, ids[line, start:end], targets[line, start:end])
            positions[line, start:end] = torch.arange(end - start)
            own[line, start:end] = number
            filled[line] = end
        inputs = {"input_ids": ids, "position_ids": positions}
        if self.masked:
            inputs["attention_mask"] = _block_diagonal(own)
        return Lines(inputs, targets, tuple(rows), sum(map(len, passages)), tuple(filled))


def choose_packing(model: LanguageModel, *, longest: int, row: int = ROW) -> Resolved[PackedLines | None]:
    """Find out how a model can be packed.

    A method that puts virtual tokens before the text changes what a model makes of positions: ask again once it is
    attached, or do not pack.

    Args:
        model: in evaluation mode.
        longest: tokens of the longest passage that there will be: a window of the model's that is longer than the
            passages of the trial would not show.
        row: tokens of a row, at most.

    Returns:
        None where it cannot be packed; the reason says why, or how it is done.
    """
    if model.reads_apart:
        return Resolved(None, "rows are padded, not packed: the model is an encoder-decoder")
    kind = type(model.module).__name__
    passages = trial_passages(model, longest)
    expected = losses_alone(model, passages)
    for masked in (False, True):
        if keeps_apart(model, PackedLines(masked=masked, row=sum(map(len, passages))), passages, expected):
            by = "the mask that it is given" if masked else "their positions"
            reason = f"in a trial a {kind} kept texts in one row apart by {by}: each token's loss was as one by one"
            return Resolved(PackedLines(masked=masked, row=row), reason)
    return Resolved(None, f"rows are padded, not packed: in a trial a {kind} did not keep texts in one row apart")


def trial_passages(model: LanguageModel, longest: int) -> list[Passage]:
    """Passages of random tokens, of a few lengths and the longest that there will be."""
    chance = torch.Generator().manual_seed(0)
    words = model.module.get_input_embeddings().num_embeddings
    lengths = (_TRIAL[0], max(longest, 2), *_TRIAL[1:])
    drawn = [torch.randint(0, words, (length,), generator=chance).tolist() for length in lengths]
    return [Passage(tuple(ids), (True,) * len(ids)) for ids in drawn]


def keeps_apart(model: LanguageModel, packing: Packing, passages: Sequence[Passage], expected: Tensor) -> bool:
    """Whether each token's loss is what it is one by one."""
    try:
        found = _losses(model, packing.collate(passages, rows=range(len(passages))))
    except Exception:  # a family's own code, given inputs that it may not be made for
        return False
    return bool(((found - expected).abs() <= CLOSE * expected.abs().clamp(min=1.0)).all())


def losses_alone(model: LanguageModel, passages: Sequence[Passage]) -> Tensor:
    """The loss of each target, of each passage by itself."""
    return torch.cat([_losses(model, _alone(passage)) for passage in passages])


def _alone(passage: Passage) -> Lines:
    ids = torch.tensor([passage.ids])
    targets = torch.full_like(ids, IGNORED)
    write(passage, ids[0], targets[0])
    return Lines(
        {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, targets, (0,), len(passage), (len(passage.ids),)
    )


@torch.no_grad()
def _losses(model: LanguageModel, batch: Lines) -> Tensor:
    """The loss of each target, passage by passage."""
    batch = batch.to(model.module.device)
    losses = token_losses(model.states(batch.inputs), batch.targets, model.output)
    return losses[batch.targets != IGNORED]


def write(passage: Passage, ids: Tensor, targets: Tensor) -> None:
    """Write a passage into its part of a row."""
    ids[:] = torch.tensor(passage.ids, dtype=torch.long)
    targets[:-1] = ids[1:].masked_fill(~torch.tensor(passage.learned[1:], dtype=torch.bool), IGNORED)


def _block_diagonal(own: Tensor) -> Tensor:
    """The number of each token's passage [batch, time] to which tokens see which [batch, 1, time, time]."""
    same = own[:, None, :, None] == own[:, None, None, :]
    return same & torch.ones_like(same).tril()
