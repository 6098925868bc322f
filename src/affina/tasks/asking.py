"""Classification in words within a model's limit: a text is cut where it would leave no room for its label.

What is cut is the text and never the cue or the name behind it, at the end of the longer text, alike where a row is
learned, where its labels are scored and where it is a shot. The words themselves are `naming`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, final

from affina.data.rows import Row
from affina.errors import ModelError, Problem
from affina.models.base import Tells
from affina.tasks.lessons import Lesson, Question, Reading
from affina.tasks.naming import Naming
from affina.tasks.texts import LONGEST_MEASURED

CHARACTERS_PER_TOKEN: Final = 320
"""A text of more characters for each token of the limit is cut there first: a tokenizer takes memory for each."""

SHORTEST: Final = 9
"""Tokens of two texts of a character each, at most: four bytes each, and what stands between."""


@final
class Asking:
    """Texts with labels to lessons and questions that fit.

    Args:
        model: whose tokens count.
        labels: the names.
        limit: in tokens, label and special tokens included, of an encoder-decoder those of each side; None without.

    Attributes:
        task: the words.
        labels: the names.
        limit: in tokens.
        label_tokens: tokens of each label with its end.
        least: tokens of the shortest limit.

    Raises:
        ModelError: two labels are the same tokens to the model, so that it cannot tell them apart.
    """

    def __init__(self, model: Tells, labels: Sequence[str], *, limit: int | None) -> None:
        self.task = Naming(model.tokenizer, reads_apart=model.reads_apart)
        self.labels, self.limit = tuple(labels), limit
        self._reading, self._tokenizer = Reading(model), model.tokenizer
        named = self._reading.encode([self.task.named(self.task.no_question(), label, ended=True) for label in labels])
        tails = [tuple(token for token, own in zip(one.ids, one.learned, strict=True) if own) for one in named]
        _refuse_same(self.labels, tails, model.source.reference)
        self.label_tokens = tuple(map(len, tails))
        self._longest = self.labels[self.label_tokens.index(max(self.label_tokens))]
        self._reads_apart = model.reads_apart
        self.least = SHORTEST + max(len(one.source) or len(one.ids) for one in named)
        if model.reads_apart:
            self.least = max(self.least, *self.label_tokens)

    def lesson(self, row: Row) -> Lesson:
        """The text, as far as it fits, with its label, which is learned.

        Raises:
            UnfitRow: the text or the label is empty.
        """
        return self.task.lesson(self.fitting(row))

    def question(self, row: Row, *, shots: Sequence[Row] = ()) -> Question:
        """The text, as far as it fits alone, and the cue, after `shots` texts of which the same is true."""
        return self.task.question(self.fitting(row), shots=[self.fitting(shot) for shot in shots])

    def answer(self, row: Row) -> str:
        """The label's name."""
        return self.task.answer(row)

    def lengths(self, rows: Sequence[Row]) -> list[int]:
        """Tokens of each row with the longest label behind it, of an encoder-decoder those of the source; uncut.

        A row of more than `LONGEST_MEASURED` characters is estimated from its beginning.
        """
        return [round(self._length(_beginning(row)) * _whole(row)) for row in rows]

    def fitting(self, row: Row) -> Row:
        """The row, its longer text cut at the end where it would leave no room for a label."""
        if self.limit is None:
            return row
        most = CHARACTERS_PER_TOKEN * self.limit
        if any(len(text) > most for text in row.texts):
            row = replace(row, fields={**row.fields, **{role: row.fields[role][:most] for role in _roles(row)}})
        while (beyond := self._length(row) - self.limit) > 0:
            role = max(_roles(row), key=lambda one: len(row.fields[one]))
            if len(row.fields[role]) == 1:  # a limit of `least` has room for a character of each text
                break
            row = replace(row, fields={**row.fields, role: self._shortened(row.fields[role], beyond)})
        return row

    def _length(self, row: Row) -> int:
        [passage] = self._reading.encode([self.task.named(self.task.question(row), self._longest, ended=True)])
        return len(passage.source) if self._reads_apart else len(passage.ids)

    def _shortened(self, text: str, tokens: int) -> str:
        offsets = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        kept = offsets[: max(1, len(offsets) - tokens)]
        shorter = text[: kept[-1][1]].rstrip() if kept else ""
        return shorter if shorter and len(shorter) < len(text) else text[: max(1, len(text) - 1)]


def _roles(row: Row) -> list[str]:
    return [role for role in ("text", "text_pair") if role in row.fields]


def _beginning(row: Row) -> Row:
    if all(len(text) <= LONGEST_MEASURED for text in row.texts):
        return row
    return replace(row, fields={**row.fields, **{role: row.fields[role][:LONGEST_MEASURED] for role in _roles(row)}})


def _whole(row: Row) -> float:
    """How many times its beginning a row is."""
    return max(1, sum(map(len, row.texts))) / max(1, sum(map(len, _beginning(row).texts)))


def _refuse_same(labels: Sequence[str], tails: Sequence[tuple[int, ...]], model: str) -> None:
    """Stop at labels that the tokenizer makes the same tokens of."""
    seen: dict[tuple[int, ...], str] = {}
    for label, tail in zip(labels, tails, strict=True):
        if (other := seen.setdefault(tail, label)) != label:
            raise ModelError(
                Problem(
                    where=f"model: {model}",
                    expected="labels that the model's tokenizer can tell apart",
                    found=f"{other!r} and {label!r}, which are the same tokens to it",
                    fix="name these labels in other words in the data, or write task.form=head",
                )
            )
