"""The lessons of rows as tokens, each made once, and kept for the next run where there are enough of them.

A chat template is a program, and a tokenizer slow: what both make of a row is kept in the cache folder, whole, so that
a limit cuts it as it is read. A row that the template refuses has no tokens there; why, it is asked again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from affina.data.checks import noticed
from affina.data.loading import Loaded
from affina.data.rows import Row, Splits
from affina.data.unfit import settle
from affina.errors import UnfitRow
from affina.models.base import Tells
from affina.pipeline.kept_tokens import kept, key_of, tokenizer_hash
from affina.pipeline.limits import Limited
from affina.recipe.schema import Recipe
from affina.record.payloads import Finding
from affina.tasks.answers import last_answer
from affina.tasks.lessons import READ_AT_ONCE, Lesson, Passage, Reading, WritingTask
from affina.tasks.passage_lists import Cut, PassageLists, Passages, opened_passages
from affina.tasks.target_text import target_bytes
from affina.values import Resolved

LEAST_ROWS: Final = 1_000
"""Rows of a split; so many take half a second to read, and 10 ms where they are kept: fewer nobody notices."""
TIME: Final = "strftime_now"
"""What a chat template calls for the date."""
SIZES: Final = "bytes.npy"
_NOTHING: Final = Passage((), ())


@final
class Lessons:
    """Rows to passages.

    Args:
        task: what a row teaches.
        model: whose tokens these are.
        reuse: the recipe's `train.reuse`.
        choices: gets whence the tokens are, where that was not this run's own reading.
    """

    def __init__(self, task: WritingTask, model: Tells, *, reuse: bool, choices: dict[str, Resolved[Any]]) -> None:
        self._task, self._model, self._reading = task, model, Reading(model)
        self._reuse, self._choices = reuse and model.tokenizer.is_fast, choices
        self._whole: dict[int, tuple[Passages, int]] = {}

    def fit(self, recipe: Recipe, loaded: Loaded) -> tuple[Loaded, tuple[Finding, ...]]:
        """The rows that the model's template can be followed for.

        Raises:
            DataError: a row is unfit, and `data.unfit` is `error`.
        """

        def make(row: Row) -> Row:
            if not self._length(row):
                self._task.lesson(row)  # says why
            return row

        left: dict[str, Sequence[Row]] = {}
        findings: tuple[Finding, ...] = ()
        for split, given in loaded.splits.by_name.items():
            rows = tuple(given)  # the same objects from here on: their passages are found by them
            passages = self._passages(rows)
            self._whole |= {id(row): (passages, place) for place, row in enumerate(rows)}
            left[split], found = settle(rows, make, policy=recipe.data.unfit, split=split, name="rows_refused")
            findings += found
        return replace(loaded, splits=Splits(**left)), findings

    def _passages(self, rows: Sequence[Row]) -> Passages:
        """The tokens of rows, nothing cut; none of a row that is unfit."""

        def read() -> Passages:
            lists = PassageLists(below=len(self._model.tokenizer))
            for start in range(0, len(rows), READ_AT_ONCE):
                for passage in self._read(rows[start : start + READ_AT_ONCE]):
                    lists.add(passage)
            return lists.whole()

        if not self._reuse or len(rows) < LEAST_ROWS:
            return read()
        key = self._key(rows, "passages")
        return kept(key, read, save=Passages.save, open_in=opened_passages, rows=len(rows), choices=self._choices)

    def _read(self, rows: Sequence[Row]) -> Iterator[Passage]:
        lessons = [self._lesson(row) for row in rows]
        passages = iter(self._reading.encode([lesson for lesson in lessons if lesson is not None]))
        return (_NOTHING if lesson is None else next(passages) for lesson in lessons)

    def _lesson(self, row: Row) -> Lesson | None:
        with suppress(UnfitRow):
            return self._task.lesson(row)
        return None

    def _key(self, rows: Sequence[Row], *what: Any) -> str:
        """Of what is kept about rows: `what` it is, and all that it hangs on.

        The first row's lesson is made in any case: so a template's words of today are in the key, whatever they say.
        """
        first, template = self._lesson(rows[0]), str(self._model.tokenizer.chat_template)
        shown = None if first is None else [first.text, first.learned, first.source, first.plain]
        today = str(datetime.now().astimezone().date()) if TIME in template else ""
        cells = ([word for cell in row.fields.items() for word in cell] for row in rows)
        return key_of(self._tokenizer, cells, [*what, *self._task.settings, shown, today])

    @cached_property
    def _tokenizer(self) -> str:
        return tokenizer_hash(self._model.tokenizer)

    def _passage(self, row: Row) -> Passage:
        """A row's tokens, nothing cut."""
        passages, place = self._whole[id(row)]
        return passages[place]

    def lengths(self, rows: Sequence[Row]) -> list[int]:
        """Tokens of each row, of an encoder-decoder those of its longer side; nothing is cut."""
        return [self._length(row) for row in rows]

    def _length(self, row: Row) -> int:
        passages, place = self._whole[id(row)]
        return passages.length(place)

    def answers(self, rows: Sequence[Row]) -> list[int]:
        """Tokens of each row's last answer, its end included; nothing is cut."""
        return [last_answer(self._passage(row).learned) for row in rows]

    def of(self, rows: Sequence[Row], reading: Reading) -> Sequence[Passage]:
        """The tokens of rows within the limit."""
        return Cut([self._whole[id(row)] for row in rows], reading.cut)

    def sizes(self, rows: Sequence[Row], passages: Sequence[Passage], *, limit: int) -> list[int]:
        """UTF-8 bytes of the text that is learned of each row, see `target_bytes`.

        Args:
            rows: as in `of`.
            passages: their tokens.
            limit: what these are cut to.
        """

        def read() -> NDArray[np.int64]:
            lessons = [self._task.lesson(row) for row in rows]
            return np.array(target_bytes(self._model, lessons, passages), dtype=np.int64)

        if self._reuse and len(rows) >= LEAST_ROWS:
            key = self._key(rows, "bytes", limit)
            found = kept(key, read, save=_save, open_in=_opened, rows=len(rows), choices=self._choices)
        else:
            found = read()
        sizes: list[int] = found.tolist()
        return sizes

    def taught(self, recipe: Recipe, limited: Limited, reading: Reading) -> tuple[Limited, tuple[Finding, ...]]:
        """The rows of which the limit leaves something to learn, and those among them that it leaves a part of.

        Raises:
            DataError: it leaves nothing of a row, and `data.unfit` is `error`.
        """

        def make(row: Row) -> Row:
            if not reading.cut(self._passage(row)).targets:
                raise UnfitRow(f"within {limited.limit} tokens (data.max_length) nothing of its answer is left")
            return row

        left: dict[str, Sequence[Row]] = {}
        findings: tuple[Finding, ...] = ()
        for split, rows in limited.rows.items():
            left[split], found = settle(rows, make, policy=recipe.data.unfit, split=split, name="answers_cut_away")
            long = [row for row in left[split] if self._length(row) > limited.limit]
            findings += (*found, *self._cut_answers(long, reading, split=split))
        return replace(limited, rows=left), findings

    def _cut_answers(self, rows: Sequence[Row], reading: Reading, *, split: str) -> list[Finding]:
        """Rows whose answers go on beyond the limit: their ends are not learned."""
        lost = [(row.where, reading.cut(self._passage(row)).cut_learned) for row in rows]
        places, tokens = [where for where, count in lost if count], sum(count for _, count in lost)
        meaning = f"{split} answers go on beyond the limit: {tokens:,} tokens of them and their ends are not learned"
        advice = "a larger data.max_length keeps them whole, data.too_long=drop leaves such training rows out"
        return list(noticed("answers_cut", places, split=split, meaning=meaning, advice=advice))


def _save(sizes: NDArray[np.int64], folder: Path) -> None:
    np.save(folder / SIZES, sizes, allow_pickle=False)


def _opened(folder: Path) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.load(folder / SIZES, allow_pickle=False)
    return found
