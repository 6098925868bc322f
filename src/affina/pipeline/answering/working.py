"""What is trained in a run that answers, as the functions that the loop calls."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from affina.pipeline.answering.measuring import predict
from affina.pipeline.answering.passes import loss_of
from affina.pipeline.prepared import Prepared
from affina.pipeline.training import judged_places
from affina.tasks.base import Batch
from affina.training.stepping import Work

if TYPE_CHECKING:
    from affina.pipeline.answering.subject import Answering


def work_of(subject: Answering, run: Prepared) -> Work[Batch]:
    """The head on the backbone's states, evaluated on the validation rows that choose the checkpoint."""
    task, rows, judged = subject.task, subject.rows["train"], judged_places(run)
    validation = [subject.examples["validation"][place] for place in judged]

    def around(batch: Batch) -> AbstractContextManager[None]:
        return run.frozen.around("validation", [judged[place] for place in batch.rows], batch)

    def evaluate() -> dict[str, float]:
        return subject.judge.quick(predict(subject, run, validation, around=around), subject.judge.targets(validation))

    return Work(
        batch=lambda places: subject.batch_of("train", places, run.device),
        weight=task.weight,
        loss=loss_of(subject, run),
        evaluate=evaluate,
        where=lambda place: rows[place].where,
    )
