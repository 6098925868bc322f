"""The preparation of a run that answers: its model with a head, its rows within the limit, its task and its judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from affina.data.loading import Loaded
from affina.models.classifier import Classifier, load_classifier
from affina.models.files import config_of
from affina.models.kinds import can_write
from affina.models.source import Source
from affina.pipeline.answering.answers import answers_of, units_choices
from affina.pipeline.answering.auditing import NOT_SINGLE, encoder, with_label_errors, without_label_errors
from affina.pipeline.answering.kinds import KINDS, check_keys
from affina.pipeline.answering.limits import limit_texts
from affina.pipeline.answering.subject import Answering
from affina.pipeline.attaching import with_room
from affina.pipeline.auditing import audit
from affina.pipeline.evening import with_row_weights
from affina.pipeline.limits import Limited
from affina.pipeline.naming.beside import beside
from affina.pipeline.prepared import Notify
from affina.recipe.base import AUTO
from affina.recipe.schema import Recipe
from affina.record.audited import Audited
from affina.record.payloads import Finding
from affina.runtime import machine
from affina.tasks.base import Example, Task
from affina.tasks.token_lists import Examples
from affina.values import Resolved

Looked = tuple[Audited, tuple[Finding, ...]]


def prepare(
    recipe: Recipe, loaded: Loaded, source: Source, choices: dict[str, Resolved[Any]], *, notify: Notify
) -> tuple[Answering, Looked]:
    """The subject of a run that answers, its model on its device, and what was looked at in the rows.

    Raises:
        InputError: something that the user gave cannot be used.
    """
    writes = can_write(config_of(source, f"model: {source.reference}"))
    check_keys(recipe, loaded.labelling, loaded.labels, can_write=writes)
    model = _load(recipe, loaded, source, choices, notify)
    limited, tokens = limit_texts(recipe, loaded, model, choices)
    answers = answers_of(recipe, loaded, model, limited, choices)
    model.module.to(machine.choose_device(recipe.device))
    looked = _audit(recipe, loaded, limited, model, answers.task, notify=notify)
    found = None
    if writes and recipe.evaluate.baselines and KINDS[loaded.labelling.name].has_single_labels:
        found = beside(recipe, loaded, source.without_adapter, limited, choices, notify=notify)
    rows = limited.rows
    examples: dict[str, Sequence[Example]] = {
        split: Examples(tokens[split], answers.task.targets(part)) for split, part in rows.items()
    }
    examples["train"] = with_row_weights(recipe, loaded, rows["train"], examples["train"], choices)
    subject = Answering(
        model=model,
        task=answers.task,
        judge=answers.judge,
        spec=answers.spec,
        weighted=answers.weighted,
        rows=rows,
        examples=examples,
        lengths={split: part.ids.lengths for split, part in tokens.items()},
        beside=found,
    )
    return subject, looked


def _load(
    recipe: Recipe, loaded: Loaded, source: Source, choices: dict[str, Resolved[Any]], notify: Notify
) -> Classifier:
    """The model, and what its head counts in where it predicts a number."""
    dropout = None if recipe.train.dropout == AUTO else recipe.train.dropout
    head = KINDS[loaded.labelling.name].head(loaded.labels, loaded.labelling, loaded.splits.train)
    model = with_room(load_classifier(source, head, dropout=dropout, notify=notify), recipe)
    if head.problem == "regression":
        choices |= units_choices(model)
    return model


def _audit(
    recipe: Recipe, loaded: Loaded, limited: Limited, model: Classifier, task: Task, *, notify: Notify
) -> Looked:
    found = audit(loaded, limited, model, encoder(task, loaded.labelling), seed=recipe.seed)
    if not recipe.data.check_labels:
        return found
    name, train = loaded.labelling.name, limited.rows["train"]
    if not KINDS[name].has_single_labels:
        notify(f"data.check_labels is not for the task {name}: probable label errors are not looked for")
        return without_label_errors(found, NOT_SINGLE.format(name), rows=len(train))
    return with_label_errors(found, train, task, model, seed=recipe.seed)
