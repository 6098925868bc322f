"""A finished run, opened again: its model, and how it read its data. Shared by the verbs that use one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affina.data.gathering import read_again
from affina.data.labelling.base import Labelling
from affina.data.labelling.guess import labelling_of
from affina.data.rows import Row, text_key
from affina.errors import Problem, RunError
from affina.evaluation.judging.base import Judge, Thresholds
from affina.pipeline.answering.kinds import KINDS
from affina.pipeline.answering.measuring import exported_thresholds
from affina.pipeline.naming.forms import WORDS, asked_form
from affina.pipeline.opening import shipped
from affina.recipe.data_spec import TooLong
from affina.recipe.load import load_recipe
from affina.recipe.schema import Recipe
from affina.recipe.task_specs import WritingSpec
from affina.record import journal
from affina.record.folder import RunFolder
from affina.record.measures import WRITING
from affina.record.payloads import DataRead, Payload, Scores
from affina.record.starts import ModelLoaded
from affina.runtime import products
from affina.runtime.machine import choose_device
from affina.tasks.texts import apply_limit, refuse_nothing
from affina.verbs.answers import Answers, Headed, load_named

MOST_REMARKS: Final = 3


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """What a run left beside its model.

    Attributes:
        folder: where it is.
        recipe: as resolved.
        data: what its training data were.
        records: its whole record.
    """

    folder: RunFolder
    recipe: Recipe
    data: DataRead
    records: tuple[Payload, ...]

    @property
    def baselines(self) -> dict[str, Scores]:
        """What the run measured before its training, on its own rows."""
        recorded = {record.who: record for record in self.records if isinstance(record, Scores)}
        return {who: found for who, found in recorded.items() if who != "tuned"}

    @property
    def went_on(self) -> bool:
        """Whether it began with an adapter, and went on training it."""
        return any(isinstance(record, ModelLoaded) and record.base is not None for record in self.records)

    def trained_on(self, rows: Sequence[Row], *, writing: WritingSpec | None = None) -> int:
        """How many rows have a text of the training files, where these are still as they were.

        Args:
            rows: any, as the training read its own, whole texts where it divided them.
            writing: the run's task, where its answers are texts.
        """
        columns = self.data.columns
        if writing is None:
            columns = {role: column for role, column in columns.items() if role in ("text", "text_pair")}
        known = {text_key(row) for row in read_again(self.recipe.data, columns, self.data.files, writing=writing)}
        return sum(text_key(row) in known for row in rows)


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run to evaluate or to predict with.

    Attributes:
        folder: where it is.
        recipe: as resolved.
        data: what its training data were.
        records: its whole record.
        answering: the exported model, on its device.
        judge: measures the answers.
        labelling: reads labels as the training did.
        thresholds: of the exported model, where it has any.
    """

    folder: RunFolder
    recipe: Recipe
    data: DataRead
    records: tuple[Payload, ...]
    answering: Answers
    judge: Judge
    labelling: Labelling
    thresholds: Thresholds | None

    @property
    def labels(self) -> tuple[str, ...]:
        """The outputs' names, in their order."""
        return tuple(self.data.labels)

    def predict(self, rows: Sequence[Row], *, notify: Callable[[str], None]) -> NDArray[np.float64]:
        """The outputs [rows, outputs]; texts beyond the run's limit are cut, and `notify` is told how many.

        Raises:
            DataError: a text is beyond the limit and the run's recipe says `data.too_long: error`.
        """
        if not rows:
            return np.empty((0, len(self.labels)))
        policy: TooLong = "error" if self.recipe.data.too_long == "error" else "truncate"
        lengths, limit = self.answering.lengths(rows), self.answering.limit
        refuse_nothing(rows, lengths)
        _, beyond = apply_limit(rows, lengths, limit=limit, too_long=policy)
        if beyond.rows:
            first = rows[beyond.rows[0]].where
            notify(f"{len(beyond.rows):,} texts are cut to the run's {limit} tokens, {first} the first of them")
        return self.answering.outputs(rows)


def read_run(path: str | Path, *, notify: Callable[[str], None] = lambda _: None) -> FinishedRun:
    """Read what a run left, whichever version wrote its record; its model is there, and is not loaded.

    Args:
        path: the run folder.
        notify: told of what of the record could not be read.

    Raises:
        RunError: the folder is not a run, it has no model yet, or its record does not say what its data were, or
            says a task that is not known here.
    """
    folder = RunFolder(Path(path))
    reading = journal.read_known(folder.journal)
    data = next((record for record in reading.records if isinstance(record, DataRead)), None)
    if data is None and reading.remarks:
        raise _of_another_version(folder, reading.remarks)
    if reading.remarks:
        notify(f"the record was written by another version of Affina: {'; '.join(reading.remarks[:MOST_REMARKS])}")
    if data is not None and data.task not in KINDS and data.task not in WRITING:
        raise _of_another_version(folder, [f"the task {data.task!r} is not known to this version"])
    if data is not None and not folder.shipped and folder.over_budget.shipped:
        raise _over_budget(folder)
    if data is None or not folder.shipped or not folder.recipe.is_file():
        raise RunError(
            Problem(
                where=str(folder.path),
                expected="a run with a model",
                found="a run that has not written one yet",
                fix="give the command that started it again: it goes on from its last checkpoint",
            )
        )
    return FinishedRun(folder, load_recipe(folder.recipe), data, reading.records)


def _over_budget(folder: RunFolder) -> RunError:
    model = folder.over_budget.shipped[0]
    return RunError(
        Problem(
            where=str(folder.path),
            expected="a run with a model",
            found=f"a run that shipped none: none was a gain within its budgets; the tuned one ({model}) did not pass",
            fix="see the run's report (Budgets); larger budgets help where none was within them, more rows where none"
            " gained",
        )
    )


def open_run(run: FinishedRun, *, device: str = "auto") -> OpenRun:
    """Load the model that a run exported, one that answers with labels or a number."""
    recipe, data, kind = run.recipe, run.data, KINDS[run.data.task]
    labels, place = tuple(data.labels), choose_device(device)
    products.use_fastest(place)
    labelling = labelling_of([], recipe.task, columns="label" not in data.columns).value
    spec = kind.spec(recipe.task, labelling)
    opened = shipped(run.folder, packed=recipe.packs, device=place)
    if asked_form(recipe) == WORDS:
        named = load_named(opened, recipe, labels)
        return OpenRun(run.folder, recipe, data, run.records, named, kind.judge(labels, spec), labelling, None)
    classifier = opened.classifier(kind.head(labels, labelling, []))
    limit, units = classifier.tokenizer.model_max_length, classifier.units
    task = kind.task(classifier.tokenizer, labels, max_length=limit, units=units)
    judge = kind.judge(labels, spec, units)
    headed, thresholds = Headed(classifier, task, judge, place), exported_thresholds(classifier)
    return OpenRun(run.folder, recipe, data, run.records, headed, judge, labelling, thresholds)


def tell_of_shared(count: int, notify: Callable[[str], None]) -> None:
    """Say how many of the rows that are measured the run was trained on."""
    if count:
        notify(f"{count:,} of these rows are also in the training files: they flatter the figures")


def _of_another_version(folder: RunFolder, remarks: Sequence[str]) -> RunError:
    return RunError(
        Problem(
            where=str(folder.journal),
            expected="a record that says what columns and labels the model was trained on",
            found=f"one of another version of Affina: {remarks[0]}",
            fix="use the version of Affina that wrote the run, or train again",
        )
    )
