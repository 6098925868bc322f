"""Task: translation. A text in one language, learned in another.

An encoder-decoder reads the one and writes the other, told its languages in its own way (`models.languages`). A decoder
is asked in words: an instruction, the text, a line break, and the translation, which alone is learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, final

from affina.data.rows import Row, is_blank
from affina.errors import UnfitRow
from affina.models.languages import Direction, name_of
from affina.tasks.lessons import BETWEEN, BETWEEN_SHOTS, Lesson, Question

SOURCE: Final = "text"
TARGET: Final = "label"
"""The fields of a row."""


@final
class Translation:
    """Pairs of texts to lessons.

    Args:
        tokenizer: the model's own, with an end token.
        reads_apart: the model is an encoder-decoder.
        direction: how an encoder-decoder is told its languages.
        languages: source and target, ISO 639-1.
    """

    def __init__(self, tokenizer: Any, *, reads_apart: bool, direction: Direction, languages: tuple[str, str]) -> None:
        self._end, self._reads_apart = tokenizer.eos_token, reads_apart
        source, target = map(name_of, languages)
        self._codes = (direction.source_code, direction.target_code)
        self._before = direction.before if reads_apart else f"Translate from {source} to {target}.\n"

    @property
    def settings(self) -> tuple[object, ...]:
        """See `WritingTask`; a tokenizer puts the languages' codes around texts itself."""
        return ("translation", self._end, self._reads_apart, self._before, *self._codes)

    def lesson(self, row: Row) -> Lesson:
        """The translation, learned.

        Raises:
            UnfitRow: a side is empty, or both are the same.
        """
        source, target = row.fields[SOURCE], row.fields[TARGET]
        if is_blank(source) or is_blank(target):
            raise UnfitRow(f"the {'source' if is_blank(source) else 'target'} is empty")
        if source.strip() == target.strip():
            raise UnfitRow("source and target are the same text")
        if self._reads_apart:
            return Lesson(target, (), source=self._before + source)
        asked = self._before + source + BETWEEN
        text = asked + target + self._end
        return Lesson(text, ((len(asked), len(text)),), plain=True)

    def question(self, row: Row, *, shots: Sequence[Row] = ()) -> Question:
        """The source, after `shots` sources with their translations; the instruction once, in front."""
        if self._reads_apart:
            return Question(self._before + row.fields[SOURCE])
        shown = "".join(shot.fields[SOURCE] + BETWEEN + shot.fields[TARGET] + BETWEEN_SHOTS for shot in shots)
        return Question(self._before + shown + row.fields[SOURCE] + BETWEEN, plain=True)

    def answer(self, row: Row) -> str:
        """The translation."""
        return row.fields[TARGET]
