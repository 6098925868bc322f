"""How much text the targets of a lesson are: UTF-8 bytes, by which models with different tokenizers are compared.

This module computes no loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from affina.models.base import Tells
from affina.tasks.lessons import Lesson, Passage


def target_bytes(model: Tells, lessons: Sequence[Lesson], passages: Sequence[Passage]) -> list[int]:
    """For each lesson the bytes of the text whose tokens are targets.

    A special token, such as the end token, has none; nor has the first token of a decoder's text, which nothing could
    foretell, nor what was cut.

    Args:
        model: whose tokens these are.
        lessons: the texts.
        passages: the same as tokens, from `Reading.encode`.
    """
    return [_target_bytes(model.tokenizer, *pair) for pair in zip(lessons, passages, strict=True)]


def _target_bytes(tokenizer: Any, lesson: Lesson, passage: Passage) -> int:
    if lesson.source is None:
        return len(_foretold(tokenizer, lesson, passage).encode())
    if not passage.cut_learned:
        return len(lesson.text.encode())
    kept = tokenizer.decode(passage.ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return len(kept.encode())


def _foretold(tokenizer: Any, lesson: Lesson, passage: Passage) -> str:
    offsets = tokenizer(lesson.text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    lead = len(passage.ids) + passage.cut - len(offsets)
    special = set(tokenizer.all_special_ids)
    text: list[str] = []
    before = 0
    for place, (_, end) in enumerate(offsets[: len(passage.ids) - lead], start=lead):
        if place and passage.learned[place] and passage.ids[place] not in special:
            # from the end of the token before it: some tokenizers do not count the blank that a token begins with
            text += [lesson.text[max(before, first) : min(end, last)] for first, last in lesson.learned]
        before = max(before, end)
    return "".join(text)
