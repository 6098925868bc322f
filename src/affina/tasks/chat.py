"""Task: chat. An assistant's turns, in the model's own chat template.

Every turn of the assistant is learned, with the token that ends it; what the system and the user say is read. A model
without a template gets a plain one of Affina's, which is saved with it. An encoder-decoder, which has no template,
reads the conversation in plain words and writes the last answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, final

from affina.data.conversations import ASSISTANT, SYSTEM, USER, Turn, check, in_words, parse
from affina.data.rows import Row
from affina.errors import UnfitRow
from affina.recipe.task_specs import NoPlace
from affina.tasks.lessons import Lesson, Question
from affina.tasks.turns import DEFAULT_TEMPLATE, Layouts, has_system_place, prompt, render
from affina.values import Resolved

ROLE: Final = "messages"
"""The field of a row that holds its conversation, as `data.conversations.dump` writes it."""


@final
class Chat:
    """Conversations to lessons.

    Args:
        tokenizer: the model's own, with a chat template (`choose_template`).
        reads_apart: the model is an encoder-decoder.
        no_place: what happens to the system's words where the template has no place for them.
    """

    def __init__(self, tokenizer: Any, *, reads_apart: bool = False, no_place: NoPlace = "error") -> None:
        self._tokenizer, self._reads_apart = tokenizer, reads_apart
        self._layouts: Layouts = {}
        self._no_place: NoPlace | None = None
        if not reads_apart and not has_system_place(tokenizer):
            self._no_place = no_place

    @property
    def settings(self) -> tuple[object, ...]:
        """See `WritingTask`; the template is the tokenizer's."""
        return ("chat", self._reads_apart, self._no_place)

    def lesson(self, row: Row) -> Lesson:
        """The conversation with every answer learned; of an encoder-decoder's the last one.

        Raises:
            UnfitRow: no assistant can learn from it, or the template cannot be followed.
        """
        turns = parse(row.fields[ROLE])
        check(turns)
        if self._reads_apart:
            return Lesson(turns[-1].content, (), source=_in_words(turns[:-1]))
        rendered = render(self._tokenizer, self._placed(turns), known=self._layouts)
        if rendered.left_out:
            raise UnfitRow(f"the model's chat template leaves out turn {rendered.left_out[0] + 1}")
        return Lesson(rendered.text, rendered.answers)

    def question(self, row: Row, *, shots: Sequence[Row] = ()) -> Question:
        """The conversation up to its last answer; the turns of `shots` go before it, its system turn first.

        Raises:
            UnfitRow: the template refuses it.
        """
        turns = parse(row.fields[ROLE])
        asked = turns[:-1] if turns[-1].role == ASSISTANT else turns
        told = tuple(turn for turn in asked if turn.role == SYSTEM)
        shown = [turn for shot in shots for turn in parse(shot.fields[ROLE]) if turn.role != SYSTEM]
        whole = (*told, *shown, *(turn for turn in asked if turn.role != SYSTEM))
        if self._reads_apart:
            return Question(_in_words(whole))
        return Question(prompt(self._tokenizer, self._placed(whole)))

    def _placed(self, turns: Sequence[Turn]) -> Sequence[Turn]:
        """The turns with the system's words where the template has a place for them.

        Raises:
            UnfitRow: it has none, and that is an error.
        """
        if self._no_place is None or not turns or turns[0].role != SYSTEM:
            return turns
        told, *others = turns
        if self._no_place == "error":
            raise UnfitRow(
                "the model's chat template has no place for what the system says"
                " (task.no_place=user puts it before what the user says first, task.no_place=drop leaves it out)"
            )
        if self._no_place == "user" and others and others[0].role == USER:
            others[0] = Turn(USER, f"{told.content}\n\n{others[0].content}")
        return others

    def answer(self, row: Row) -> str:
        """The assistant's last words."""
        return parse(row.fields[ROLE])[-1].content


def choose_template(tokenizer: Any) -> Resolved[str]:
    """Give a tokenizer without a chat template Affina's own; it is saved with the model.

    Returns:
        Which one it has now, with the reason.
    """
    if tokenizer.chat_template:
        return Resolved("the model's own", "it has one")
    begins = tokenizer.bos_token_id is not None and tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
    tokenizer.chat_template = ("{{ bos_token }}" if begins else "") + DEFAULT_TEMPLATE
    reason = "the model has no chat template; this one is saved with it"
    said = f", with {tokenizer.bos_token} in front, with which the model's texts begin" if begins else ""
    return Resolved("User: ... Assistant: ...", reason + said)


def _in_words(turns: Sequence[Turn]) -> str:
    """A conversation for a model that knows no turns, what the system says on a line in front."""
    told = [turn.content for turn in turns if turn.role == SYSTEM]
    return "\n".join([*told, in_words(turns)])
