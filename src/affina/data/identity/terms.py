"""Identity terms in pairs, as a file has them: those of Affina in English and Italian, and the user's own.

A line is a language, a term, and its counterpart: `en, he, she`. A term may be several words. A word that has two
counterparts needs the word `before` behind one of the pairs, which then holds where another word follows it. Lines that
begin with # are comments. Affina's Italian nouns are a table of their own (`it_nouns.txt`): what stands in front of one
is swapped with it (`nouns`). This module changes no text (`swapping`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Final
from unicodedata import normalize

from affina.data.decoding import decode
from affina.errors import Problem, RecipeError
from affina.recipe.languages import NAMES, code_of
from affina.values import Resolved

KEY: Final = "risks.bias.terms"
LANGUAGES: Final = ("en", "it")
"""Those that Affina has a list of."""
BEFORE: Final = "before"
_FORM: Final = "a language, a term and its counterpart, with commas between them, such as `en, he, she`"
_MOST_PROBLEMS: Final = 10
_NOUN: Final = re.compile(r"(il|lo|la|i|gli|le) (.+)|(l')(.+)")
_BEHIND: Final = "behind"
_TITLES: Final = ("Mr",)


@dataclass(frozen=True, slots=True)
class Noun:
    """Of a pair of nouns, which words in front of them agree with them, and how.

    Attributes:
        articles: the definite articles of the two.
        alone: they are terms without such a word, too.
    """

    articles: tuple[str, str]
    alone: bool = True


@dataclass(frozen=True, slots=True)
class Pair:
    """Two terms of which one stands where the other could.

    Attributes:
        language: an ISO 639-1 code.
        first: as the file writes it.
        second: the same.
        before: it holds where another word follows; of nouns, where a name does.
        noun: of Affina's Italian nouns; None of all other terms.
        kept: what stays as it is: phrases with one of the terms in any case, or a term in exactly this case.
        are_names: given names of Affina's lists, which say their side less surely than a word does.
    """

    language: str
    first: str
    second: str
    before: bool = False
    noun: Noun | None = None
    kept: tuple[str, ...] = ()
    are_names: bool = False

    @property
    def named(self) -> tuple[str, str]:
        """The terms as they are named: with their articles where they are none without."""
        if self.noun is None or self.noun.alone:
            return self.first, self.second
        first, second = self.noun.articles
        return _joined(first, self.first), _joined(second, self.second)


def plain(term: str) -> str:
    """A term as terms are compared: any case, composed letters, one blank between words, straight apostrophes."""
    return normalize("NFC", " ".join(term.replace("\u2019", "'").split()).casefold())


def terms_for(own: str | None, language: str) -> Resolved[tuple[Pair, ...]]:
    """The pairs for rows of a language, and why these.

    Args:
        own: the file of the recipe's `risks.bias.terms`.
        language: the code of what the rows look like; empty where that is not clear.

    Returns:
        No pairs where there is no list for the language. Where it is not clear, all of the user's own pairs, or those
        of Affina without a term that is another word in the other language (`son`).

    Raises:
        RecipeError: the file cannot be read, or a line of it.
    """
    pairs = tuple(pair for code in LANGUAGES for pair in _of_affina(code)) if own is None else read_terms(own)
    whose = "Affina's lists" if own is None else own
    found = tuple(pair for pair in pairs if pair.language == language)
    name = NAMES[language][1] if language in NAMES else language
    if found:
        return Resolved(found, f"the pairs of {whose} in {name}, which the training rows look like")
    if language and own is None:
        return Resolved((), f"the training rows look like {name}, and {whose} are in English and Italian")
    if own is None:
        kept = tuple(pair for each in pairs for pair in _for_any_language(each))
        less = f"{len(pairs) - len(kept)} with a term that is another word in the other language, such as son or male"
        return Resolved(kept, f"all pairs of {whose} but {less}: the rows' language is not clear")
    clear = f"the training rows look like {name}, which it has none of" if language else "their language is not clear"
    return Resolved(pairs, f"all pairs of {whose}: {clear}")


def _for_any_language(pair: Pair) -> tuple[Pair, ...]:
    """A pair where the rows' language is not clear: "la donna", but not Donna."""
    if not _in_both_languages(pair):
        return (pair,)
    return () if pair.noun is None else (replace(pair, noun=replace(pair.noun, alone=False)),)


def _in_both_languages(pair: Pair) -> bool:
    return bool({plain(pair.first), plain(pair.second)} & _ambiguous()[pair.language])


@cache
def _ambiguous() -> dict[str, frozenset[str]]:
    """Language to the terms of its list that are another word in the other one."""
    lines = Path(__file__).with_name("both_languages.txt").read_text(encoding="utf-8").splitlines()
    words = [line.split() for line in lines if not line.startswith("#")]
    return {language: frozenset(map(plain, terms)) for language, *terms in words}


