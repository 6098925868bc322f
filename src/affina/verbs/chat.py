"""Verb: chat. A talk with a run's model, turn by turn, and with the model that it began with.

A run of another task that writes is talked to as well, each line by itself: it has no turns. Reading lines and showing
answers is the command line's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from os import PathLike, fspath

from affina.data.conversations import ASSISTANT, SYSTEM, USER, Turn, dump
from affina.data.rows import Row
from affina.models.quiet import Notify, silent
from affina.models.writing import HowToWrite, stream
from affina.recipe.task_specs import ChatSpec
from affina.runtime import products
from affina.verbs.runs import FinishedRun, read_run
from affina.verbs.writers import OpenWriter, open_writer


@dataclass(slots=True)
class Talk:
    """A conversation on its way.

    Attributes:
        opened: the tuned model.
        device: where it is, and the untouched one will be.
        notify: told of slow work.
        how: how answers are written.
        turns: what was said; the system's first, if there is any.
    """

    opened: OpenWriter
    device: str
    notify: Notify
    how: HowToWrite
    turns: list[Turn] = field(default_factory=list)
    _base: OpenWriter | None = None

    @property
    def has_turns(self) -> bool:
        """Whether the model knows what was said before."""
        return isinstance(self.opened.spec, ChatSpec)

    def say(self, text: str) -> Iterator[str]:
        """Answer, piece by piece; the answer is part of the conversation afterwards."""
        answer = ""
        for piece in self._written(self.opened, text):
            answer += piece
            yield piece
        if self.has_turns:
            self.turns += [Turn(USER, text), Turn(ASSISTANT, answer.strip())]

    def say_to_base(self, text: str) -> Iterator[str]:
        """What the untouched model would say; the conversation stays as it is."""
        if (attached := self.opened.attached) is not None and not self.opened.run.went_on:
            with attached.disabled():
                yield from self._written(self.opened, text)
            return
        if self._base is None:
            self.notify("loading the untouched model")
            self._base = open_writer(self.opened.run, device=self.device, base=True, notify=self.notify)
        yield from self._written(self._base, text)

    def forget(self) -> None:
        """Begin again, the system's words aside."""
        self.turns = [turn for turn in self.turns if turn.role == SYSTEM]

    def tell(self, text: str) -> None:
        """Begin again with other words of the system; none where `text` is empty."""
        self.turns = [Turn(SYSTEM, text)] if text else []

    def draw(self, temperature: float) -> None:
        """Answer by chance from now on, or with the likeliest tokens at 0."""
        self.how = replace(self.how, temperature=temperature)

    def _written(self, opened: OpenWriter, text: str) -> Iterator[str]:
        [asked] = opened.writer.ask([self._row(opened, text)], in_talk=True)
        if asked.cut:
            whole = len(asked.ids) + asked.cut
            self.notify(
                f"the conversation has {whole:,} tokens, more than there is room for: its beginning is left out"
            )
        pieces = stream(opened.writer.model, asked.ids, self.how)
        return pieces if opened.writer.alone else _from_first_letter(pieces)

    def _row(self, opened: OpenWriter, text: str) -> Row:
        [row] = opened.rows([text])
        if not self.has_turns:
            return row
        return replace(row, fields={**row.fields, "messages": dump([*self.turns, Turn(USER, text)])})


def _from_first_letter(pieces: Iterator[str]) -> Iterator[str]:
    """A text in pieces, without the blanks in front of it."""
    begun = False
    for piece in pieces:
        kept = piece if begun else piece.lstrip()
        begun = begun or bool(kept)
        if kept:
            yield kept


@products.scoped()
def chat(run: str | PathLike[str], *, device: str = "auto", notify: Notify = silent) -> Talk:
    """Open a conversation with a run's model.

    Args:
        run: the run folder.
        device: auto, cpu, cuda or mps.
        notify: told of slow work, and the recipe's own `notice`.

    Raises:
        RunError: the run has no model, or one that does not write.
    """
    found: FinishedRun = read_run(fspath(run))
    if found.recipe.notice:
        notify(found.recipe.notice)
    opened = open_writer(found, device=device, notify=notify)
    told = opened.spec.system if isinstance(opened.spec, ChatSpec) else ""
    talk = Talk(opened, device, notify, opened.writer.how)
    talk.tell(told)
    return talk
