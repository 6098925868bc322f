"""Italian nouns in a text with their counterparts in their place, and with what stands in front of them.

"Nel ragazzo" is "nella ragazza", "la mia figlia" is "il mio figlio": what agrees with the noun is `agreement`'s. This
module is handed the nouns, and the places where they stand.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from affina.data.identity.agreement import agreed, column_of
from affina.data.identity.casing import in_case
from affina.data.identity.terms import Pair, plain

_FARTHEST: Final = 80
"""Letters in front of a noun in which words that agree with it are looked for."""
_WORD: Final = re.compile(r"([^\W\d_]+)(\s+|['\u2019]\s*)")
_WORDS: Final = re.compile(rf"(?<![\w\u0300-\u036f-])(?:{_WORD.pattern}){{1,6}}\Z")
_NAME: Final = re.compile(r"\s+([^\W\d_])")
_ELIDED: Final = re.compile(r"[^\W\d_]['\u2019]\Z")


@dataclass(frozen=True, slots=True)
class Change:
    """A noun in a text, and what stands there when it is swapped.

    Attributes:
        start: where the first word begins that changes.
        end: where the noun ends.
        text: what stands there.
        term: the noun as terms are named.
        side: 0 where it is the first of its pair, 1 where it is the second.
        unsure: it has two counterparts, and went by the next word.
    """

    start: int
    end: int
    text: str
    term: str
    side: int
    unsure: bool


@dataclass(frozen=True, slots=True)
class _Noun:
    term: str
    side: int
    columns: tuple[str, str]
    partner: str
    before: bool
    alone: bool


@final
class Nouns:
    """Nouns by how texts have them.

    Args:
        pairs: those that are no nouns are passed over.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._nouns: dict[str, list[_Noun]] = defaultdict(list)
        for pair in pairs:
            if pair.noun is None:
                continue
            first, second = (
                column_of(article, feminine=feminine)
                for article, feminine in zip(pair.noun.articles, (False, True), strict=True)
            )
            before, alone = pair.before, pair.noun.alone
            names = [plain(name) for name in pair.named]
            man = _Noun(names[0], 0, (first, second), pair.second, before, alone)
            woman = _Noun(names[1], 1, (second, first), pair.first, before, alone)
            self._nouns[plain(pair.first)].append(man)
            self._nouns[plain(pair.second)].append(woman)

    def __contains__(self, term: str) -> bool:
        return term in self._nouns

    def change(self, text: str, start: int, end: int, *, since: int) -> Change | None:
        """What becomes of a noun; None where it is none of the terms.

        Args:
            text: the text.
            start: where the noun begins;
            end: and where it ends.
            since: where the words in front may begin: behind what was swapped before.
        """
        words = _in_front(text, start, since)
        lower = [plain(word) for word, _ in words]
        elided = _ELIDED.search(text, max(0, start - 2), start) is not None
        found: list[tuple[_Noun, list[str]]] = []
        nouns = self._nouns[plain(text[start:end])]
        for noun in nouns:
            instead, told = agreed(lower, *noun.columns)
            cut = elided and not instead and not noun.columns[1].startswith("l'")
            if told or (noun.alone and not cut):
                found.append((noun, instead))
        fits = [one for one in found if not one[0].before or len(nouns) == 1 or _before_name(text, end)]
        if not fits:
            return None
        noun, instead = max(fits, key=lambda one: (len(one[1]), one[0].before))
        changed = words[len(words) - len(instead) :]
        begins = changed[0][1] if changed else start
        swapped = _written([*instead, noun.partner], [*(word for word, _ in changed), text[start:end]])
        if "\u2019" in text[begins:end]:
            swapped = swapped.replace("'", "\u2019")
        return Change(begins, end, swapped, noun.term, noun.side, len(found) > 1)


def _in_front(text: str, start: int, since: int) -> list[tuple[str, int]]:
    """The words right in front of a place, with their apostrophes, and where each begins."""
    run = _WORDS.search(text, max(since, start - _FARTHEST), start)
    if run is None:
        return []
    each = _WORD.finditer(text, run.start(), start)
    return [(word.group().rstrip(), word.start()) for word in each]


def _before_name(text: str, end: int) -> bool:
    name = _NAME.match(text, end)
    return name is not None and name.group(1).isupper()


def _written(new: Sequence[str], old: Sequence[str]) -> str:
    """Words in the case of those in whose place they stand."""
    loud = "".join(old).isupper()
    cased = [word.upper() if loud else _cased(word, before) for word, before in zip(new, old, strict=True)]
    return "".join(word if word.endswith("'") else f"{word} " for word in cased).rstrip()


def _cased(word: str, old: str) -> str:
    """An L' with a capital is the beginning of a sentence, where L'UOMO is loud as a whole."""
    if sum(map(str.isalpha, old)) == 1:
        return word[0].upper() + word[1:] if old[0].isupper() else word
    return in_case(word, old, old.lower())