@cache
def _of_affina(code: str) -> tuple[Pair, ...]:
    pairs = (*_nouns(code), *read_terms(str(Path(__file__).with_name(f"{code}.txt"))))
    return tuple(
        replace(pair, kept=_kept(code, {plain(pair.first), plain(pair.second)}), are_names=_are_names(pair))
        for pair in pairs
    )


def _are_names(pair: Pair) -> bool:
    """Whether a pair of Affina's lists is one of given names: nothing else but a title has a capital there."""
    return pair.first[0].isupper() and pair.first not in _TITLES


def _nouns(code: str) -> list[Pair]:
    """Affina's nouns in a language whose words in front of a noun agree with it."""
    path = Path(__file__).with_name(f"{code}_nouns.txt")
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            *terms, mark = [*line.split(", "), ""][:3]
            (article, noun), (other, partner) = (re.sub(_NOUN, r"\1\3,\2\4", term).split(",") for term in terms)
            alone = mark != _BEHIND
            found.append(Pair(code, noun, partner, mark == BEFORE, Noun((article, other), alone)))
    return found


def _kept(code: str, terms: set[str]) -> tuple[str, ...]:
    """The phrases of Affina with one of these terms that say of nobody who they are."""
    return tuple(phrase for phrase in _phrases(code) if terms & set(re.split(r"[ ']", plain(phrase))))


@cache
def _phrases(code: str) -> tuple[str, ...]:
    lines = Path(__file__).with_name("kept_phrases.txt").read_text(encoding="utf-8").splitlines()
    parts = [
        [part.split("/") for part in rest]
        for language, *rest in (line.split(", ") for line in lines)
        if language == code
    ]
    return tuple(" ".join(words).replace("' ", "'") for each in parts for words in product(*each))


def _joined(article: str, noun: str) -> str:
    return article + noun if article.endswith("'") else f"{article} {noun}"


def read_terms(path: str) -> tuple[Pair, ...]:
    """The pairs of a file.

    Raises:
        RecipeError: there is no such file, or a line is no pair; one problem for each such line.
        DataError: it is not in UTF-8.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        fix = "check the path; it is seen from where the command is given"
        found = f"{path}: {error.strerror or error}"
        raise RecipeError(_problem(f"recipe key {KEY}", found, fix, expected="a text file with pairs")) from None
    pairs: list[Pair] = []
    problems: list[Problem] = []
    for number, line in enumerate(decode(raw, file=path).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        read = _pair(line, f"{path}, row {number} ({KEY})")
        (problems if isinstance(read, Problem) else pairs).append(read)  # type: ignore[arg-type]
    if not pairs and not problems:
        fix = "write a pair into it, or leave the key out: there are lists in English and Italian"
        problems.append(_problem(f"{path} ({KEY})", "no pair", fix))
    problems += _contradictions(pairs, path)
    if problems:
        raise RecipeError(*problems[:_MOST_PROBLEMS])
    return tuple(pairs)


def _pair(line: str, where: str) -> Pair | Problem:
    language, *rest = [part.strip() for part in line.split(",")]
    if len(rest) not in (2, 3) or not all(rest):
        return _problem(where, repr(line.strip()), "write it so, or put a # in front of a comment")
    code = code_of(language)
    if code is None:
        return _problem(where, f"the language {language!r}", "write its code, such as en or it, at the line's start")
    if len(rest) == 3 and rest[2] != BEFORE:
        fix = f"leave it out, or write {BEFORE} where the pair holds only if another word follows"
        return _problem(where, f"{rest[2]!r} behind the pair", fix)
    if plain(rest[0]) == plain(rest[1]):
        return _problem(where, f"the same term twice: {rest[0]!r}", "write its counterpart, or remove the line")
    return Pair(code, rest[0], rest[1], before=len(rest) == 3)


def _contradictions(pairs: Sequence[Pair], path: str) -> list[Problem]:
    """Terms with several counterparts in one place, and terms that stand on both sides."""
    partners: dict[tuple[str, bool], set[str]] = defaultdict(set)
    sides: dict[str, set[str]] = defaultdict(set)
    for pair in pairs:
        for side, term, other in (("first", pair.first, pair.second), ("second", pair.second, pair.first)):
            partners[plain(term), pair.before].add(plain(other))
            sides[plain(term)].add(side)
    found = [
        _problem(
            f"{path} ({KEY})",
            f"{term!r} with several: {', '.join(sorted(others))}",
            f"leave one of them, or write {BEFORE} behind the pair that holds where another word follows",
            expected="one counterpart for each term",
        )
        for (term, _), others in partners.items()
        if len(others) > 1
    ]
    return found + [
        _problem(
            f"{path} ({KEY})", f"{term!r} on both", "write its pairs the same way around", expected="terms of one side"
        )
        for term, both in sides.items()
        if len(both) > 1
    ]


def _problem(where: str, found: str, fix: str, *, expected: str = _FORM) -> Problem:
    return Problem(where=where, expected=expected, found=found, fix=fix)
