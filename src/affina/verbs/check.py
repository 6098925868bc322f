"""Verb: check. What is in the data, before anything is trained: the audit that every run begins with, by itself."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from affina.data.loading import data_read, load
from affina.models.reader import load_reader
from affina.models.source import locate
from affina.pipeline.auditing import audit
from affina.pipeline.limits import within_limit
from affina.pipeline.prepare import DEFAULT_MODEL
from affina.recipe.schema import AUTO, Recipe
from affina.record.payloads import Audited, Chosen, DataRead
from affina.tasks.classification import Classification
from affina.values import Resolved
from affina.verbs.train import Source, read_source


@dataclass(frozen=True, slots=True)
class Checked:
    """The audit of some data.

    Attributes:
        data: the rows as a run would use them, and the findings.
        audited: what was looked at, and the lengths.
        chosen: what was decided on the way.
    """

    data: DataRead
    audited: Audited
    chosen: tuple[Chosen, ...]

    def as_json(self) -> dict[str, Any]:
        """`{"files", "columns", "rows", "labels", "findings", "checks", "lengths", "cuts", "encoded", ...}`."""
        choices = {choice.key: {"value": choice.value, "reason": choice.reason} for choice in self.chosen}
        return {**dataclasses.asdict(self.data), **dataclasses.asdict(self.audited), "chosen": choices}


def check(
    source: Source,
    overrides: Sequence[str] = (),
    *,
    labels: bool = False,
    notify: Callable[[str], None] = lambda _: None,
) -> Checked:
    """Look at data as the first stage of a run does; nothing is trained, and nothing is written.

    Args:
        source: a data file, a recipe file (.yaml), a recipe, or its keys as nested plain data.
        overrides: words like `data.test=test.csv`, laid over a file.
        labels: look for probable label errors as well, which takes a pass of the model over the training rows.
        notify: told of slow work.

    Raises:
        InputError: something that was given cannot be used.
    """
    started = time.perf_counter()
    recipe = read_source(source, [*overrides, *(["data.check_labels=true"] if labels else [])])
    loaded = load(recipe.data, seed=recipe.seed)
    choices: dict[str, Resolved[Any]] = dict(loaded.choices)
    reader = load_reader(locate(_model(recipe), notify=notify))
    limited = within_limit(recipe, loaded, reader, choices)
    task = Classification(reader.tokenizer, loaded.labels, max_length=limited.limit)
    audited, findings = audit(loaded, limited, reader, task, seed=recipe.seed)
    seconds = round(time.perf_counter() - started, 2)
    return Checked(
        dataclasses.replace(data_read(loaded, rows=limited.rows), findings=findings),
        dataclasses.replace(audited, seconds=seconds),
        tuple(Chosen(key=key, value=choice.value, reason=choice.reason) for key, choice in choices.items()),
    )


def _model(recipe: Recipe) -> str:
    return DEFAULT_MODEL if recipe.model == AUTO else recipe.model
