"""Passages of a batch in one line, what they all begin with once: a system prompt is computed once a batch, not a row.

Nothing is padded, and attention is that of each passage by itself (`models.segments`). The loss and its gradients are
those of the rows one by one; only the order of sums differs. What is random, such as dropout, would strike the common
beginning once for all rows: a model with some is not read so. Both are found out by a trial, as for packed lines
(`packing`).

Owns the trial and the batches. It does not choose which passages meet (`data.batching`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final, Protocol, final

import torch

from affina.data.batching import plan_epoch
from affina.data.drawing import drawn_places
from affina.models.attention import switch, switch_back
from affina.models.language import LanguageModel
from affina.models.segments import NAME, SEGMENTS
from affina.models.shared_prompt import common_length
from affina.runtime import randomness
from affina.tasks.lessons import Passage
from affina.tasks.lines import Lines
from affina.tasks.packing import keeps_apart, losses_alone, trial_passages, write
from affina.tasks.token_loss import IGNORED
from affina.values import Resolved

LEAST: Final = 8
"""Tokens of a beginning that is worth a look of its own."""
WORTH: Final = 0.05
"""Share of a padded batch's tokens, padding included, from which leaving them out pays."""
LOOKED_AT: Final = 64
"""Batches that tell how much it would be."""
USUAL: Final = "sdpa"
"""The attention that ours stands in for."""


class Modes(Protocol):
    """A model with its method, as far as it is in training or evaluation."""

    def train(self) -> None:
        """Dropout acts."""
        ...

    def eval(self) -> None:
        """It does not."""
        ...


@final
@dataclass(frozen=True, slots=True)
class OneLine:
    """All passages of a batch in a line: a `Packing`. Made by `choose_one_line`."""

    words = "in lines that hold what their rows begin with once"

    def plan(self, lengths: Sequence[int], *, budget: int, seed: int, epoch: int) -> Sequence[list[int]]:
        """The batches of one epoch: those of padded rows."""
        return plan_epoch(lengths, budget=budget, seed=seed, epoch=epoch)

    def shape(self, passages: Sequence[Passage]) -> tuple[int, int, int]:
        """Rows and tokens of each, as if the line were cut into as many as there are passages; the longest whole."""
        time = self.spans(passages)[-1][2]
        return len(passages), -(-time // len(passages)), max(len(passage.ids) for passage in passages)

    def spans(self, passages: Sequence[Passage]) -> list[tuple[int, int, int]]:
        """Where each passage goes on by itself: its line, and from where to where in it."""
        common = _common(passages)
        ends = list(accumulate((len(passage.ids) - common for passage in passages), initial=common))
        return [(0, start, end) for start, end in pairwise(ends)]

    def collate(self, passages: Sequence[Passage], *, rows: Sequence[int]) -> Lines:
        """Passages to a line, in their order; `rows` are their places in the split.

        The inputs are `input_ids`, `position_ids` and `attention_mask` [1, time], and `segments` [passages, 2].
        """
        spans = self.spans(passages)
        common, time = spans[0][1], spans[-1][2]
        ids, positions, targets = (torch.full((1, time), fill) for fill in (0, 0, IGNORED))
        ids[0, :common] = torch.tensor(passages[0].ids[:common], dtype=torch.long)
        positions[0, :common] = torch.arange(common)
        for passage, (_, start, end) in zip(passages, spans, strict=True):
            tail = Passage(passage.ids[common:], passage.learned[common:])
            write(tail, ids[0, start:end], targets[0, start:end])
            positions[0, start:end] = torch.arange(common, len(passage.ids))
        inputs = {
            "input_ids": ids,
            "position_ids": positions,
            "attention_mask": torch.ones_like(ids),
            SEGMENTS: torch.tensor([span[1:] for span in spans]),
        }
        return Lines(inputs, targets, tuple(rows), sum(map(len, passages)), (time,))


def worth_sharing(passages: Sequence[Passage], lengths: Sequence[int], *, budget: int) -> Resolved[bool]:
    """Whether lines without padding and repeated beginnings are enough shorter than padded rows.

    Args:
        passages: of the training rows.
        lengths: tokens of each.
        budget: as in `data.batching.plan_epoch`.
    """
    plan = plan_epoch(lengths, budget=budget, seed=0, epoch=1)
    some = [plan[place] for place in drawn_places(len(plan), most=LOOKED_AT, seed=0)]
    padded = sum(len(batch) * max(max(1, lengths[place]) for place in batch) for batch in some)
    left = sum(OneLine().spans([passages[place] for place in batch])[-1][2] for batch in some)
    share = 1 - left / padded if padded else 0.0
    told = f"{share:.0%} of padded batches would be padding and beginnings that all their rows have"
    return Resolved(share >= WORTH, f"{told}, {'not less' if share >= WORTH else 'less'} than {WORTH:.0%}")


def choose_one_line(model: LanguageModel, attached: Modes, *, longest: int) -> Resolved[OneLine | None]:
    """Find out whether a model reads lines with a common beginning right; from then on it attends so where one is.

    Args:
        model: in evaluation mode.
        attached: with its method.
        longest: tokens of the longest passage that there will be, in training and evaluation.

    Returns:
        None where it does not; the reason says why, or how it was found out.
    """
    kind, passages = type(model.module).__name__, _alike(trial_passages(model, longest))
    expected = losses_alone(model, passages)
    before = switch(model.module, NAME)
    if not all(name in (USUAL, NAME) for _, name in before) or not keeps_apart(model, OneLine(), passages, expected):
        switch_back(before)
        return Resolved(None, f"in a trial a {kind} did not read rows right that share their beginning")
    if _is_random(model, attached, passages):
        switch_back(before)
        return Resolved(
            None, "something random, such as dropout, would strike what rows begin with once for all of them"
        )
    return Resolved(OneLine(), f"in a trial of a {kind} each token's loss was as one by one")


def _is_random(model: LanguageModel, attached: Modes, passages: Sequence[Passage]) -> bool:
    """Whether a pass in training draws a number; what dropout does need not show, as in a new adapter, which adds 0."""
    batch = OneLine().collate(passages, rows=range(len(passages))).to(model.module.device)
    attached.train()
    try:
        with randomness.untouched(), torch.no_grad():
            before = torch.get_rng_state()
            model.states(batch.inputs)
            return not torch.equal(before, torch.get_rng_state())
    finally:
        attached.eval()


def _alike(passages: Sequence[Passage]) -> list[Passage]:
    """The same with a common beginning, of which nothing is learned; the longest is no longer for that."""
    common = max(passages, key=len).ids[:LEAST]
    tails = [passage.ids[LEAST:] if len(passage) > LEAST else passage.ids for passage in passages]
    # what foretells a tail's first token is the beginning's last, which all have
    return [Passage((*common, *tail), (False,) * (len(common) + 1) + (True,) * (len(tail) - 1)) for tail in tails]


def _common(passages: Sequence[Passage]) -> int:
    """Tokens of the beginning that is there once: what comes after its last is learned in no passage."""
    if len(passages) == 1:
        return 0
    untold = min(_first_learned(passage) for passage in passages) - 1
    found = min(common_length([passage.ids for passage in passages]), untold)
    return found if found >= LEAST else 0


def _first_learned(passage: Passage) -> int:
    """The place of the first token that is learned; nothing foretells a passage's first."""
    return next((place for place, learned in enumerate(passage.learned) if learned and place), len(passage.ids))
