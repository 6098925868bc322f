"""What virtual tokens start as: the ids of words of a vocabulary, of texts, and their embeddings. It trains nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor

_COMMON: Final = 5000
"""Words that are drawn from, the most common ones (Lester et al. 2021, 3.2): vocabularies are in about that order."""
_UNTRAINED: Final = re.compile(r"unused|extra_id|reserved", re.IGNORECASE)


def common_tokens(tokenizer: Any) -> list[int]:
    """The ids of the vocabulary's common tokens; no special ones, and none that no text has."""
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    by_id = sorted((number, token) for token, number in tokenizer.get_vocab().items())
    return [number for number, token in by_id if number not in special and not _UNTRAINED.search(token)][:_COMMON]


def draw(tokenizer: Any, count: int) -> list[int]:
    """Ids of `count` common tokens, from torch's random state; different ones as far as there are."""
    tokens = common_tokens(tokenizer)
    order: list[int] = []
    while len(order) < count:
        order += torch.randperm(len(tokens)).tolist()
    return [tokens[place] for place in order[:count]]


def words_of(tokenizer: Any, text: str) -> list[int]:
    """The ids of a text's tokens, without special ones."""
    found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return found


def repeated(ids: Sequence[int], count: int) -> list[int]:
    """The ids over and over, `count` of them: PEFT's way to fit a text to a length."""
    return [ids[place % len(ids)] for place in range(count)]


def embedded(table: Any, ids: Sequence[int]) -> Tensor:
    """The rows of the word embeddings as the model reads them, [len(ids), width]."""
    with torch.no_grad():
        rows: Tensor = table(torch.tensor([list(ids)], dtype=torch.long, device=table.weight.device))[0]
    return rows.clone()
