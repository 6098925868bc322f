"""Texts that a model writes by itself, or for sentences, as lessons of which all is foretold: nobody's data is needed.

A model is asked for them to measure what it forgot (`foretelling`), and to be held to what it was (`train.replay`):
with other random numbers, so that what is measured is never trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from affina.models.language import LanguageModel
from affina.models.writing import HowToWrite, write
from affina.tasks.lessons import Lesson, Question, Reading

LENGTH: Final = 64
"""Tokens that a text is written of, at most."""
WRITTEN: Final = 3.0
"""A token that is written costs as much as so many that are read: it goes through the model by itself. 2.84 were
measured (SmolLM2 on a processor; docs/log.md)."""


def longest_text(model: LanguageModel, reading: Reading) -> int:
    """Tokens that a text may have, in a model's context."""
    longest = model.max_length
    return LENGTH if longest is None else max(1, min(LENGTH, longest - len(reading.ends.lead) - 2))


def own_texts(
    model: LanguageModel,
    reading: Reading,
    *,
    count: int,
    sources: Sequence[str],
    seed: int,
    progress: Callable[[int, int], None],
) -> list[Lesson]:
    """What the model as it is writes, drawn at temperature 1.

    Args:
        model: in evaluation mode.
        reading: how it reads.
        count: texts.
        sources: what an encoder-decoder writes for, which writes nothing unasked; so many of them.
        seed: decides what is drawn.
        progress: told how many texts are written, and of how many.
    """
    how = HowToWrite(most_tokens=longest_text(model, reading), temperature=1.0, seed=seed)
    asked = list(sources[:count]) if model.reads_apart else None
    if asked is None:
        prompts = [beginning(model, reading)] * count
    else:
        prompts = [reading.ask(Question(source)) for source in asked]
    written = write(model, prompts, how, progress=lambda done: progress(done, len(prompts)))
    return lessons_of([one.text for one in written], asked)


def lessons_of(texts: Sequence[str], sources: Sequence[str] | None = None) -> list[Lesson]:
    """Texts of which all is foretold, with what an encoder reads where there is one."""
    given = [None] * len(texts) if sources is None else sources
    return [
        Lesson(text, ((0, len(text)),), source=source, plain=True) for text, source in zip(texts, given, strict=True)
    ]


def beginning(model: LanguageModel, reading: Reading) -> tuple[int, ...]:
    """What a text begins with: what the tokenizer puts there, else the token that begins or ends a text."""
    if reading.ends.lead:
        return reading.ends.lead
    first = model.tokenizer.bos_token_id
    return (int(model.tokenizer.eos_token_id if first is None else first),)
