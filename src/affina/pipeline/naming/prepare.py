"""The preparation of a run that classifies in words, and of the baseline that asks the untouched model for labels."""

from __future__ import annotations

from typing import Any, Final

from affina.data.loading import Loaded
from affina.evaluation.judging.classes import ClassJudge
from affina.models.language import load_language_model
from affina.models.source import Source
from affina.pipeline.answering.kinds import check_keys
from affina.pipeline.attaching import with_room
from affina.pipeline.naming.forms import WORDS, check_words
from affina.pipeline.naming.namer import LEAST_SCORED, Namer, affordable, cost_of
from affina.pipeline.naming.rows import read_rows
from affina.pipeline.naming.subject import LOSS, ByName
from affina.pipeline.naming.untouched import what_to_ask
from affina.pipeline.prepared import Notify
from affina.recipe.base import AUTO
from affina.recipe.schema import Recipe
from affina.recipe.task_specs import ClassificationSpec
from affina.record.audited import Audited
from affina.record.payloads import Finding
from affina.runtime import machine
from affina.values import Resolved

SCORED_SHARE: Final = 0.25
"""Of the time of an epoch: what the labels of one evaluation in the middle of training may take."""

QUICK: Final = 5_000
"""Tokens that may be read for that in any case."""

Choices = dict[str, Resolved[Any]]


def prepare(
    recipe: Recipe, loaded: Loaded, source: Source, choices: Choices, *, notify: Notify
) -> tuple[ByName, tuple[Audited, tuple[Finding, ...]]]:
    """The subject of a run that classifies in words, its model on its device, and what was looked at in the rows.

    Raises:
        InputError: something that the user gave cannot be used.
    """
    check_keys(recipe, loaded.labelling, loaded.labels, learns_texts=True, can_write=True)
    check_words(recipe)
    dropout = None if recipe.train.dropout == AUTO else recipe.train.dropout
    model = with_room(load_language_model(source, dropout=dropout, notify=notify), recipe)
    found = read_rows(recipe, loaded, model, choices, notify=notify)
    rows, asking = found.limited.rows, found.asking
    passages = {split: found.reading.encode([asking.lesson(row) for row in part]) for split, part in rows.items()}
    lengths = {split: [len(passage) for passage in part] for split, part in passages.items()}
    trained = sum(lengths["train"])
    each = cost_of(model, asking, rows["validation"])
    scored = affordable(trained, share=SCORED_SHARE, each=each)
    watched = _watched(min(LEAST_SCORED, len(rows["validation"])) * each, trained, labels=len(loaded.labels))
    metric = watched.value if recipe.evaluate.metric == AUTO else recipe.evaluate.metric
    untouched = None
    if recipe.evaluate.baselines:
        untouched = what_to_ask(recipe, rows, asking, model=model, training_tokens=trained, choices=choices)
    model.module.to(machine.choose_device(recipe.device))
    weights = recipe.task.class_weights if isinstance(recipe.task, ClassificationSpec) else AUTO
    subject = ByName(
        model=model,
        rows=rows,
        reading=found.reading,
        passages=passages,
        lengths=lengths,
        max_length=found.limited.limit,
        namer=Namer(model=model, asking=asking, ended=True),
        judge=ClassJudge(tuple(loaded.labels)),
        untouched=untouched,
        spec=ClassificationSpec(class_weights="none" if weights == AUTO else weights, form=WORDS),
        watched=watched,
        affordable=None if metric == LOSS else scored,
    )
    return subject, (found.audited, found.findings)


def _watched(tokens: float, trained: int, *, labels: int) -> Resolved[str]:
    """The metric that chooses the checkpoint: accuracy, where to score the labels of a few rows is not too slow.

    Args:
        tokens: that are read to score as few rows as tell something.
        trained: tokens of an epoch.
        labels: how many there are.
    """
    if tokens > max(trained, QUICK):
        reason = (
            f"to score {labels} labels for {LEAST_SCORED} rows would take {tokens:,.0f} tokens, an epoch {trained:,}"
        )
        return Resolved(LOSS, reason)
    return Resolved("accuracy", "one label a row; the labels are scored as a finished run scores them")
