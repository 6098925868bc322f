"""Texts with their identity terms swapped: each term's counterpart in its place, all terms of a text at once.

Case is kept, words are whole (spider-man is one), and a word with two counterparts takes the one for where it stands:
"her" before another word is read as "his", else as "him". That is a rule and no parser: "I gave her flowers" becomes
"his flowers", and words behind an Italian noun that agree with it stay as they are (those in front do not: `nouns`). A
word that differs from a term in more than case (the Turkish dotted I and dotless i) is none, and stays; accents may
stand apart from their letters (NFD). This module reads no list of terms (`terms`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final, final
from unicodedata import normalize

from affina.data.identity.casing import in_case
from affina.data.identity.nouns import Change, Nouns
from affina.data.identity.terms import Pair, plain
from affina.data.rows import Row

_NEXT: Final = re.compile(r"\s+(\w+)")
_SPACE: Final = re.compile(r"\s+")
_RUN: Final = re.compile(r"[a-z0-9]+")
"""Letters of English and digits, in lower case."""
_MARKS: Final = "\u0300-\u036f"
"""Accents that stand behind their letter (NFD); to `re` they are no part of a word."""


@dataclass(frozen=True, slots=True)
class Swapped:
    """A text with its terms swapped.

    Attributes:
        text: the other text; the same where it has no term.
        sides: how many terms of the first and of the second side of their pairs it had.
        unsure: how many of them have two counterparts.
    """

    text: str
    sides: tuple[int, int]
    unsure: int


@dataclass(frozen=True, slots=True)
class Side:
    """Of which side a row's terms are.

    Attributes:
        way: 1 where all are of the first side of their pairs, -1 of the second, 0 where there are both, or none.
        names: the pairs, by their first terms, where all terms are given names of Affina's lists; empty where a word
            says its side itself.
    """

    way: int
    names: tuple[str, ...] = ()


@final
class Swapper:
    """Swaps the terms of some pairs.

    Args:
        pairs: one at least; of a term in several languages the first counts.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._partners: dict[str, dict[bool, str]] = {}
        named = [tuple(map(plain, pair.named)) for pair in pairs]
        self._pairs = tuple(dict.fromkeys((first, second) for first, second in named))
        self._written: dict[str, str] = {}
        self._side: dict[str, int] = {}
        self._nouns = Nouns(pairs)
        self._names = frozenset(plain(term) for pair in pairs if pair.are_names for term in pair.named)
        self._kept = frozenset(phrase for pair in pairs for phrase in pair.kept)
        for pair in pairs:
            for side, term, other in ((0, pair.first, pair.second), (1, pair.second, pair.first)):
                if pair.noun is None:
                    self._partners.setdefault(plain(term), {}).setdefault(pair.before, other)
                self._written.setdefault(plain(pair.named[side]), pair.named[side])
                self._side.setdefault(plain(pair.named[side]), side)
        terms = {plain(term): term for pair in reversed(pairs) for term in (pair.second, pair.first)}
        spellings = {spelling for term, written in terms.items() for spelling in _spellings(term, written)}
        self._pattern = _pattern(spellings.union(*(_spellings(plain(phrase), phrase) for phrase in self._kept)))
        runs = [_RUN.search(spelling.lower()) for spelling in spellings]
        self._beginnings = frozenset(run[0] for run in runs if run is not None)
        self._may_begin_otherwise = any(run is None for run in runs)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The terms of each pair, as `terms` gives them."""
        return self._pairs

    def written(self, term: str) -> str:
        """A term as its list writes it."""
        return self._written[term]

    def _may_have(self, text: str) -> bool:
        """Whether a text can have a term: the pattern of some hundred terms takes long, and most texts have none."""
        if self._may_begin_otherwise or not text.isascii():
            return True
        return not self._beginnings.isdisjoint(_RUN.findall(text.lower()))

    def swap(self, text: str) -> Swapped:
        """The text with all terms swapped."""
        if not self._may_have(text):
            return Swapped(text, (0, 0), 0)
        parts, end, unsure, sides = [], 0, 0, [0, 0]
        for _, change in self._found(text):
            if change is None:
                continue
            sides[change.side] += 1
            unsure += change.unsure
            parts += [text[end : change.start], change.text]
            end = change.end
        return Swapped("".join([*parts, text[end:]]), (sides[0], sides[1]), unsure)

    def terms(self, row: Row) -> tuple[frozenset[str], frozenset[str]]:
        """The terms in a row's texts, those of the first side of their pairs and those of the second."""
        texts = filter(self._may_have, row.texts)
        both = (found for text in texts for found in self._found(text))
        found = {change.term if change else term for term, change in both if change or term not in self._nouns}
        first, second = (frozenset(term for term in found if self._side.get(term) == side) for side in (0, 1))
        return first, second

    def side(self, row: Row) -> Side:
        """Of which side a row's terms are, and of which names."""
        first, second = self.terms(row)
        way = bool(first) - bool(second)
        if not first | second <= self._names:
            return Side(way)
        others = {plain(next(iter(self._partners[term].values()))) for term in second}
        return Side(way, tuple(sorted(first | others)))

    def _found(self, text: str) -> Iterator[tuple[str, Change | None]]:
        """The terms in a text, and what becomes of each; None where the list has no counterpart for where it stands."""
        since = 0
        for match in self._pattern.finditer(text):
            term = plain(match.group())
            if match.group() in self._kept:
                continue
            if term in self._nouns:
                change = self._nouns.change(text, match.start(), match.end(), since=since)
            else:
                change = self._change(text, match, term)
            if change is not None:
                since = change.end
            yield term, change

    def _change(self, text: str, match: re.Match[str], term: str) -> Change | None:
        partners = self._partners.get(term, {})
        partner = partners.get(True in partners and _stands_before_word(text, match.end()))
        if partner is None:
            return None
        swapped = in_case(partner, match.group(), self._written[term])
        return Change(match.start(), match.end(), swapped, term, self._side[term], len(partners) > 1)

    def rows(self, rows: Iterable[Row]) -> tuple[tuple[Row, Row], ...]:
        """The rows whose texts have a term, each with itself swapped."""
        return tuple((row, other) for row in rows if (other := self.row(row)) is not row)

    def row(self, row: Row) -> Row:
        """The row with its texts swapped; the row itself where these have no term."""
        texts = {role: self.swap(row.fields[role]).text for role in ("text", "text_pair") if role in row.fields}
        if all(row.fields[role] == text for role, text in texts.items()):
            return row
        return replace(row, fields={**row.fields, **texts})


