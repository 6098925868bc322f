"""Shots: training rows with their answers that stand before a question, as many as the context has room for.

A model that was not tuned is asked the same questions with k worked examples before each (Brown et al. 2020, 2); that
is what fine-tuning has to beat. Which rows, chance decides, with a seed; a question whose context has no room for all
of them gets fewer, and how many do is said.

This module generates nothing and knows no task's form (`Teacher.question`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from affina.data.rows import Row
from affina.errors import UnfitRow
from affina.models.language import LanguageModel
from affina.models.quiet import Notify, silent
from affina.tasks.lessons import BETWEEN_SHOTS, Reading, Teacher
from affina.tasks.text_ends import Ends

POOL: Final = 1_000
"""Training rows, drawn by chance, that shots are chosen among."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the model reads it.

    Attributes:
        ids: its tokens, shots included.
        shots: how many stand before it.
        until: where its answer ends: a model that is shown pairs of texts goes on with a pair of its own.
        cut: tokens that there was no room for, which are gone.
    """

    ids: tuple[int, ...]
    shots: int
    until: str = ""
    cut: int = 0

    def within(self, room: int | None, ends: Ends, *, from_end: bool) -> Asked:
        """The same without what there is no room for.

        Args:
            room: tokens; None without a limit.
            ends: what stays around it.
            from_end: the end of the text goes, else its beginning.
        """
        if room is None or len(self.ids) <= room:
            return self
        kept = ends.shorten(self.ids, room, from_end=from_end)
        return replace(self, ids=kept, cut=len(self.ids) - len(kept))


def draw_shots(teacher: Teacher, rows: Sequence[Row], *, count: int, seed: int) -> tuple[Row, ...]:
    """Draw rows to be shown before questions; no answer comes again while there is one that has not come.

    So the shots of a classification have different labels, as far as there are any: a model tends to give the answer
    that it saw most (Zhao et al. 2021, section 4).

    Args:
        teacher: the task; a row that it cannot train on is no shot.
        rows: the training split; never the rows that are asked.
        count: how many.
        seed: decides the draw.

    Returns:
        `count` rows, or fewer where there are fewer.
    """
    seen: Counter[str] = Counter()
    ranked: list[tuple[int, Row]] = []
    for place in np.random.default_rng(seed).permutation(len(rows)).tolist():
        if len(seen) >= count or len(ranked) >= POOL:
            break
        try:
            teacher.lesson(rows[place])
        except UnfitRow:
            continue
        answer = teacher.answer(rows[place])
        ranked.append((seen[answer], rows[place]))
        seen[answer] += 1
    ranked.sort(key=lambda entry: entry[0])  # stable: among equals chance's order stays
    return tuple(row for _, row in ranked[:count])


def question_room(model: LanguageModel, *, answer: int) -> int | None:
    """Tokens that a question can have; None without a limit.

    Args:
        model: its context is shared with the answer, unless a decoder of its own writes that.
        answer: tokens of the longest answer.
    """
    if model.max_length is None:
        return None
    return model.max_length if model.reads_apart else max(0, model.max_length - answer)


def ask_all(
    teacher: Teacher,
    reading: Reading,
    rows: Sequence[Row],
    *,
    shots: Sequence[Row],
    room: int | None,
    notify: Notify = silent,
) -> list[Asked]:
    """The questions of rows, each after the first of `shots`, as many as there is room for.

    Args:
        teacher: the task.
        reading: how the model reads it.
        rows: what is asked.
        shots: from `draw_shots`.
        room: tokens that a question can have, from `question_room`; a question that has more without any shot keeps
            them all.
        notify: told how many questions have fewer shots, and how many are too long.

    Raises:
        UnfitRow: a row cannot be asked.
    """
    asked = [_ask(teacher, reading, row, shots=shots, room=room) for row in rows]
    fewer = [one.shots for one in asked if one.shots < len(shots)]
    if fewer:
        notify(
            f"{len(fewer):,} of {len(asked):,} questions have fewer than the {len(shots)} shots that were asked for"
            f" before them, at least {min(fewer)}: a question has room for {room:,} tokens"
        )
    longer = [row.where for row, one in zip(rows, asked, strict=True) if room is not None and len(one.ids) > room]
    if longer:
        notify(
            f"{len(longer):,} of {len(asked):,} questions alone have more than the {room:,} tokens that there is room"
            f" for, and lose what is beyond, {longer[0]} the first of them"
        )
    return asked


def _ask(teacher: Teacher, reading: Reading, row: Row, *, shots: Sequence[Row], room: int | None) -> Asked:
    for count in range(len(shots), 0, -1):
        question = teacher.question(row, shots=shots[:count])
        ids = reading.ask(question)
        if room is None or len(ids) <= room:
            return Asked(ids, count, until=BETWEEN_SHOTS if question.plain else "")
    return Asked(reading.ask(teacher.question(row)), 0)
