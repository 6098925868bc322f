"""Verb: check. What is in the data, before anything is trained: the audit that every run begins with, by itself."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from affina.data.gathering import files_of
from affina.data.labelling.written import Written
from affina.data.loading import Loaded, data_read, load
from affina.data.rows import Row
from affina.data.streaming import load_streamed
from affina.data.taking import is_large
from affina.errors import ModelError
from affina.models.classifier import load_classifier
from affina.models.reader import load_reader, load_writer_reader
from affina.models.source import Source as Location
from affina.pipeline.answering.auditing import NOT_SINGLE, encoder, with_label_errors, without_label_errors
from affina.pipeline.answering.kinds import KINDS
from affina.pipeline.answering.limits import limit_texts
from affina.pipeline.attaching import with_room
from affina.pipeline.auditing import audit
from affina.pipeline.beginning import with_adapter
from affina.pipeline.identity import terms_of, with_people
from affina.pipeline.naming.forms import check_words
from affina.pipeline.naming.rows import read_rows as read_named
from affina.pipeline.prepare import default_model, in_words
from affina.pipeline.writing.rows import read_rows
from affina.recipe.base import AUTO
from affina.recipe.schema import Recipe
from affina.record.audited import Audited
from affina.record.payloads import Chosen, DataRead, Finding
from affina.runtime import machine
from affina.values import Resolved
from affina.verbs.sources import Source, read_source


@dataclass(frozen=True, slots=True)
class Checked:
    """The audit of some data.

    Attributes:
        data: the rows as a run would use them, and the findings.
        audited: what was looked at, and the lengths.
        chosen: what was decided on the way.
        seconds: what it took.
    """

    data: DataRead
    audited: Audited
    chosen: tuple[Chosen, ...]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """`{"files", "columns", "rows", "labels", "findings", "checks", "lengths", "cuts", "encoded", ...}`."""
        choices = {choice.key: {"value": choice.value, "reason": choice.reason} for choice in self.chosen}
        plain = {**dataclasses.asdict(self.data), **dataclasses.asdict(self.audited)}
        return {**plain, "chosen": choices, "seconds": self.seconds}


def check(
    source: Source,
    overrides: Sequence[str] = (),
    *,
    labels: bool = False,
    notify: Callable[[str], None] = lambda _: None,
) -> Checked:
    """Look at data as the first stage of a run does; nothing is trained, and nothing is written.

    Args:
        source: a data file or another source of rows, a list such as `[a.csv, b.csv]`, a recipe file (.yaml), a
            recipe, or its keys as nested plain data.
        overrides: words like `data.test=test.csv`, laid over a file.
        labels: look for probable label errors as well, which takes a pass of the model over the training rows.
        notify: told of slow work.

    Raises:
        InputError: something that was given cannot be used.
    """
    started = time.perf_counter()
    recipe = read_source(source, [*overrides, *(["data.check_labels=true"] if labels else [])])
    loaded, counted = _load(recipe, notify)
    choices: dict[str, Resolved[Any]] = dict(loaded.choices)
    terms = terms_of(recipe, loaded, choices)
    rows = {"train": loaded.splits.train, "validation": loaded.splits.validation, "test": loaded.splits.test}
    audited, findings = Audited(checks=loaded.checks, lengths=loaded.lengths), loaded.findings
    model = _locate(recipe, loaded, notify)
    if model is not None and isinstance(loaded.labelling, Written):
        reader = with_room(load_writer_reader(model), recipe)
        found = read_rows(_unkept(recipe), loaded, loaded.labelling, reader, choices)
        rows, audited, findings = dict(found.limited.rows), found.audited, found.findings
    elif model is not None and in_words(recipe, loaded, model, choices):
        check_words(recipe)
        asked = read_named(recipe, loaded, with_room(load_writer_reader(model), recipe), choices, notify=notify)
        rows, audited, findings = dict(asked.limited.rows), asked.audited, asked.findings
    elif model is not None:
        rows, (audited, findings) = _labelled(recipe, loaded, model, choices, notify)
    audited, findings = with_people((audited, findings), loaded, terms, recipe)
    return Checked(
        dataclasses.replace(counted or data_read(loaded, rows=rows), findings=findings),
        audited,
        tuple(Chosen(key=key, value=choice.value, reason=choice.reason) for key, choice in choices.items()),
        round(time.perf_counter() - started, 2),
    )


def _unkept(recipe: Recipe) -> Recipe:
    """The recipe for a look: that writes nothing, not into the cache either."""
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"reuse": False})})


def _labelled(
    recipe: Recipe,
    loaded: Loaded,
    model: Location,
    choices: dict[str, Resolved[Any]],
    notify: Callable[[str], None],
) -> tuple[dict[str, Sequence[Row]], tuple[Audited, tuple[Finding, ...]]]:
    """What a model's tokenizer tells of rows with labels or numbers, and on request its features."""
    reader = with_room(load_reader(model), recipe)
    limited, _ = limit_texts(_unkept(recipe), loaded, reader, choices)
    rows = limited.rows
    kind, name = KINDS[loaded.labelling.name], loaded.labelling.name
    task = kind.task(reader.tokenizer, loaded.labels, max_length=limited.limit)
    found = audit(loaded, limited, reader, encoder(task, loaded.labelling), seed=recipe.seed)
    if not recipe.data.check_labels:
        return rows, found
    if not kind.has_single_labels:
        notify(f"probable label errors are not looked for: that is not for the task {name}")
        return rows, without_label_errors(found, NOT_SINGLE.format(name), rows=len(rows["train"]))
    classifier = load_classifier(model, loaded.labels, notify=notify)
    classifier.module.to(machine.choose_device(recipe.device))
    return rows, with_label_errors(found, rows["train"], task, classifier, seed=recipe.seed)


