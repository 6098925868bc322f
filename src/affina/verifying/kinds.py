"""The kinds of runs, as the checks see them: rows taken out and changed, and what the model makes of each by itself.

A run that answers by a head gives logits, one that trains a language model the losses and logits of tokens. That is the
only place of this package that knows the difference, but for the end of an answer (`ends`) and what is shipped
(`shipped`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from affina.models.first_position import states_for_head
from affina.models.heads import head_logits, hidden_states
from affina.pipeline.answering.subject import Answering
from affina.pipeline.naming.subject import ByName
from affina.pipeline.prepared import Prepared, Subject
from affina.pipeline.writing.subject import Writing
from affina.tasks.lessons import Passage
from affina.tasks.token_loss import IGNORED, token_losses

Places = Mapping[str, Sequence[int]]
"""Split to places of rows."""


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
    batch = run.subject.work(run).batch(list(places))
    subject = run.subject
    if isinstance(subject, Answering):
        return list(_headed(subject, batch.inputs))
    own = learns(subject)
    losses = token_losses(own.model.states(batch.inputs), batch.targets, own.model.output)
    counts = [own.passages["train"][place].targets for place in places]
    return list(torch.split_with_sizes(losses[batch.targets != IGNORED], counts))


def logits(run: Prepared, places: Sequence[int]) -> Tensor:
    """[rows, outputs], or of every token that is learned its logits, [tokens, vocabulary]; with a graph where asked."""
    subject = run.subject
    batch = padded(run).subject.work(run).batch(list(places))
    if isinstance(subject, Answering):
        return _headed(subject, batch.inputs)
    own = learns(subject)
    return own.model.output(own.model.states(batch.inputs)[batch.targets != IGNORED])


def own_logits(run: Prepared, places: Sequence[int]) -> Tensor:
    """The same by the model's own forward pass, every position of it."""
    batch = padded(run).subject.work(run).batch(list(places))
    made: Tensor = run.model.module(**_fed(run, batch.inputs)).logits
    return made if isinstance(run.subject, Answering) else made[batch.targets != IGNORED]


def own_loss(run: Prepared, places: Sequence[int]) -> Tensor:
    """The summed loss of language by the model's own forward pass and torch's own cross-entropy.

    That is in float64 where the device has it: over a vocabulary of 49,000, torch's float32 is off by 3e-5 of a nat.
    """
    batch = padded(run).subject.work(run).batch(list(places))
    made: Tensor = run.model.module(**_fed(run, batch.inputs)).logits.flatten(0, 1)
    return functional.cross_entropy(
        made if made.device.type == "mps" else made.double(),
        batch.targets.flatten(),
        ignore_index=IGNORED,
        reduction="sum",
        label_smoothing=run.recipe.train.label_smoothing,
    )


def base_states(run: Prepared, module: Any, places: Sequence[int]) -> Tensor:
    """What a module of the run's kind makes of rows, as far as it is the base's: a head for labels is not."""
    batch = padded(run).subject.work(run).batch(list(places))
    if isinstance(run.subject, Answering):
        return hidden_states(module, batch.inputs)
    made: Tensor = module(**_fed(run, batch.inputs)).logits
    return made


def _fed(run: Prepared, inputs: Mapping[str, Tensor]) -> Mapping[str, Any]:
    """The arguments of a forward pass; a model that writes keeps a cache that nobody reads."""
    return inputs if isinstance(run.subject, Answering) else {**inputs, "use_cache": False}


def _headed(subject: Answering, inputs: Mapping[str, Tensor]) -> Tensor:
    module, anatomy = subject.model.module, subject.model.anatomy
    return head_logits(module, states_for_head(module, anatomy, inputs), inputs)


def passages_of(run: Prepared) -> Sequence[Passage]:
    """The training rows as tokens, where texts are learned."""
    return learns(run.subject).passages["train"]
