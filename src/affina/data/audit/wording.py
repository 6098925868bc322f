"""When two texts say nearly the same: how texts are compared, and the decision about a pair.

Texts are compared in lower case, without accents or punctuation. A pair is nearly the same at a Jaccard similarity of
character shingles of `SIMILAR` or more. Two short questions may share nearly all their letters and ask for different
things (`what is a fear of cold` and `... of color`): in texts of fewer than `SHORT` words, a word that stands in the
place of another must be the same word up to a slip. One slip takes many shingles of a short text with it, so such texts
are nearly the same whatever their similarity where one word differs, by a slip. The numbers were set on real sets
(docs/log.md).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final

from affina.data.audit.signatures import shingles

SIMILAR: Final = 0.85
SHORT: Final = 20
"""Words."""
SLIP: Final = 0.8
"""Two words are the same up to a slip from this ratio of matching letters on (Ratcliff & Metzener 1988)."""
COMPARED_CHARACTERS: Final = 10_000
"""Of each text, from its start."""
KEPT_CHARACTERS: Final = 500
"""Of a text whose shingles are kept, with 4,095 others in some 100 MB at most."""
_WORD: Final = re.compile(r"\w+")
_BETWEEN_LETTERS: Final = re.compile(r"(?<!\d) (?!\d)")


def worded(text: str) -> str:
    """A text's words, one blank between them: lower case, no accents, no punctuation; without any word, the text."""
    start = text[:COMPARED_CHARACTERS]
    if not start.isascii():
        letters = unicodedata.normalize("NFKD", start)
        start = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(_WORD.findall(start.casefold())) or text.strip()[:COMPARED_CHARACTERS]


def compact(text: str) -> str:
    """A `worded` text without its blanks (`is n t` is `isn t`), but for those beside a number."""
    return _BETWEEN_LETTERS.sub("", text)


def nearly_same(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether each text of one row is nearly the same as the other row's, all of them `worded`."""
    return all(_similar(one, other) for one, other in zip(first, second, strict=True))


def _similar(first: str, second: str) -> bool:
    if first == second:
        return True
    words = first.split(), second.split()
    if max(map(len, words)) < SHORT:
        return _one_slip(*words) or (_same_words(*words) and _alike(first, second))
    return _alike(first, second)


def _alike(first: str, second: str) -> bool:
    """Whether the Jaccard similarity of the texts' shingles is `SIMILAR` or more."""
    one, other = _shingles(first), _shingles(second)
    if min(len(one), len(other)) < SIMILAR * max(len(one), len(other)):
        return False
    common = len(one & other)
    return common >= SIMILAR * (len(one) + len(other) - common)


def _shingles(text: str) -> frozenset[int]:
    """Its shingles; of texts that are not long, those looked at last are kept: rows of a template are tried often."""
    return _kept(text) if len(text) <= KEPT_CHARACTERS else frozenset(shingles(text).tolist())


@lru_cache(maxsize=4_096)
def _kept(text: str) -> frozenset[int]:
    return frozenset(shingles(text).tolist())


def _one_slip(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether the words are the same in their order but for one, which is the same up to a slip."""
    if len(first) != len(second):
        return False
    differ = [pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]]
    return len(first) > len(differ) == 1 and is_slip(*differ[0])


def _same_words(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether what each has beyond the other is nothing, on one side, or the same up to a slip."""
    counts = Counter(first), Counter(second)
    one = "".join((counts[0] - counts[1]).elements())
    other = "".join((counts[1] - counts[0]).elements())
    return not one or not other or one == other or is_slip(one, other)


def is_slip(one: str, other: str) -> bool:
    """Whether two words look like one that was mistyped; numbers never do, nor words that begin otherwise.

    People rarely mistype a first letter, and `unlocked` and `blocked`, `legal` and `illegal` differ there.
    """
    if one[0] != other[0] or any(map(str.isdigit, one + other)):
        return False
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= SLIP
