"""Rows turned into tokens once, and kept in the cache folder for whoever reads exactly these rows again.

The key is a hash of what a row's tokens are made of and of what makes them: the cells themselves, not the files that
they came from, the tokenizer's whole state, the settings, versions and Affina's own source. So nothing that changes can
be missed. Where the cache cannot be written to, the tokens stay in memory. This module turns no text into tokens.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from affina.data.rows import Row
from affina.pipeline.same_run import code_hash
from affina.runtime import cache, machine
from affina.tasks.texts import read_texts
from affina.tasks.token_lists import Tokenized, opened
from affina.values import Resolved

KEY: Final = "data (tokens)"
KIND: Final = "tokens"
LEAST_ROWS: Final = 5_000
"""Fewer texts are read faster than anybody notices."""
MOST: Final = 20
MOST_BYTES: Final = 8 * 2**30
"""Of all tokens that are kept; the last ones are, whatever they take."""
TEMPLATES: Final = ("Jinja2",)
"""Libraries beside the usual ones that decide what a chat template writes."""


class OfRows(Protocol):
    """Something with an entry for each row."""

    def __len__(self) -> int:
        """How many rows."""
        ...


Kept = TypeVar("Kept", bound=OfRows)


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

    def read() -> Tokenized:
        return read_texts(tokenizer, rows, max_length=limit)

    if not reuse or len(rows) < LEAST_ROWS or not tokenizer.is_fast:
        return read()
    key = key_of(tokenizer_hash(tokenizer), (row.texts for row in rows), [limit])
    return kept(key, read, save=Tokenized.save, open_in=opened, rows=len(rows), choices=choices)


def kept(
    key: str,
    make: Callable[[], Kept],
    *,
    save: Callable[[Kept, Path], None],
    open_in: Callable[[Path], Kept],
    rows: int,
    choices: dict[str, Resolved[Any]],
) -> Kept:
    """What is kept under a key; where there is nothing whole, it is made and kept.

    Args:
        key: from `key_of`.
        make: makes it.
        save: writes it into an empty folder.
        open_in: what `save` wrote; raises `OSError` or `ValueError` where it is something else.
        rows: how many rows it is of.
        choices: gets whence it is, where it was not made in this run.
    """

    def read() -> Kept | None:
        folder = cache.kept(KIND, key)
        if folder is not None:
            with suppress(OSError, ValueError, EOFError):
                found = open_in(folder)
                return found if len(found) == rows else None
        return None

    if (found := read()) is not None:
        same = "the same rows were read before by the same tokenizer, settings and versions"
        choices.setdefault(KEY, Resolved("taken over", f"{same}; train.reuse=false reads them again"))
        return found
    if (folder := cache.cache_folder() / KIND / key).is_dir():
        choices[KEY] = Resolved("made again", f"those that were kept in {folder} are damaged")
    made = make()
    cache.keep(KIND, key, lambda new: save(made, new), most=MOST, most_bytes=MOST_BYTES)
    found = read()
    return made if found is None else found


def key_of(tokenizer: str, rows: Iterable[Sequence[str]], settings: Sequence[Any]) -> str:
    """The key of some rows' tokens.

    Args:
        tokenizer: from `tokenizer_hash`.
        rows: of each the cells that its tokens are made of.
        settings: all else that decides about them, as JSON can write it.
    """
    found = hashlib.sha256(tokenizer.encode())
    found.update(json.dumps([*settings, code_hash(), machine.versions(*TEMPLATES)], sort_keys=True).encode())
    for cells in rows:
        found.update(b"%d;" % len(cells))
        for cell in cells:
            data = cell.encode(errors="surrogatepass")
            found.update(b"%d:" % len(data))
            found.update(data)
    return found.hexdigest()[:32]


def tokenizer_hash(tokenizer: Any) -> str:
    """All that decides what a fast tokenizer makes of a text or a conversation; what its last call set is no part."""
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    around = [
        type(tokenizer).__name__,
        tokenizer.truncation_side,
        tokenizer.model_input_names,
        tokenizer.split_special_tokens,
        tokenizer.chat_template,
        {name: str(token) for name, token in tokenizer.special_tokens_map.items()},
    ]
    return hashlib.sha256((backend.to_str() + json.dumps(around, sort_keys=True)).encode()).hexdigest()
