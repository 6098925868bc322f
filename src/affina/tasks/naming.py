"""Classification in words: a text, and the name of its label as what a language model goes on with.

The same words are asked of a model that was not tuned (`label_scoring`) and learned by one that is: the name, with the
end token behind it; nothing of the text. Labels are named as the data name them.

Owns the words. It scores nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, final

from affina.data.rows import Row, is_blank
from affina.errors import UnfitRow
from affina.tasks.lessons import BETWEEN, BETWEEN_SHOTS, Lesson, Question

LABEL: Final = "label"
"""The field of a row."""
CUE: Final = "Label:"
"""What stands on a line of its own before a label's name."""


@final
class Naming:
    """Texts with labels to lessons and questions.

    Args:
        tokenizer: the model's own, with an end token.
        reads_apart: the model is an encoder-decoder.
        instruction: goes before every text; empty for none.
        cue: goes before every label.
    """

    def __init__(self, tokenizer: Any, *, reads_apart: bool = False, instruction: str = "", cue: str = CUE) -> None:
        self._end, self._reads_apart = tokenizer.eos_token, reads_apart
        self._instruction, self._cue = instruction, cue

    def lesson(self, row: Row) -> Lesson:
        """The text with its label, which is learned.

        Raises:
            UnfitRow: the text or the label is empty.
        """
        label = self.answer(row)
        if is_blank(label):
            raise UnfitRow("the label is empty")
        return self.named(self.question(row), label, ended=True)

    def question(self, row: Row, *, shots: Sequence[Row] = ()) -> Question:
        """The text and the cue, after `shots` texts with their labels.

        Raises:
            UnfitRow: the text is empty.
        """
        if all(map(is_blank, row.texts)):
            raise UnfitRow("the text is empty")
        return self._question(self._asked(row), shots)

    def no_question(self, *, shots: Sequence[Row] = ()) -> Question:
        """The cue behind no text at all: what a model goes on with here is what it likes to say (Zhao et al. 2021, 5).

        Args:
            shots: the same as before the questions.
        """
        return self._question(self._instruction + BETWEEN + self._cue, shots)

    def answer(self, row: Row) -> str:
        """The label's name."""
        return row.fields[LABEL]

    def named(self, question: Question, label: str, *, ended: bool) -> Lesson:
        """A question with a label for its answer, which is learned.

        Args:
            question: from `question`.
            label: its name.
            ended: the end token is part of the answer. An encoder-decoder's tokenizer puts it there by itself.
        """
        if self._reads_apart:
            return Lesson(label, (), source=question.text)
        text = f"{question.text} {label}" + (self._end if ended else "")
        return Lesson(text, ((len(question.text), len(text)),), plain=question.plain)

    def _question(self, asked: str, shots: Sequence[Row]) -> Question:
        shown = "".join(f"{self._asked(shot)} {self.answer(shot)}{BETWEEN_SHOTS}" for shot in shots)
        return Question(shown + asked, plain=True)

    def _asked(self, row: Row) -> str:
        return self._instruction + BETWEEN.join((*row.texts, self._cue))
