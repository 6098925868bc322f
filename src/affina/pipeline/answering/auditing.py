"""The audit of a run that answers: the first encoded row with its label, and probable label errors, on request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from affina.data.drawing import drawn_places
from affina.data.labelling.base import Labelling
from affina.data.rows import Row
from affina.evaluation.judging.classes import ClassJudge
from affina.evaluation.label_errors import MOST_ROWS, find_label_errors
from affina.evaluation.probing import Prober
from affina.models.classifier import Classifier
from affina.pipeline.auditing import Encoding
from affina.record.audited import Audited, Check
from affina.record.payloads import Finding
from affina.tasks.base import Task

BATCH_TOKENS: Final = 4_096
"""Padding included, while features for label errors are computed."""


def encoder(task: Task, labelling: Labelling) -> Callable[[Row], Encoding]:
    """A row as the model reads it; the one target of a text is its label."""

    def encode(row: Row) -> Encoding:
        [example] = task.encode([row])
        target = labelling.shown(row.fields["label"])
        return Encoding(ids=example.ids, trained=(False,) * len(example.ids), target=target)

    return encode


def with_label_errors(
    found: tuple[Audited, tuple[Finding, ...]],
    rows: Sequence[Row],
    task: Task,
    classifier: Classifier,
    *,
    seed: int,
) -> tuple[Audited, tuple[Finding, ...]]:
    """An audit with the probable label errors of the training rows added.

    Args:
        found: from `audit`.
        rows: of the training split.
        task: encodes them.
        classifier: the frozen model, on its device.
        seed: decides the sample and the folds.
    """
    audited, findings = found
    places = drawn_places(len(rows), most=MOST_ROWS, seed=seed)
    chosen = [rows[place] for place in places]
    examples = task.encode(chosen)
    prober = Prober(
        module=classifier.module,
        anatomy=classifier.anatomy,
        task=task,
        judge=ClassJudge(task.labels),
        budget=max(BATCH_TOKENS, *(len(example.ids) for example in examples)),
        device=classifier.module.device,
    )
    features = prober.features(examples)
    more, check, listed = find_label_errors(features, chosen, task.labels, of=len(rows), seed=seed)
    return replace(audited, checks=(*audited.checks, check), suspects=listed), findings + more


NOT_SINGLE: Final = "not for the task {}: confident learning doubts labels of which each row has one"


def without_label_errors(
    found: tuple[Audited, tuple[Finding, ...]], why: str, *, rows: int
) -> tuple[Audited, tuple[Finding, ...]]:
    """An audit that says that probable label errors were asked for, and why they cannot be looked for."""
    audited, findings = found
    return replace(audited, checks=(*audited.checks, Check(name="label errors", rows=0, of=rows, how=why))), findings
