"""Conversations of one table that name their speakers by different keys: all are read, and the fewer ones are told."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from affina.data.checks import name_in
from affina.data.conversations import SPEAKER
from affina.data.rows import Row
from affina.data.table import MOST_EXAMPLES
from affina.record.payloads import Finding

_NAMES: Final = "|".join(SPEAKER)
_KEYS: Final = {quote: re.compile(rf"(?<!\\){quote}({_NAMES}){quote}\s*:") for quote in "\"'"}
"""Of cells as JSON and as Python writes them: the first quotation mark tells which, and others are of texts."""
_QUOTE: Final = re.compile("[\"']")


@dataclass(slots=True)
class Spellings:
    """How conversations are spelled, as their rows are met.

    Attributes:
        counts: key of a speaker to the rows that have it.
        places: the same keys to the first of these rows.
    """

    counts: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[str]] = field(default_factory=dict)

    def add(self, rows: Sequence[Row]) -> None:
        """Look at rows with their cells by role."""
        for row in rows:
            if key := _key(row.fields.get("messages", "")):
                self.counts[key] += 1
                if len(known := self.places.setdefault(key, [])) < MOST_EXAMPLES:
                    known.append(row.where)

    def findings(self, split: str) -> tuple[Finding, ...]:
        """What is noticed where there are several spellings."""
        if len(self.counts) < 2:
            return ()
        (most, times), *others = self.counts.most_common()
        share = "as many" if times == others[0][1] else "most"
        keys = " and ".join(key for key, _ in others)
        finding = Finding(
            name=name_in("other_spellings", split),
            count=sum(count for _, count in others),
            meaning=f"{split} conversations name their speakers by {keys}, {share} by {most}; all of them are read",
            advice="files put together from several sources may hold the same conversations twice",
            examples=tuple(place for key, _ in others for place in self.places[key])[:MOST_EXAMPLES],
        )
        return (finding,)


def _key(cell: str) -> str:
    """The key that a conversation's speakers are named by; empty where there is none."""
    first = _QUOTE.search(cell)
    found = set() if first is None else set(_KEYS[first[0]].findall(cell))
    return next((key for key in SPEAKER if key in found), "")
