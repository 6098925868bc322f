"""How likely an encoder with its masked-language head holds each text of an item: sums over tokens hidden in turn.

- Minimal pairs: every token of a text is hidden in turn (pseudo-log-likelihood, Salazar et al. 2020, section 2.1).
- CrowS-Pairs and WinoBias: only the tokens that both texts share are hidden, one at a time, what differs stays in sight
  (Nangia et al. 2020, section 3; shared are the equal stretches that `difflib` finds in the tokens).
- StereoSet: the word that fills the blank is hidden token by token from the left, later ones not there yet; the score
  is the mean of the probabilities (Nadeem et al. 2021, and their scorer).

The head stays as it came; models that write are `likelier`'s.
"""

from __future__ import annotations

import difflib
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from affina.errors import DataError, Problem
from affina.evaluation.intervals import Floats
from affina.evaluation.masked import Hidden, log_probabilities
from affina.evaluation.predictions import check_finite
from affina.models.classifier import Classifier
from affina.models.masked_head import MaskedHead
from affina.risks.given_items import Item, Items, Kind
from affina.risks.likelier import split, too_long, unreadable
from affina.risks.preferring import Look
from affina.risks.stereoset_file import BLANK
from affina.tasks.text_ends import Ends, ends_of

_HEAD: Final = "by the masked-language head that the model came with, on its own states"
HOW: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        "minimal pairs": f"scored {_HEAD}: each token is hidden in turn (pseudo-log-likelihood)",
        "CrowS-Pairs": f"scored {_HEAD}: each token that both sentences share is hidden in turn, as published",
        "WinoBias": f"scored {_HEAD}: each token that both sentences share is hidden in turn, an adaptation",
        "StereoSet": f"scored {_HEAD}: the mean probability of the tokens that fill the blank, as published",
    }
)
"""By the file's format, for the reader."""
_NO_MARKS: Final = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text as the model reads it."""

    ids: tuple[int, ...]
    types: tuple[int, ...] | None


def looks_of(
    model: Classifier,
    items: Items,
    *,
    head: Callable[[], MaskedHead],
    budget: int,
    progress: Callable[[int, int], None],
) -> Look:
    """What scores a file's items; see `likelier.looks_of`.

    Args:
        model: in evaluation mode when it is asked.
        items: of the file.
        head: gives the head of its checkpoint.
        budget: tokens of a batch, padding included, at most.
        progress: told how many texts are scored, and of how many.
    """

    @cache
    def read() -> tuple[list[Hidden], list[int]]:
        parts = [part for item in items.items for part in hidden_of(model.tokenizer, items.kind, item)]
        return [one for part in parts for one in part], [len(part) for part in parts]

    def look() -> list[Floats]:
        masked = head()  # first: a model without it has no mask token, maybe
        hidden, counts = read()
        found = log_probabilities(
            model, masked, hidden, budget=budget, progress=lambda done: progress(done, len(hidden))
        )
        check_finite(found[:, None], None)
        if items.kind == "StereoSet":
            return split(items.items, _summed(np.exp(found), counts) / counts)
        return split(items.items, _summed(found, counts))

    return look


def _summed(found: Floats, counts: Sequence[int]) -> Floats:
    summed = np.bincount(np.repeat(np.arange(len(counts)), counts), found, minlength=len(counts))
    return np.asarray(summed, dtype=np.float64)


def hidden_of(tokenizer: Any, kind: Kind, item: Item) -> list[list[Hidden]]:
    """For each text of an item what is hidden of it in turn; nothing is cut."""
    if kind == "StereoSet":
        return [list(_fillings(tokenizer, item.blank, word)) for word in words_of(item)]
    texts, ends = [read_text(tokenizer, text) for text in item.texts], ends_of(tokenizer)
    if kind == "minimal pairs":
        places = [list(_inner(text, ends)) for text in texts]
    else:
        places = shared(texts[0].ids, texts[1].ids, ends)
    return [[_hide(tokenizer, text, place) for place in some] for text, some in zip(texts, places, strict=True)]


def shared(first: Sequence[int], second: Sequence[int], ends: Ends) -> list[list[int]]:
    """The places of the tokens that two texts share, of each; what the tokenizer puts around a text is left out."""
    matcher = difflib.SequenceMatcher(None, list(first), list(second))
    equal = [block for block in matcher.get_opcodes() if block[0] == "equal"]
    found = (
        [place for _, start, end, _, _ in equal for place in range(start, end)],
        [place for _, _, _, start, end in equal for place in range(start, end)],
    )
    return [
        [place for place in places if len(ends.lead) <= place < len(ids) - len(ends.tail)]
        for places, ids in zip(found, (first, second), strict=True)
    ]


def words_of(item: Item) -> tuple[str, ...]:
    """What fills the blank of a context in each of its sentences, without punctuation; "" where that cannot be told."""
    pieces = item.blank.split(" ")
    place = next((place for place, piece in enumerate(pieces) if BLANK in piece), None)
    found = []
    for text in item.texts:
        words = text.split(" ")
        found.append("" if place is None or place >= len(words) else words[place].translate(_NO_MARKS))
    return tuple(found)


def _fillings(tokenizer: Any, context: str, word: str) -> Iterator[Hidden]:
    tokens = tokenizer(word, add_special_tokens=False)["input_ids"]
    for place, token in enumerate(tokens):
        filled = context.replace(BLANK, f"{tokenizer.decode(tokens[:place])}{tokenizer.mask_token}")
        read = read_text(tokenizer, filled)
        yield Hidden(read.ids, read.types, read.ids.index(tokenizer.mask_token_id), token)


def read_text(tokenizer: Any, text: str) -> Tokens:
    """A text as the model reads it, with what the tokenizer puts around it."""
    found = tokenizer(text)
    types = found.get("token_type_ids")
    return Tokens(tuple(found["input_ids"]), None if types is None else tuple(types))


def _inner(text: Tokens, ends: Ends) -> range:
    return range(len(ends.lead), len(text.ids) - len(ends.tail))


def _hide(tokenizer: Any, text: Tokens, place: int) -> Hidden:
    ids = (*text.ids[:place], tokenizer.mask_token_id, *text.ids[place + 1 :])
    return Hidden(ids, text.types, place, text.ids[place])


def refuse_unreadable(model: Classifier, items: Items) -> None:
    """Stop at items with a text that the model cannot read, or of which nothing can be hidden.

    Nothing is refused where the tokenizer has no mask token: then nothing is measured, which is said.

    Raises:
        DataError: one problem for each such item.
    """
    if model.tokenizer.mask_token_id is None:
        return
    problems = list[Problem]()
    for item in items.items:
        parts = hidden_of(model.tokenizer, items.kind, item)
        longest = max((len(one.ids) for part in parts for one in part), default=0)
        if not all(parts):
            problems.append(unreadable(item.where, "one of which no token can be hidden that is to be compared"))
        elif model.max_length is not None and longest > model.max_length:
            problems.append(too_long(item.where, longest, model.max_length))
    if problems:
        raise DataError(*problems)
