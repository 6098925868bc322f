"""The column names that data sets commonly use, and how a name is compared with them.

Names stand in tiers: a column of an earlier tier is taken before one of a later tier, and two of the same tier are
ambiguous. No name stands for both a text and a label.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

KNOWN_NAMES: Final[Mapping[str, tuple[frozenset[str], ...]]] = MappingProxyType(
    {
        "text": (
            frozenset({"text"}),
            frozenset({"texts", "sentence", "message", "content", "body", "review", "question", "utterance", "query"})
            | frozenset({"tweet", "comment", "document", "post", "input_text", "review_text", "review_body"}),
            frozenset({"instruction", "prompt", "input", "title", "headline", "description", "subject", "summary"}),
        ),
        "label": (
            frozenset({"label", "labels"}),
            frozenset({"class", "category", "intent", "sentiment", "emotion", "topic", "polarity", "target", "y"})
            | frozenset({"gold_label", "class_label", "classes", "categories", "emotions", "topics"}),
            frozenset({"label_name", "label_names", "label_text", "class_name", "rating", "stars", "tag", "genre"})
            | frozenset({"tags", "genres", "score"}),
        ),
    }
)

KNOWN_PAIRS: Final = (
    ("text", "text_pair"),
    ("text1", "text2"),
    ("text_1", "text_2"),
    ("text_a", "text_b"),
    ("sentence1", "sentence2"),
    ("sentence_1", "sentence_2"),
    ("sentence_a", "sentence_b"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question_1", "question_2"),
    ("question", "sentence"),
    ("question", "passage"),
    ("query", "passage"),
    ("query", "document"),
)


def normalised(name: str) -> str:
    """A name as names are compared: lower case, blanks and hyphens as underscores."""
    return re.sub(r"[\s\-]+", "_", name.strip()).lower()


def match_name(name: str, columns: Iterable[str]) -> str | None:
    """The column of that name: exactly, else the only one that differs in case, blanks or hyphens alone."""
    columns = tuple(columns)
    if name in columns:
        return name
    similar = [column for column in columns if normalised(column) == normalised(name)]
    return similar[0] if len(similar) == 1 else None


def known_columns(role: str, columns: Iterable[str]) -> list[list[str]]:
    """The columns with a well-known name for the role: one list for each tier that has any, the best tier first."""
    columns = tuple(columns)
    tiers = ([column for column in columns if normalised(column) in tier] for tier in KNOWN_NAMES[role])
    return [tier for tier in tiers if tier]


def known_pair(columns: Iterable[str]) -> tuple[str, str] | None:
    """The two columns of a well-known pair, where exactly one pair is there and no column called text beside it."""
    columns = tuple(columns)
    pairs = [
        (first, second)
        for pair in KNOWN_PAIRS
        if (first := match_name(pair[0], columns)) is not None and (second := match_name(pair[1], columns)) is not None
    ]
    plain = match_name("text", columns)
    pairs = [pair for pair in pairs if plain in {None, pair[0]}]
    return pairs[0] if len(pairs) == 1 else None


def known_partner(column: str, columns: Iterable[str]) -> str | None:
    """The column that is the second text beside `column` in a well-known pair."""
    columns = tuple(columns)
    seconds = (match_name(second, columns) for first, second in KNOWN_PAIRS if first == normalised(column))
    found = [second for second in seconds if second is not None]
    return found[0] if len(found) == 1 else None
