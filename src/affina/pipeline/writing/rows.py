"""The rows of a run that writes, as its model reads them: lessons, tokens, the limit, and what was looked at in them.

No weights are needed: `affina check` reads rows so as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from affina.data.labelling.written import Written
from affina.data.loading import Loaded
from affina.data.rows import Row
from affina.models.base import Tells
from affina.pipeline.auditing import Encoding, audit
from affina.pipeline.limits import Limited, Measure, limit_of, within_limit
from affina.pipeline.writing.lessons_of_rows import Lessons
from affina.pipeline.writing.persona import persona
from affina.pipeline.writing.pieces import in_pieces
from affina.pipeline.writing.teachers import check_keys, continues, teacher_of
from affina.recipe.schema import Recipe
from affina.record.audited import IN_PIECES, Audited
from affina.record.payloads import Finding
from affina.tasks.lessons import Reading, Teacher
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
        lessons: of each row, as tokens.
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
        loaded, told = in_pieces(loaded, model, limit=limit, reuse=recipe.train.reuse, choices=choices)
        choices |= {} if told is None else {IN_PIECES: told}
    lessons = Lessons(teacher, model, reuse=recipe.train.reuse, choices=choices)
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


def encoder(teacher: Teacher, reading: Reading) -> Callable[[Row], Encoding]:
    """A row as it is trained on, the encoder's text in front."""

    def encode(row: Row) -> Encoding:
        [passage] = reading.encode([teacher.lesson(row)])
        before = (False,) * len(passage.source)
        return Encoding(ids=(*passage.source, *passage.ids), trained=(*before, *passage.learned))

    return encode