@cache
def function_words() -> frozenset[str]:
    """In English: what no possessive stands before, so that "saw her yesterday" is "saw him yesterday"."""
    lines = Path(__file__).with_name("function_words.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def _spellings(term: str, written: str) -> set[str]:
    """A term as texts may have it: as its list writes it and folded (ß, ss), composed and not."""
    return {normalize(form, spelling) for spelling in (term, " ".join(written.split())) for form in ("NFC", "NFD")}


def _pattern(spellings: Iterable[str]) -> re.Pattern[str]:
    """The longest spelling where several begin, by its first letter: most texts take a third of the time."""
    by_letter: dict[str, list[str]] = defaultdict(list)
    for spelling in sorted(spellings, key=lambda spelling: (-len(spelling), spelling)):
        by_letter[spelling[0].replace("\u2019", "'").upper().casefold()[0]].append(spelling)
    groups = []
    for some in by_letter.values():
        letters = "".join(sorted({re.escape(spelling[0]).replace("'", "'\u2019") for spelling in some}))
        forms = "|".join(_SPACE.sub(r"\\s+", _escaped(spelling)) for spelling in some)
        groups.append(f"(?=[{letters}])(?:{forms})")
    return re.compile(rf"(?<![\w{_MARKS}-])(?:{'|'.join(groups)})(?![\w{_MARKS}-])", re.IGNORECASE)


def _escaped(term: str) -> str:
    return re.escape(term).replace(r"\ ", " ").replace("'", "['\u2019]")


def _stands_before_word(text: str, end: int) -> bool:
    following = _NEXT.match(text, end)
    return following is not None and following.group(1).lower() not in function_words()
