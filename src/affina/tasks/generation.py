"""Task: generation. A text for an input, or the going on of texts.

A decoder reads the input, a line break, and learns the output with its end token; an encoder-decoder reads the one and
writes the other. Where rows have no outputs, their texts are learned from the first word to the last: adaptation to a
domain. Attributes that steer a text are part of its input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, final

from affina.data.rows import Row, is_blank
from affina.errors import UnfitRow
from affina.tasks.lessons import BETWEEN, BETWEEN_SHOTS, Lesson, Question

INPUT: Final = "text"
OUTPUT: Final = "label"
"""The fields of a row."""
GOES_ON: Final = "goes_on"
"""The field of a row whose text is no text's last piece: it does not end."""


@final
class Generation:
    """Inputs with outputs to lessons.

    Args:
        tokenizer: the model's own, with an end token.
        reads_apart: the model is an encoder-decoder.
        instruction: goes before every input; empty for none.
        continues: rows have no outputs.
    """

    def __init__(
        self, tokenizer: Any, *, reads_apart: bool = False, instruction: str = "", continues: bool = False
    ) -> None:
        self._end, self._reads_apart = tokenizer.eos_token, reads_apart
        self._instruction, self._continues = instruction, continues

    @property
    def settings(self) -> tuple[object, ...]:
        """See `WritingTask`."""
        return ("generation", self._end, self._reads_apart, self._instruction, self._continues)

    def lesson(self, row: Row) -> Lesson:
        """The output, learned; a text without one is learned whole.

        Raises:
            UnfitRow: a side is empty.
        """
        if self._continues:
            text = row.fields[INPUT] + ("" if GOES_ON in row.fields else self._end)
            return Lesson(text, ((0, len(text)),), plain=True)
        output = self.answer(row)
        if is_blank(output):
            raise UnfitRow("the output is empty")
        if self._reads_apart:
            return Lesson(output, (), source=self._asked(row))
        asked = self._asked(row) + BETWEEN
        text = asked + output + self._end
        return Lesson(text, ((len(asked), len(text)),), plain=True)

    def question(self, row: Row, *, shots: Sequence[Row] = ()) -> Question:
        """The input, after `shots` inputs with their outputs; a text that is gone on with is asked as it stands."""
        if self._continues:
            return Question(row.fields[INPUT], plain=True)
        shown = "".join(self._asked(shot) + BETWEEN + self.answer(shot) + BETWEEN_SHOTS for shot in shots)
        return Question(shown + self._asked(row) + ("" if self._reads_apart else BETWEEN), plain=True)

    def answer(self, row: Row) -> str:
        """The output."""
        return row.fields[OUTPUT]

    def _asked(self, row: Row) -> str:
        given = row.fields[INPUT]
        if is_blank(given):
            raise UnfitRow("the input is empty")
        return self._instruction + given
