"""Identity terms in pairs, as a file has them: those of Affina in English and Italian, and the user's own.

A line is a language, a term, and its counterpart: `en, he, she`. A term may be several words. A word that has two
counterparts needs the word `before` behind one of the pairs, which then holds where another word follows it. Lines that
begin with # are comments. This module changes no text (`swapping`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
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


@dataclass(frozen=True, slots=True)
class Pair:
    """Two terms of which one stands where the other could.

    Attributes:
        language: an ISO 639-1 code.
        first: as the file writes it.
        second: the same.
        before: it holds where another word follows.
    """

    language: str
    first: str
    second: str
    before: bool = False


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
        kept = tuple(pair for pair in pairs if not _in_both_languages(pair))
        less = f"{len(pairs) - len(kept)} with a term that is another word in the other language, such as son or male"
        return Resolved(kept, f"all pairs of {whose} but {less}: the rows' language is not clear")
    clear = f"the training rows look like {name}, which it has none of" if language else "their language is not clear"
    return Resolved(pairs, f"all pairs of {whose}: {clear}")


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
    return read_terms(str(Path(__file__).with_name(f"{code}.txt")))


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
