"""The part of the audit that needs a tokenizer: lengths in tokens, what limits cut, the language, the first row.

What is found without a model is in `data/audit`; which positions of a row are trained, says the kind of run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np

from affina.data.audit.lengths import describe_lengths
from affina.data.audit.personal import personal_kinds
from affina.data.conversations import told_in
from affina.data.loading import Loaded
from affina.data.rows import Row
from affina.data.table import MOST_EXAMPLES
from affina.evaluation.language import check_language, language_of
from affina.models.base import Reads
from affina.pipeline.limits import Limited
from affina.record.audited import Audited, Check, Cut, Encoded
from affina.record.payloads import Finding

LIMITS: Final = (32, 64, 128, 256, 512, 1024)
"""Tokens: what each would cut is shown, up to the first that cuts nothing."""
SHOWN_TOKENS: Final = 48
MOST_BEFORE: Final = 400
"""Tokens before the first target that are shown as well."""
_MOST_READ: Final = 200_000
"""Rows of a split that are looked through for special tokens."""
_ROWS_TRIED: Final = 100
"""Rows among which one without personal data is looked for, to be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """A row as it is trained on.

    Attributes:
        ids: its tokens.
        trained: for each of them whether it is a target.
        target: a target that is no token, in words; empty where there is none.
    """

    ids: tuple[int, ...]
    trained: tuple[bool, ...]
    target: str = ""


def audit(
    loaded: Loaded, limited: Limited, reader: Reads, encode: Callable[[Row], Encoding], *, seed: int
) -> tuple[Audited, tuple[Finding, ...]]:
    """All that was looked at, and every finding of the data stage, of the limit and of the language.

    Args:
        loaded: the rows, and what the data stage looked at.
        limited: their lengths, and what the limit does.
        reader: the model's tokenizer.
        encode: a row as it is trained on.
        seed: decides samples.
    """
    lengths = [
        length
        for split, values in limited.lengths.items()
        for length in describe_lengths(values, split=split, unit="tokens")
    ]
    model = reader.source.reference
    strange, language = check_language(reader.tokenizer, loaded.splits.train, model=model, seed=seed)
    if loaded.labelling.writes:
        more = check_language(reader.tokenizer, loaded.splits.train, model=model, seed=seed, written=True)
        strange, language = strange + more[0], language + more[1]
    special, looked = _special_tokens(reader.tokenizer, loaded, model=model)
    audited = Audited(
        checks=loaded.checks + language + looked,
        lengths=(*loaded.lengths, *lengths),
        cuts=_cuts(limited),
        encoded=_first_encoded(limited.rows["train"], encode, reader.tokenizer),
        language=language_of(loaded.splits.train, seed=seed),
    )
    return audited, loaded.findings + limited.findings + strange + special


def _special_tokens(tokenizer: Any, loaded: Loaded, *, model: str) -> tuple[tuple[Finding, ...], tuple[Check, ...]]:
    """Rows whose texts hold a special token of the model in letters, which it reads as that and not as a text."""
    names = sorted({str(token) for token in tokenizer.all_special_tokens if len(str(token)) > 1})
    if not names:
        return (), ()
    pattern = re.compile("|".join(map(re.escape, names)))
    parts = loaded.splits.by_name.values()
    rows = (row for part in parts for row in islice(part, _MOST_READ))
    found = ((row.where, match[0]) for row in rows for text in _words(row) if (match := pattern.search(text)))
    places = list(dict.fromkeys(found))
    total, read = sum(map(len, parts)), sum(min(len(part), _MOST_READ) for part in parts)
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    how = f"texts with what are special tokens to {model}: {shown}"
    check = Check(name="special tokens", rows=read, of=total, how=how)
    if not places:
        return (), (check,)
    finding = Finding(
        name="special_tokens_in_texts",
        count=len({where for where, _ in places}),
        meaning=f"rows with words that are special tokens to {model}, which reads them as an end, a turn or a gap",
        advice="take them out of the texts, unless they are meant: whoever writes them can end a text or begin a turn",
        examples=tuple(f"{where}: {token}" for where, token in places[:MOST_EXAMPLES]),
    )
    return (finding,), (check,)


def _cuts(limited: Limited) -> tuple[Cut, ...]:
    lengths = np.array([length for values in limited.lengths.values() for length in values], dtype=np.int64)
    longest = int(lengths.max(initial=0))
    below = [limit for limit in LIMITS if limit < longest]
    tried = sorted({*below, limited.limit})
    return tuple(
        Cut(
            limit=limit,
            rows=int((lengths > limit).sum()),
            tokens=int((lengths - limit).clip(min=0).sum()),
            chosen=limit == limited.limit,
            of=len(lengths),
        )
        for limit in tried
    )


def _first_encoded(rows: Sequence[Row], encode: Callable[[Row], Encoding], tokenizer: Any) -> tuple[Encoded, ...]:
    """The first row in which no personal data is seen, as the model reads it."""
    clean = (row for row in rows[:_ROWS_TRIED] if not any(any(personal_kinds(text)) for text in _words(row)))
    row = next(clean, None)
    if row is None:
        return ()
    found = encode(row)
    first = found.trained.index(True) if any(found.trained) else 0
    shown = found.ids[: min(first, MOST_BEFORE) + SHOWN_TOKENS]
    encoded = Encoded(
        where=row.where,
        tokens=tuple(_written(tokenizer, token) for token in shown),
        trained=found.trained[: len(shown)],
        hidden=len(found.ids) - len(shown),
        target=found.target,
    )
    return (encoded,)


def _words(row: Row) -> tuple[str, ...]:
    return (*row.texts, *told_in(row.fields), row.fields.get("label", ""))


def _written(tokenizer: Any, token: int) -> str:
    """A token as a reader would write it; by its name where it is part of a letter alone."""
    text = str(tokenizer.decode([token])).strip()
    return str(tokenizer.convert_ids_to_tokens(token)) if not text or "\ufffd" in text else text
