"""The kinds of runs, as the checks see them: rows taken out and changed, and what the model makes of each by itself.

A run that answers by a head gives logits, one that trains a language model the losses and logits of tokens. That is the
only place of this package that knows the difference, but for the end of an answer (`ends`) and what is shipped
(`shipped`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from affina.models.heads import head_logits, hidden_states
from affina.pipeline.answering.subject import Answering
from affina.pipeline.naming.subject import ByName
from affina.pipeline.prepared import Prepared, Subject
from affina.pipeline.writing.subject import Writing
from affina.tasks.token_loss import IGNORED, token_losses
from affina.verifying.measuring import doubled

Places = Mapping[str, Sequence[int]]
"""Split to places of rows."""
EPOCH: Final = 1
"""Whose batches are looked at: the first epoch's come in an order of its own."""


def only(subject: Subject, places: Places) -> Subject:
    """The subject with these rows alone."""
    rows = {split: tuple(subject.rows[split][place] for place in part) for split, part in places.items()}
    lengths = {split: [subject.lengths[split][place] for place in part] for split, part in places.items()}
    if isinstance(subject, Answering):
        examples = {split: [subject.examples[split][place] for place in part] for split, part in places.items()}
        return replace(subject, rows=rows, examples=examples, lengths=lengths)
    own = learns(subject)
    passages = {split: [own.passages[split][place] for place in part] for split, part in places.items()}
    return replace(own, rows=rows, passages=passages, lengths=lengths)


def learns(subject: Subject) -> Writing | ByName:
    """A subject that trains a language model."""
    if isinstance(subject, Writing | ByName):
        return subject
    raise TypeError(f"a subject of an unknown kind: {type(subject).__name__}")


def padded(run: Prepared) -> Prepared:
    """The run with its rows padded, a line a row."""
    if isinstance(run.subject, Answering):
        return run
    return replace(run, subject=replace(learns(run.subject), packing=None))


def is_packed(run: Prepared) -> bool:
    """Whether several rows share a line."""
    return not isinstance(run.subject, Answering) and learns(run.subject).packing is not None


def packed_how(run: Prepared) -> str:
    """How, in words."""
    packing = None if isinstance(run.subject, Answering) else learns(run.subject).packing
    return "" if packing is None else packing.words


def planned(run: Prepared) -> Sequence[list[int]]:
    """The batches of an epoch that has each row once, whatever it weighs."""
    lengths, budget = run.subject.lengths["train"], run.hyper.batch_tokens.value
    return run.subject.plan_epoch(lengths, budget=budget, seed=run.draws, epoch=EPOCH)


def altered(run: Prepared, place: int) -> Prepared:
    """The run with one training row's tokens turned round, but for the first and the last; it is as long as it was."""
    subject = run.subject
    if isinstance(subject, Answering):
        examples = list(subject.examples["train"])
        examples[place] = replace(examples[place], ids=_turned(examples[place].ids))
        return replace(run, subject=replace(subject, examples={**subject.examples, "train": examples}))
    own = learns(subject)
    passages = list(own.passages["train"])
    before = passages[place]
    passages[place] = replace(before, ids=_turned(before.ids), source=_turned(before.source))
    return replace(run, subject=replace(own, passages={**own.passages, "train": passages}))


def _turned(ids: Sequence[int]) -> tuple[int, ...]:
    """Other tokens of the same row, none where it was."""
    inner = tuple(ids[1:-1])
    moved = inner[::-1] if inner != inner[::-1] else inner[1:] + inner[:1]
    if moved == inner and inner:  # one token again and again
        moved = (ids[0],) * len(inner)
    return (*ids[:1], *moved, *ids[1:][-1:])


@torch.no_grad()
def apart(run: Prepared, places: Sequence[int]) -> list[Tensor]:
    """What the model makes of each of these training rows in one batch: its logits, or the losses of its tokens."""
    subject = run.subject
    batch = subject.work(run).batch(list(places))
    states = subject.read(batch)
    if isinstance(subject, Answering):
        return list(head_logits(subject.model.module, states, batch.inputs))
    own = learns(subject)
    losses = token_losses(states, batch.targets, own.model.output)
    counts = [own.passages["train"][place].targets for place in places]
    return list(torch.split_with_sizes(losses[batch.targets != IGNORED], counts))


def logits(run: Prepared, places: Sequence[int]) -> Tensor:
    """[rows, outputs], or of every token that is learned its logits, [tokens, vocabulary]; with a graph where asked."""
    subject = run.subject
    batch = _batch(run, places)
    states = subject.read(batch)
    if isinstance(subject, Answering):
        return head_logits(subject.model.module, states, batch.inputs)
    return learns(subject).model.output(states[batch.targets != IGNORED])


def own_logits(run: Prepared, places: Sequence[int]) -> Tensor:
    """The same by the model's own forward pass, every position of it."""
    batch = _batch(run, places)
    made = _whole(run, run.model.module, batch.inputs)
    return made if isinstance(run.subject, Answering) else made[batch.targets != IGNORED]


def own_loss(run: Prepared, places: Sequence[int]) -> Tensor:
    """The summed loss of language by the model's own forward pass and torch's own cross-entropy.

    That is in float64 where the device has it: over a vocabulary of 49,000, torch's float32 is off by 3e-5 of a nat.
    """
    batch = _batch(run, places)
    return functional.cross_entropy(
        doubled(_whole(run, run.model.module, batch.inputs).flatten(0, 1)),
        batch.targets.flatten(),
        ignore_index=IGNORED,
        reduction="sum",
        label_smoothing=run.recipe.train.label_smoothing,
    )


def base_states(run: Prepared, module: Any, places: Sequence[int]) -> Tensor:
    """What a module of the run's kind makes of rows, as far as it is the base's: a head for labels is not."""
    batch = _batch(run, places)
    is_headed = isinstance(run.subject, Answering)
    return hidden_states(module, batch.inputs) if is_headed else _whole(run, module, batch.inputs)


def _batch(run: Prepared, places: Sequence[int]) -> Any:
    """These training rows side by side, a line a row."""
    return padded(run).subject.work(run).batch(list(places))


def _whole(run: Prepared, module: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """The logits of a whole forward pass; a model that writes would keep a cache that nobody reads."""
    more = {} if isinstance(run.subject, Answering) else {"use_cache": False}
    made: Tensor = module(**inputs, **more).logits
    return made
