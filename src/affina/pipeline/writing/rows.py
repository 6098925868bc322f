"""The rows of a run that writes, as its model reads them: lessons, tokens, the limit, and what was looked at in them.

No weights are needed: `affina check` reads rows so as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from affina.data.checks import noticed
from affina.data.labelling.written import Written
from affina.data.loading import Loaded
from affina.data.rows import Row, Splits
from affina.data.unfit import settle
from affina.errors import UnfitRow
from affina.models.base import Tells
from affina.pipeline.auditing import Encoding, audit
from affina.pipeline.limits import Limited, Measure, limit_of, within_limit
from affina.pipeline.writing.persona import persona
from affina.pipeline.writing.pieces import in_pieces
from affina.pipeline.writing.teachers import check_keys, continues, teacher_of
from affina.recipe.schema import Recipe
from affina.record.audited import IN_PIECES, Audited
from affina.record.payloads import Finding
from affina.tasks.answers import last_answer
from affina.tasks.lessons import READ_AT_ONCE, Lesson, Passage, Reading, Teacher
from affina.tasks.passage_lists import Cut, PassageLists, Passages
from affina.values import Resolved

LEAST_LENGTH: Final = 4
"""Tokens: something to read, and something to learn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows as they are read.

    Attributes:
        teacher: what a row teaches.
        reading: how it is read.
        limited: the rows that are used.
        lessons: of each row.
        audited: what was looked at.
        findings: everything that was noticed.
        alone: rows are texts without a prompt.
    """

    teacher: Teacher
    reading: Reading
    limited: Limited
    lessons: Lessons
    audited: Audited
    findings: tuple[Finding, ...]
    alone: bool


def read_rows(
    recipe: Recipe, loaded: Loaded, written: Written, model: Tells, choices: dict[str, Resolved[Any]]
) -> Rows:
    """Read the rows for a model.

    Raises:
        InputError: keys, rows or a limit that cannot be used.
    """
    check_keys(recipe, loaded)
    alone = continues(loaded)
    teacher = teacher_of(written.spec, model, choices, alone=alone)
    choices |= persona(model.tokenizer, loaded.splits.train, reads_apart=model.reads_apart)
    if alone and recipe.data.too_long == "truncate":
        limit, _ = limit_of(recipe, model, least=LEAST_LENGTH)
        loaded, told = in_pieces(loaded, model, limit=limit)
        choices |= {} if told is None else {IN_PIECES: told}
    lessons = Lessons(teacher, model)
    loaded, refused = lessons.fit(recipe, loaded)
    limited = within_limit(recipe, loaded, model, Measure(lengths=lessons.lengths, least=LEAST_LENGTH), choices)
    reading = Reading(model, max_length=limited.limit, label_smoothing=recipe.train.label_smoothing)
    limited, untaught = lessons.taught(recipe, limited, reading)
    audited, findings = audit(loaded, limited, model, encoder(teacher, reading), seed=recipe.seed)
    return Rows(
        teacher=teacher,
        reading=reading,
        limited=limited,
        lessons=lessons,
        audited=audited,
        findings=findings + refused + untaught,
        alone=alone,
    )


class Lessons:
    """The lessons of rows and their tokens, each made once: a chat template is a program, and slow."""

    def __init__(self, teacher: Teacher, model: Tells) -> None:
        self._teacher, self._reading = teacher, Reading(model)
        self._made: dict[int, Lesson] = {}
        self._whole: dict[int, tuple[Passages, int]] = {}
        self._below = len(model.tokenizer)

    def fit(self, recipe: Recipe, loaded: Loaded) -> tuple[Loaded, tuple[Finding, ...]]:
        """The rows that the model's template can be followed for.

        Raises:
            DataError: a row is unfit, and `data.unfit` is `error`.
        """

        def make(row: Row) -> Row:
            self._made[id(row)] = self._teacher.lesson(row)
            return row

        kept: dict[str, Sequence[Row]] = {}
        findings: tuple[Finding, ...] = ()
        for split, rows in loaded.splits.by_name.items():
            kept[split], found = settle(rows, make, policy=recipe.data.unfit, split=split, name="rows_refused")
            findings += found
        return replace(loaded, splits=Splits(**kept)), findings

    def lengths(self, rows: Sequence[Row]) -> list[int]:
        """Tokens of each row, of an encoder-decoder those of its longer side; nothing is cut."""
        lists, found = PassageLists(below=self._below), list[int]()
        for start in range(0, len(rows), READ_AT_ONCE):
            part = rows[start : start + READ_AT_ONCE]
            for passage in self._reading.encode([self._made[id(row)] for row in part]):
                lists.add(passage)
                found.append(max(len(passage.ids), len(passage.source)))
        whole = lists.whole()
        self._whole |= {id(row): (whole, place) for place, row in enumerate(rows)}
        return found

    def _passage(self, row: Row) -> Passage:
        """A row's tokens, nothing cut."""
        passages, place = self._whole[id(row)]
        return passages[place]

    def answers(self, rows: Sequence[Row]) -> list[int]:
        """Tokens of each row's last answer, its end included; nothing is cut."""
        return [last_answer(self._passage(row).learned) for row in rows]

    def of(self, rows: Sequence[Row], reading: Reading) -> tuple[list[Lesson], Sequence[Passage]]:
        """The lessons of rows, and their tokens within the limit."""
        return [self._made[id(row)] for row in rows], Cut([self._whole[id(row)] for row in rows], reading.cut)

    def taught(self, recipe: Recipe, limited: Limited, reading: Reading) -> tuple[Limited, tuple[Finding, ...]]:
        """The rows of which the limit leaves something to learn, and those among them that it leaves a part of.

        Raises:
            DataError: it leaves nothing of a row, and `data.unfit` is `error`.
        """

        def make(row: Row) -> Row:
            if not reading.cut(self._passage(row)).targets:
                raise UnfitRow(f"within {limited.limit} tokens (data.max_length) nothing of its answer is left")
            return row

        kept: dict[str, Sequence[Row]] = {}
        findings: tuple[Finding, ...] = ()
        for split, rows in limited.rows.items():
            kept[split], found = settle(rows, make, policy=recipe.data.unfit, split=split, name="answers_cut_away")
            findings += (*found, *self._cut_answers(kept[split], reading, split=split))
        return replace(limited, rows=kept), findings

    def _cut_answers(self, rows: Sequence[Row], reading: Reading, *, split: str) -> list[Finding]:
        """Rows whose answers go on beyond the limit: their ends are not learned."""
        lost = [(row.where, reading.cut(self._passage(row)).cut_learned) for row in rows]
        places, tokens = [where for where, count in lost if count], sum(count for _, count in lost)
        meaning = f"{split} answers go on beyond the limit: {tokens:,} tokens of them and their ends are not learned"
        advice = "a larger data.max_length keeps them whole, data.too_long=drop leaves such training rows out"
        return list(noticed("answers_cut", places, split=split, meaning=meaning, advice=advice))


def encoder(teacher: Teacher, reading: Reading) -> Callable[[Row], Encoding]:
    """A row as it is trained on, the encoder's text in front."""

    def encode(row: Row) -> Encoding:
        [passage] = reading.encode([teacher.lesson(row)])
        before = (False,) * len(passage.source)
        return Encoding(ids=(*passage.source, *passage.ids), trained=(*before, *passage.learned))

    return encode
