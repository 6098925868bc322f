"""The loss of a batch that answers: the task's, of one pass or two, and of its rows swapped beside it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from affina.models.heads import head_logits
from affina.pipeline.evening import twins_of
from affina.pipeline.prepared import Prepared
from affina.tasks.base import Batch
from affina.tasks.consistency import paired, twice

if TYPE_CHECKING:
    from affina.pipeline.answering.subject import Answering


def loss_of(subject: Answering, run: Prepared) -> Callable[[Batch], Tensor]:
    """A batch to the sum of its losses; where answers are paired, with how far those of swapped rows are, each once."""
    module, task, train = subject.model.module, subject.task, run.recipe.train
    twins = twins_of(task, subject.rows["train"], run.terms) if train.logit_pairing else {}

    def answers(batch: Batch) -> tuple[Tensor, Tensor]:
        hidden = subject.read(batch)
        return hidden, head_logits(module, hidden, inputs=batch.inputs)

    def once(batch: Batch) -> tuple[Tensor, Tensor]:
        with run.frozen.around("train", batch.rows, batch):
            hidden, logits = answers(batch)
        loss = task.loss(hidden, lambda _: logits, batch)[0]
        places = [place for place, row in enumerate(batch.rows) if row in twins]
        if places and torch.is_grad_enabled():
            swapped = task.collate([twins[batch.rows[place]] for place in places], rows=places).to(run.device)
            loss = loss + train.logit_pairing * paired(logits[places], answers(swapped)[1])
        return loss, logits

    return lambda batch: twice(partial(once, batch), task.apart, strength=train.r_drop)
