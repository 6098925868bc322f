"""Answers that are none: empty, one piece over and over, all the same, or cut off at the limit.

Figures such as chrF do not show it: a text of commas has a score, and may even be above the untouched model's. It is
judged by the texts that the record holds, so that terminal, report and card say the same. This module knows no cause;
`pipeline.looking_back` does.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from affina.record.row_results import CUT_OFF, MASKS, RowResults, WrittenTexts
from affina.reporting.gathered import Gathered

Kind = Literal["empty", "repeating", "same", "cut off"]
MOST: Final = 0.5
"""Share of the answers above which a model's answers are called that."""
COVERED: Final = 0.8
"""Of a text, for it to be one piece over and over."""
LEAST_COVERED: Final = 8
"""Characters of that."""
LEAST_ALIKE: Final = 3
"""Answers that can be said to be all the same."""
_LOOP: Final = re.compile(r"(.{1,80}?)\1{3,}", re.DOTALL)
"""A piece four times or more."""
_MASK: Final = re.compile("|".join(map(re.escape, MASKS)))
_MORE: Final = re.compile(r" \[[\d,]+ more characters\]$")
LONGEST_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class Degenerate:
    """What is wrong with a predictor's answers.

    Attributes:
        kind: the main thing.
        count: answers that are so.
        of: all answers.
        words: how a sentence goes on after the number: `are empty`.
    """

    kind: Kind
    count: int
    of: int
    words: str

    @property
    def void(self) -> bool:
        """Whether the answers say nothing, so that no figure of them is a gain; one that is cut off may say much."""
        return self.kind != "cut off"

    @property
    def told(self) -> str:
        """`4 of 5 answers are empty`."""
        return f"{self.count:,} of {self.of:,} answers {self.words}"


def degenerate_of(run: Gathered) -> Degenerate | None:
    """What is wrong with most of the answers of a run's tuned model; None where nothing is, or none were written."""
    return degenerate(run.texts.get("tuned"), run.rows.get("tuned"))


def degenerate(written: WrittenTexts | None, rows: RowResults | None) -> Degenerate | None:
    """What is wrong with most of the answers; None where nothing is.

    Args:
        written: what a predictor wrote.
        rows: its result for each of them: answers that are right are none of this.
    """
    if written is None or not written.texts:
        return None
    texts = _told_apart([text.removesuffix(CUT_OFF).strip() for text in written.texts])
    right = rows.values.get("exact_match", ()) if rows is not None else ()
    if 2 * sum(right) > len(texts):
        return None
    return _void(texts) or _same(texts) or _cut(written.texts)


def _told_apart(texts: Sequence[str]) -> list[str]:
    """Texts with a number in the place of each mask: what was masked need not have been the same."""
    number = itertools.count(1)
    return [_MASK.sub(lambda _: f"[{next(number)}]", text) for text in texts]


def _void(texts: Sequence[str]) -> Degenerate | None:
    empty = sum(not text for text in texts)
    loops = [text for text in texts if repeats(text)]
    count = empty + len(loops)
    if count <= MOST * len(texts):
        return None
    looping = "repeat one piece over and over" + (_piece(loops[0]) if loops else "")
    kind: Kind = "empty" if empty >= len(loops) else "repeating"
    words = "are empty" if not loops else looping if not empty else f"are empty ({empty:,}) or {looping}"
    return Degenerate(kind, count, len(texts), words)


def _same(texts: Sequence[str]) -> Degenerate | None:
    [(_, count)] = Counter(texts).most_common(1)
    if count < LEAST_ALIKE or count <= MOST * len(texts):
        return None
    return Degenerate("same", count, len(texts), "are one and the same text, whatever was asked")


def _cut(texts: Sequence[str]) -> Degenerate | None:
    count = sum(text.endswith(CUT_OFF) for text in texts)
    words = "are cut off at the limit, before the model ended them"
    return Degenerate("cut off", count, len(texts), words) if count > MOST * len(texts) else None


def repeats(text: str) -> bool:
    """Whether a text is, at least from near its beginning on, one piece over and over."""
    kept = _MORE.sub("", text)
    found = _LOOP.match(kept[::-1])  # a loop goes on to the end
    return found is not None and len(found[0]) >= max(LEAST_COVERED, COVERED * len(kept))


def _piece(text: str) -> str:
    """The piece in quotes, where it is short: a long one may be somebody's words, and a card quotes none."""
    found = _LOOP.match(_MORE.sub("", text)[::-1])
    piece = found[1][::-1].strip() if found is not None else ""
    return f", such as {piece!r}" if 0 < len(piece) <= LONGEST_SHOWN else ""
