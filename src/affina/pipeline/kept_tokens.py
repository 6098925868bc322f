"""Texts turned into tokens once, and kept in the cache folder for whoever reads exactly these texts again.

The key is a hash of what the tokenizer is given and of what it is: the texts themselves, not the files that they came
from, the tokenizer's whole state, the limit, versions and Affina's own source. So nothing that changes can be missed.
Where the cache cannot be written to, the tokens stay in memory. This module turns no text into tokens.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from affina.data.rows import Row
from affina.pipeline.same_run import code_hash
from affina.runtime import cache, machine
from affina.tasks.texts import read_texts
from affina.tasks.token_lists import Tokenized, opened
from affina.values import Resolved

KEY: Final = "data (tokens)"
KIND: Final = "tokens"
LEAST_ROWS: Final = 5_000
"""Fewer rows are read faster than anybody notices."""
MOST: Final = 20
MOST_BYTES: Final = 8 * 2**30
"""Of all tokens that are kept; the last ones are, whatever they take."""


def tokens_of(
    tokenizer: Any, rows: Sequence[Row], *, limit: int, reuse: bool, choices: dict[str, Resolved[Any]]
) -> Tokenized:
    """The rows as tokens within the limit, taken over where they are kept.

    Args:
        tokenizer: the model's own (transformers).
        rows: with their texts.
        limit: in tokens, special tokens included.
        reuse: the recipe's `train.reuse`: whether what is kept is used, and what is made is kept.
        choices: gets whence the tokens are, where that was not this run's own reading.
    """
    if not reuse or len(rows) < LEAST_ROWS or not tokenizer.is_fast:
        return read_texts(tokenizer, rows, max_length=limit)
    key = _key(tokenizer, rows, limit)
    if (found := _read(key, len(rows))) is not None:
        same = "the same texts, tokenizer, limit and versions were read before"
        choices[KEY] = Resolved("taken over", f"{same}; train.reuse=false reads them again")
        return found
    if (folder := cache.cache_folder() / KIND / key).is_dir():
        choices[KEY] = Resolved("made again", f"those that were kept in {folder} are damaged")
    made = read_texts(tokenizer, rows, max_length=limit)
    cache.keep(KIND, key, made.save, most=MOST, most_bytes=MOST_BYTES)
    return _read(key, len(rows)) or made


def _read(key: str, rows: int) -> Tokenized | None:
    folder = cache.kept(KIND, key)
    if folder is not None:
        with suppress(OSError, ValueError, EOFError):
            found = opened(folder)
            return found if len(found.ids) == rows else None
    return None


def _key(tokenizer: Any, rows: Sequence[Row], limit: int) -> str:
    found = hashlib.sha256(_tokenizer_hash(tokenizer).encode())
    found.update(json.dumps([limit, code_hash(), machine.versions()], sort_keys=True).encode())
    for row in rows:
        found.update(b"%d;" % len(row.texts))
        for text in row.texts:
            data = text.encode(errors="surrogatepass")
            found.update(b"%d:" % len(data))
            found.update(data)
    return found.hexdigest()[:32]


def _tokenizer_hash(tokenizer: Any) -> str:
    """All that decides what a fast tokenizer makes of a text; what its last call set is no part of that."""
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    around = [
        type(tokenizer).__name__,
        tokenizer.truncation_side,
        tokenizer.model_input_names,
        {name: str(token) for name, token in tokenizer.special_tokens_map.items()},
    ]
    return hashlib.sha256((backend.to_str() + json.dumps(around, sort_keys=True)).encode()).hexdigest()