def _locate(recipe: Recipe, loaded: Loaded, notify: Callable[[str], None]) -> Location | None:
    """The model; none where nobody named one and the usual one is out of reach: most of the audit needs none."""
    try:
        reference = default_model(loaded, recipe).value if recipe.model == AUTO else recipe.model
        return with_adapter(reference, notify=notify)
    except ModelError as error:
        if recipe.model != AUTO or recipe.data.check_labels:
            raise
        notify(f"lengths in tokens and the language are left out, which need a model: {error.problems[0].found}")
        return None


def _load(recipe: Recipe, notify: Callable[[str], None]) -> tuple[Loaded, DataRead | None]:
    """The rows; or of a file that is too large to be held a sample of them, and the counts of all."""
    files, people = files_of(recipe.data), recipe.risks.bias.group
    if not is_large(files):
        return load(recipe.data, seed=recipe.rows_seed, task=recipe.task, files=files, people=people), None
    streamed = load_streamed(recipe.data, seed=recipe.rows_seed, task=recipe.task, files=files, people=people)
    splits, total = streamed.loaded.splits, sum(streamed.rows.values())
    sample = sum(map(len, (splits.train, splits.validation, splits.test)))
    part = f"a sample of {sample:,} rows; the rest of the audit is of all {total:,}"
    notify(
        f"data this large are gone over without being held: no row is held out{_not_left_out(recipe, streamed.loaded)};"
        f" near duplicates, lengths and the language are those of {part if sample < total else 'all rows'}"
    )
    counts = dataclasses.replace(data_read(streamed.loaded), rows=streamed.rows, labels=streamed.labels)
    return streamed.loaded, counts


def _not_left_out(recipe: Recipe, loaded: Loaded) -> str:
    """Which rows a run would leave out that are still among those that are looked at here."""
    found = {finding.name: finding.count for finding in loaded.findings}
    shared = found.get("validation_rows_in_train", 0) + found.get("test_rows_in_train", 0)
    repeated = f"{found.get('duplicates', 0):,} repeated rows"
    asked = (
        ("data.drop_duplicates", recipe.data.drop_duplicates, repeated),
        ("data.drop_shared", recipe.data.drop_shared, f"training rows with the texts of {shared:,} held-out ones"),
    )
    said = [f"{what}, which a run leaves out ({key})" for key, asks, what in asked if asks]
    return f", and counted are still {' and '.join(said)}" if said else " or left out"
