"""What the language tasks share: a row as text with the characters to learn, as tokens, as a batch, and its loss.

Chat, generation and translation differ in how a row becomes a `Lesson`; from there on they are the same. A decoder
reads one text of which some characters are to be learned; an encoder-decoder reads one text and learns another. A token
is learned if any of its characters is: so the end token is learned like any other, also where it is the padding token.

Owns tokens, batches and the loss. It does not decide what is learned (the tasks do), and generates nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Protocol, final

import torch
from torch import Tensor

from affina.data.rows import Row
from affina.models.base import Tells
from affina.models.output_layer import OutputLayer
from affina.tasks.lines import Lines
from affina.tasks.text_ends import Ends, ends_of, overlaps
from affina.tasks.token_loss import IGNORED, token_loss

BETWEEN: Final = "\n"
"""What stands between what a decoder is asked and what it answers, outside a chat template,"""
BETWEEN_SHOTS: Final = "\n\n"
"""and between two such pairs."""
READ_AT_ONCE: Final = 1_000
"""Texts that are turned into tokens together: a tokenizer holds much of each meanwhile."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A row as the model reads it.

    Attributes:
        text: for a decoder prompt and answers, special tokens written out; for an encoder-decoder what is written.
        learned: the characters of `text` that are learned, [start, end) each, in order.
        source: what an encoder reads; None for a decoder.
        plain: the text is no chat template's: the tokenizer's own beginning (a begin-of-text token) goes before it.
    """

    text: str
    learned: tuple[tuple[int, int], ...]
    source: str | None = None
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked, without anything of the answer; `plain` as in `Lesson`."""

    text: str
    plain: bool = False


class Teacher(Protocol):
    """A language task: what a row teaches, what it asks, and what the right answer is."""

    def lesson(self, row: Row) -> Lesson:
        """The row as it is trained on.

        Raises:
            UnfitRow: it cannot be.
        """
        ...

    def question(self, row: Row, *, shots: Sequence[Row] = ()) -> Question:
        """What the model is asked for this row, after `shots` rows with their answers (Brown et al. 2020, 2).

        Raises:
            UnfitRow: it cannot be asked.
        """
        ...

    def answer(self, row: Row) -> str:
        """The text that the row has as its answer."""
        ...


class WritingTask(Teacher, Protocol):
    """A language task whose lessons may be kept."""

    @property
    def settings(self) -> tuple[object, ...]:
        """All that decides what a row teaches beside its cells and the tokenizer, as JSON can write it."""
        ...


@dataclass(frozen=True, slots=True)
class Passage:
    """A lesson as tokens.

    Attributes:
        ids: what a decoder reads, or what an encoder-decoder's decoder is to write.
        learned: for each of them whether it is learned.
        source: what an encoder reads; empty for a decoder.
        cut: tokens beyond the limit, which are gone.
        cut_learned: how many of those would have been learned.
    """

    ids: tuple[int, ...]
    learned: tuple[bool, ...]
    source: tuple[int, ...] = ()
    cut: int = 0
    cut_learned: int = 0

    def __len__(self) -> int:
        """Tokens that the model reads."""
        return len(self.ids) + len(self.source)

    @property
    def targets(self) -> int:
        """Tokens that are learned; a decoder's first token has nothing before it that could predict it."""
        return sum(self.learned) if self.source else sum(self.learned[1:])


class Collates(Protocol):
    """What makes a batch of passages that can be summed row by row."""

    def collate(self, passages: Sequence[Passage], *, rows: Sequence[int]) -> Lines:
        """Passages to a batch; `rows` are their places in the split."""
        ...


