"""How likely a model that writes holds each text of an item, by the losses that everything else is measured by.

A decoder's text is scored as a whole, its first token after the token that begins a text (the tokenizer's own, else the
one that begins or ends texts), without an end token. What follows a question is scored after it, with a blank between;
of an encoder-decoder the question is what the encoder reads, and the answer ends. A translation is scored as the run's
task teaches it. StereoSet's score is the mean over the tokens, of all other files it is the sum; as its authors score
GPT-2, the first token is foretold after the token that begins a text, and the others without that token. Nothing is put
into a chat template. Models with a masked-language head are `likelier_masked`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

import numpy as np

from affina.data.rows import Row
from affina.errors import DataError, Problem
from affina.evaluation import perplexity
from affina.evaluation.intervals import Floats
from affina.evaluation.predictions import check_finite
from affina.models.language import LanguageModel
from affina.risks.given_items import Item, Items, Kind
from affina.risks.own_texts import beginning
from affina.risks.preferring import Look
from affina.tasks.lessons import Lesson, Passage, Reading, Teacher

HOW: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        "minimal pairs": "scored by the log-probability of the whole sentence",
        "multiple choice": "scored by the log-probability of the choice after its question, in no chat template",
        "CrowS-Pairs": "scored by the log-probability of the whole sentence: an adaptation for models that write, since"
        " the published score hides tokens from an encoder",
        "WinoBias": "scored by the log-probability of the whole sentence: an adaptation, since the published score is"
        " of who a pronoun is taken for",
        "StereoSet": "scored by the mean log-probability of a sentence's tokens, as published for models that write",
        "MT-GenEval": "scored by the log-probability of each translation of the source: an adaptation, since the"
        " published score looks for words in a translation that is written",
    }
)
"""By the file's format, for the reader."""
BETWEEN: Final = " "
"""Between a question and a choice."""


def looks_of(
    model: LanguageModel,
    items: Items,
    *,
    teacher: Teacher | None = None,
    budget: int,
    progress: Callable[[int, int], None],
) -> Look:
    """What scores a file's items.

    Args:
        model: in evaluation mode when it is asked.
        items: of the file.
        teacher: puts stems and texts into the words of the run's task; None where they are texts of their own.
        budget: tokens of a batch, padding included, at most.
        progress: told how many texts are scored, and of how many.
    """
    reading = Reading(model)
    texts = [passage for item in items.items for passage in passages_of(model, reading, item, teacher=teacher)]
    by_token = items.kind == "StereoSet"
    apart = by_token and not model.reads_apart and not reading.ends.lead
    parts = [_in_two(text) if apart else (text,) for text in texts]
    passages = [part for of_text in parts for part in of_text]
    whole = np.repeat(np.arange(len(texts)), [len(of_text) for of_text in parts])

    def look() -> list[Floats]:
        found = perplexity.statistics(
            model,
            reading,
            passages,
            sizes=[0] * len(passages),
            budget=budget,
            progress=lambda done: progress(done, len(passages)),
        )
        nats, tokens = (np.bincount(whole, weights=part).astype(np.float64) for part in (found.nats, found.tokens))
        check_finite(nats[:, None], lambda place: whose(items.items, place).where)
        return split(items.items, -nats / tokens if by_token else -nats)

    return look


def _in_two(text: Passage) -> tuple[Passage, ...]:
    """A text behind the token that begins texts: its first token after that one, and the others without it."""
    opening = replace(text, ids=text.ids[:2], learned=text.learned[:2])
    rest = replace(text, ids=text.ids[1:], learned=text.learned[1:])
    return (opening, rest) if len(rest) > 1 else (opening,)


def split(items: Sequence[Item], scores: Floats) -> list[Floats]:
    """Scores of all texts, one after the other, item by item."""
    return np.split(scores, np.cumsum([len(item.texts) for item in items])[:-1])


def whose(items: Sequence[Item], place: int) -> Item:
    """The item that a text belongs to, by its place among all texts."""
    ends = np.cumsum([len(item.texts) for item in items])
    return items[int(np.searchsorted(ends, place, side="right"))]


def passages_of(model: LanguageModel, reading: Reading, item: Item, *, teacher: Teacher | None = None) -> list[Passage]:
    """An item's texts as tokens, of which those are targets that are scored; nothing is cut."""
    if teacher is not None:
        rows = [Row({"text": item.stem, "label": text}, item.where, number=0, line=0) for text in item.texts]
        return reading.encode([teacher.lesson(row) for row in rows])
    if model.reads_apart:
        return reading.encode([Lesson(text, ((0, len(text)),), source=item.stem) for text in item.texts])
    before = f"{item.stem}{BETWEEN}" if item.stem else ""
    whole = [before + text for text in item.texts]
    passages = reading.encode([Lesson(text, ((len(item.stem), len(text)),), plain=True) for text in whole])
    if reading.ends.lead:
        return passages
    first = beginning(model, reading)
    blank = (False,) * len(first)
    return [replace(one, ids=first + one.ids, learned=blank + one.learned) for one in passages]


def refuse_unreadable(model: LanguageModel, items: Items, *, teacher: Teacher | None = None) -> None:
    """Stop at items with a text that is no token to the model, or longer than what it can read; see `looks_of`.

    Raises:
        DataError: one problem for each such item.
    """
    reading, problems = Reading(model), list[Problem]()
    for item in items.items:
        passages = passages_of(model, reading, item, teacher=teacher)
        longest = max(max(len(one.ids), len(one.source)) for one in passages)
        if not all(one.targets for one in passages):
            problems.append(unreadable(item.where, "one that is no token to it"))
        elif model.max_length is not None and longest > model.max_length:
            problems.append(too_long(item.where, longest, model.max_length))
    if problems:
        raise DataError(*problems)


def too_long(where: str, tokens: int, limit: int) -> Problem:
    """A text that the model cannot read as a whole."""
    return Problem(
        where=where,
        expected=f"texts of at most {limit:,} tokens, which is what the model can read",
        found=f"{tokens:,} tokens",
        fix="shorten that row's texts, or remove the row: cut texts could not be compared",
    )


def unreadable(where: str, found: str) -> Problem:
    """A text of which nothing can be scored."""
    return Problem(
        where=where,
        expected="texts that the model can compare",
        found=found,
        fix="write another text there, or remove the row",
    )
