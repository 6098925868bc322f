"""The canaries of a run that writes: put behind its training rows where the recipe asks for it, and read by its model.

They are added once the user's rows are looked at, counted and limited, so that nothing that is said of these rows is
about canaries; they are in no other split.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from affina.data.canaries import DIGITS, FILE, OTHERS, Canary, canary_row, drawn_canaries
from affina.data.rows import Row
from affina.errors import Problem, RecipeError, UnfitRow
from affina.evaluation.intervals import Floats
from affina.evaluation.predictions import check_finite
from affina.models.base import Tells
from affina.pipeline.prepared import Prepared
from affina.record.journal import Journal
from affina.record.progress import Progress
from affina.record.risks import CANARIES
from affina.risks.exposure import Exposed
from affina.tasks.label_scoring import score_lessons
from affina.tasks.lessons import Lesson, Passage, Reading
from affina.values import Resolved

if TYPE_CHECKING:
    from affina.pipeline.writing.rows import Rows
    from affina.pipeline.writing.subject import Writing
    from affina.recipe.schema import Recipe
    from affina.recipe.task_specs import WritingSpec

KEY: Final = f"recipe key {FILE}"


@dataclass(frozen=True, slots=True)
class Planted:
    """Canaries as training rows, with their lessons and their tokens."""

    rows: tuple[Row, ...] = ()
    lessons: tuple[Lesson, ...] = ()
    passages: tuple[Passage, ...] = ()


def refuse_without_texts(recipe: Recipe, *, task: str, writes: bool) -> None:
    """Stop at canaries that could not be trained on, or would be for nothing.

    Raises:
        RecipeError: the task is to write no texts, or nothing is measured.
    """
    count = recipe.risks.overfitting.canaries
    if not count:
        return
    if not writes:
        wanted = "a task whose rows are texts to be written: chat, generation or translation"
        raise RecipeError(_unusable(wanted, f"{count} with task={task}", "leave it out"))
    if recipe.risks.measure == "never":
        wanted = "risks that are measured: canaries change the training rows for that alone"
        raise RecipeError(_unusable(wanted, "risks.measure=never beside it", "leave one of the two out"))


def planted(recipe: Recipe, spec: WritingSpec, found: Rows, model: Tells, choices: dict[str, Resolved[Any]]) -> Planted:
    """The canaries that a recipe asks for; none where it asks for none.

    Args:
        recipe: as asked.
        spec: the task, settled.
        found: the user's rows, as they are read.
        model: whose tokens these are.
        choices: gets what was added.

    Raises:
        RecipeError: the model's template, or the limit in tokens, has no room for them.
    """
    count = recipe.risks.overfitting.canaries
    if not count:
        return Planted()
    canaries = drawn_canaries(count, seed=recipe.rows_seed)
    rows = tuple(canary_row(canary, canary.secret, spec, alone=found.alone) for canary in canaries)
    try:
        lessons = tuple(found.teacher.lesson(row) for row in rows)
    except UnfitRow as unfit:
        raise RecipeError(_unusable("rows that the model can learn", str(unfit), "leave it out")) from None
    passages = tuple(found.reading.encode(lessons))
    longest = max(max(len(one.ids), len(one.source)) for one in Reading(model).encode(lessons))
    if longest > found.limited.limit:
        wanted = f"room for its rows of up to {longest} tokens"
        fix = f"write data.max_length={longest} or more, where the model can read that, or leave it out"
        raise RecipeError(_unusable(wanted, f"a limit of {found.limited.limit} tokens (data.max_length)", fix))
    users = len(found.limited.rows["train"])
    example = rows[0].fields["text"] if found.alone else found.teacher.answer(rows[0])
    choices[FILE] = Resolved(
        f"{count:,} rows",
        f'given in the recipe: Affina\'s own, as "{example}", with a random number each, beside the {users:,} training'
        " rows of yours, and each seen once an epoch; the model that is shipped has learned them too",
    )
    return Planted(rows, lessons, passages)


def exposure_of(subject: Writing, run: Prepared, journal: Journal) -> Exposed | None:
    """The probe of a run's canaries, whatever it takes; None where there are none."""
    count = run.recipe.risks.overfitting.canaries
    if not count:
        return None
    notes = (
        f"{count:,} rows that Affina put among the training rows, each with a random number of {DIGITS} digits, seen"
        " once an epoch",
    )
    return Exposed(_look(subject, run, journal), sampling=run.sampling, notes=notes)


def _look(subject: Writing, run: Prepared, journal: Journal) -> Callable[[], Floats]:
    canaries = drawn_canaries(run.recipe.risks.overfitting.canaries, seed=run.recipe.rows_seed)
    writer = subject.writer

    @cache
    def lessons(canary: Canary) -> tuple[Lesson, ...]:
        found = []
        for secret in (canary.secret, *canary.others):
            row = canary_row(canary, secret, subject.spec, alone=writer.alone)
            found.append(_from_number(writer.teacher.lesson(row), secret))
        return tuple(found)

    def look() -> Floats:
        found = []
        for canary in canaries:
            found.append(score_lessons(subject.model, [lessons(canary)], ways=1 + OTHERS).sums[0])
            check_finite(found[-1][None], partial(_where, canary))
            journal.show(Progress(what=CANARIES, done=canary.number, of=len(canaries)))
        return np.stack(found)

    return look


def _from_number(lesson: Lesson, secret: str) -> Lesson:
    """A decoder's lesson with what is scored beginning at the number: what stands before is the same for all numbers.

    So it is read once. An encoder-decoder's is scored whole.
    """
    if lesson.source is not None:
        return lesson
    return replace(lesson, learned=((lesson.text.rindex(secret), lesson.learned[-1][1]),))


def _where(canary: Canary, _: int) -> str:
    return f"{FILE}, row {canary.number}"


def _unusable(expected: str, found: str, fix: str) -> Problem:
    return Problem(where=KEY, expected=expected, found=found, fix=fix)
