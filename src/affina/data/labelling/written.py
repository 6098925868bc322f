"""Answers that are texts to be written: the reading of chat, generation and translation.

There are no labels here, so that nothing is stratified, counted by label or compared with what is known. Rows from
which nothing can be learned are `data.unfit`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from affina.data.checks import drop_empty_texts
from affina.data.rows import Row, named
from affina.data.unfit import UnfitRows, settle, sort_out
from affina.data.written.composing import composed
from affina.data.written.spellings import Spellings
from affina.errors import Problem, RecipeError
from affina.recipe.base import AUTO
from affina.recipe.data_spec import Unfit
from affina.recipe.languages import language_of
from affina.recipe.task_specs import GenerationSpec, TaskName, TranslationSpec, WritingSpec
from affina.record.payloads import Finding, Spread
from affina.values import Resolved


@final
@dataclass(frozen=True, slots=True)
class Written:
    """What is asked is the text, and what is to be written the label.

    Attributes:
        spec: the task, with what its columns say of it.
        unfit: what happens to rows from which nothing can be learned.
        found: recipe key to what the columns said.
    """

    spec: WritingSpec
    unfit: Unfit = "error"
    found: Mapping[str, Resolved[Any]] = field(default_factory=dict)
    takes_lists: bool = False
    stratified: str = ""
    writes: bool = True

    @property
    def name(self) -> TaskName:
        """The task."""
        return self.spec.name

    def read(self, rows: Sequence[Row], *, split: str) -> tuple[tuple[Row, ...], tuple[Finding, ...]]:
        """The rows that something can be learned from; texts without an output are only not empty.

        Raises:
            DataError: a row is unfit and `data.unfit` is `error`, or none is left.
        """
        kept, findings = tuple(rows), tuple[Finding, ...]()
        if rows and "text" in rows[0].fields:
            kept, findings = drop_empty_texts(rows, file=named(row.file for row in rows), split=split)
        spellings = Spellings()
        spellings.add(rows)
        made, noticed = settle(kept, lambda row: composed(row, self.spec), policy=self.unfit, split=split)
        return made, findings + spellings.findings(split) + noticed

    def sort_out(self, rows: Sequence[Row], unfit: UnfitRows) -> tuple[Row, ...]:
        """The rows that something can be learned from, of a part of a file; the others are added to `unfit`."""
        return sort_out(rows, lambda row: composed(row, self.spec), unfit)

    def check(self, rows: Sequence[Row], *, column: str, attested: frozenset[str]) -> None:
        """Each row was judged by itself."""

    def names(self, rows: Iterable[Row], *, column: str) -> tuple[str, ...]:
        """A model's outputs are its vocabulary."""
        return ()

    def labels_of(self, canonical: str) -> tuple[str, ...]:
        """A text is no label."""
        return ()

    def shown(self, canonical: str) -> str:
        """The text."""
        return canonical

    def strata(self, rows: Sequence[Row]) -> list[tuple[str, ...]]:
        """Nothing to keep alike."""
        return [()] * len(rows)

    def check_known(self, rows: Sequence[Row], *, known: Iterable[str], train: str) -> None:
        """Any text may stand in any file."""

    def find_uneven(self, counts: Mapping[str, int], *, rows: int) -> tuple[Finding, ...]:
        """There are no labels to be rare."""
        return ()

    def spread(self, rows: Sequence[Row]) -> Spread | None:
        """A text is no number."""
        return None

    def choices(self) -> dict[str, Resolved[Any]]:
        """The languages that the columns' names say."""
        return dict(self.found)


def written(spec: WritingSpec, columns: Mapping[str, str], *, unfit: Unfit) -> Written:
    """The reading of a task, with what the names of its columns say.

    Args:
        spec: the task, as asked or found.
        columns: role to column.
        unfit: the recipe's `data.unfit`.

    Raises:
        RecipeError: an instruction goes before inputs, and there are none.
    """
    if isinstance(spec, GenerationSpec) and spec.instruction and "text" in columns:
        raise RecipeError(_no_input(columns["text"]))
    if not isinstance(spec, TranslationSpec):
        return Written(spec, unfit)
    asked = {"source_language": spec.source_language, "target_language": spec.target_language}
    found = {
        key: Resolved(language, f"the name of the column {columns[key.partition('_')[0]]}")
        for key, given in asked.items()
        if given == AUTO and (language := language_of(columns[key.partition("_")[0]], known=True)) is not None
    }
    settled = spec.model_copy(update={key: language.value for key, language in found.items()})
    return Written(settled, unfit, {f"task.{key}": language for key, language in found.items()})


def _no_input(column: str) -> Problem:
    return Problem(
        where="recipe key task.instruction",
        expected="inputs that it goes before",
        found=f"texts alone, in the column {column}, which are learned as they are",
        fix="leave it out, or name columns with inputs and outputs: data.prompt=COLUMN data.completion=COLUMN",
    )