@final
class Reading:
    """Lessons to passages to batches to a loss, for one model.

    Args:
        model: whose tokens these are.
        max_length: the limit in tokens of each side; None without one.
        label_smoothing: share of a target's probability that is spread over the vocabulary.

    Attributes:
        ends: what stands around a text that is read, and stays there when the text is shortened; a decoder's end token
            is the task's to write.
    """

    def __init__(self, model: Tells, *, max_length: int | None = None, label_smoothing: float = 0.0) -> None:
        self._tokenizer = model.tokenizer
        self._max_length, self._smoothing = max_length, label_smoothing
        self._start = _decoder_start(model.module) if model.reads_apart else None
        ends = ends_of(model.tokenizer)
        self.ends = ends if model.reads_apart else Ends(ends.lead)

    def encode(self, lessons: Sequence[Lesson]) -> list[Passage]:
        """Lessons to passages, in order; what is beyond the limit is cut at the end, and counted."""
        found: list[Passage] = []
        for start in range(0, len(lessons), READ_AT_ONCE):  # a fast tokenizer reads many texts in as many threads
            part = lessons[start : start + READ_AT_ONCE]
            for apart, some in groupby(part, lambda lesson: lesson.source is not None):
                read = self._read_apart if apart else self._read
                found += map(self.cut, read(list(some)))
        return found

    def _read(self, lessons: Sequence[Lesson]) -> Iterator[Passage]:
        texts = [lesson.text for lesson in lessons]
        found = self._tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True)
        for lesson, ids, offsets in zip(lessons, found["input_ids"], found["offset_mapping"], strict=True):
            lead = self.ends.lead if lesson.plain else ()
            yield Passage((*lead, *ids), (*(False for _ in lead), *overlaps(offsets, lesson.learned)))

    def _read_apart(self, lessons: Sequence[Lesson]) -> Iterator[Passage]:
        written = self._tokenizer(text_target=[lesson.text for lesson in lessons])["input_ids"]
        sources = self._tokenizer([lesson.source or "" for lesson in lessons])["input_ids"]
        for target, source in zip(written, sources, strict=True):
            ids = self._ended(target)
            yield Passage(ids, (True,) * len(ids), tuple(source))

    def _ended(self, ids: Sequence[int]) -> tuple[int, ...]:
        """With the end token, where the tokenizer does not put it at the end, or before a language code, by itself."""
        end = self._tokenizer.eos_token_id
        return tuple(ids) if end in ids[-2:] else (*ids, end)

    def cut(self, passage: Passage) -> Passage:
        """A passage without what is beyond the limit, which is counted."""
        limit = self._max_length
        if limit is None or max(len(passage.ids), len(passage.source)) <= limit:
            return passage
        return Passage(
            passage.ids[:limit],
            passage.learned[:limit],
            self.ends.shorten(passage.source, limit, from_end=True),
            cut=max(0, len(passage.ids) - limit) + max(0, len(passage.source) - limit),
            cut_learned=sum(passage.learned[limit:]),
        )

    def ask(self, question: Question) -> tuple[int, ...]:
        """The tokens of what the model is asked."""
        if self._start is not None:
            return tuple(self._tokenizer(question.text)["input_ids"])
        ids = self._tokenizer(question.text, add_special_tokens=False)["input_ids"]
        return (*self.ends.lead, *ids) if question.plain else tuple(ids)

    def collate(self, passages: Sequence[Passage], *, rows: Sequence[int]) -> Lines:
        """Passages side by side, padded on the right to the longest; `rows` are their places in the split."""
        pad = self._tokenizer.pad_token_id
        learned = _block([passage.learned for passage in passages], fill=0).bool()
        ids = _block([passage.ids for passage in passages], fill=pad)
        tokens, filled = sum(map(len, passages)), tuple(len(passage.ids) for passage in passages)
        if self._start is None:
            targets = torch.full_like(ids, IGNORED)
            targets[:, :-1] = ids[:, 1:].masked_fill(~learned[:, 1:], IGNORED)
            mask = _block([(1,) * len(passage.ids) for passage in passages], fill=0)
            return Lines({"input_ids": ids, "attention_mask": mask}, targets, tuple(rows), tokens, filled)
        inputs = {
            "input_ids": _block([passage.source for passage in passages], fill=pad),
            "attention_mask": _block([(1,) * len(passage.source) for passage in passages], fill=0),
            "decoder_input_ids": torch.cat([torch.full_like(ids[:, :1], self._start), ids[:, :-1]], dim=1),
        }
        return Lines(inputs, ids.masked_fill(~learned, IGNORED), tuple(rows), tokens, filled)

    def weight(self, batch: Lines) -> float:
        """The number of targets: what `loss` is divided by, known before the forward pass."""
        return float((batch.targets != IGNORED).sum())

    def loss(self, states: Tensor, output: OutputLayer, batch: Lines) -> tuple[Tensor, float]:
        """The sum of the targets' cross-entropies in nats, and `weight(batch)`.

        Args:
            states: [batch, time, width], from `LanguageModel.states`.
            output: the model's output layer.
            batch: the targets.
        """
        summed = token_loss(states, batch.targets, output, label_smoothing=self._smoothing)
        return summed, self.weight(batch)


def _block(lines: Sequence[Sequence[int]], *, fill: int) -> Tensor:
    block = torch.full((len(lines), max(map(len, lines))), fill, dtype=torch.long)
    for place, line in enumerate(lines):
        block[place, : len(line)] = torch.tensor(line, dtype=torch.long)
    return block


def _decoder_start(module: Any) -> int:
    """The token that a decoder of its own starts with."""
    start = module.generation_config.decoder_start_token_id
    if start is None:
        start = module.config.decoder_start_token_id
    return int(module.generation_config.bos_token_id if start is None else start)
