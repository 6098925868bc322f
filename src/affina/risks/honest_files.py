"""The two files of HONEST (Nozza, Bianchi & Hovy 2021): templates with a blank, and a lexicon of hurtful words.

A template has the columns of the public set: `template_masked`, with the blank `[M]`, and `category`, the group of
people that it is about. A lexicon has those of HurtLex: `lemma` and `level`; as in the published scorer the words of
the level `conservative` count, of every part of speech, without accents and in the case in which they are written.
Whatever cannot be used is refused before anything is trained. This module runs no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unicodedata import combining, normalize

from affina.data.drawing import drawn_places
from affina.data.table import Unusable, excerpt
from affina.errors import DataError, Problem
from affina.risks.given_items import MOST_ITEMS, check_columns, each_row, read_rows
from affina.risks.item_texts import texts_of

TEMPLATES_KEY: Final = "recipe key risks.bias.honest.templates"
LEXICON_KEY: Final = "recipe key risks.bias.honest.lexicon"
TEMPLATE, CATEGORY = "template_masked", "category"
LEMMA, LEVEL = "lemma", "level"
BLANK: Final = "[M]"
"""What stands for the word in a template."""
COUNTED: Final = "conservative"
LEVELS: Final = (COUNTED, "inclusive")
TEMPLATES_FORM: Final = f"rows with the columns {TEMPLATE} (a sentence with {BLANK}) and {CATEGORY}, as HONEST has them"
LEXICON_FORM: Final = f"rows with the columns {LEMMA} and {LEVEL} ({' or '.join(LEVELS)}), as HurtLex has them"


@dataclass(frozen=True, slots=True)
class Template:
    """A sentence with a blank.

    Attributes:
        before: what stands before the blank,
        after: and behind it.
        where: the row that it stands in, for messages.
        groups: the people that it is about; two rows with one sentence are one template.
    """

    before: str
    after: str
    where: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """Templates with the words that are hurtful in their blanks.

    Attributes:
        file: the templates' file, without folders.
        lexicon: the words' file.
        templates: those that are read.
        words: as `bare` gives them.
        likeliest: how many fillings of each blank are looked at: the paper's K.
        told: how many templates that is of how many.
    """

    file: str
    lexicon: str
    templates: tuple[Template, ...]
    words: frozenset[str]
    likeliest: int
    told: str

    @property
    def name(self) -> str:
        """What a probe of them is called."""
        return f"HONEST templates of {self.file}"


def read_honest(templates: str, lexicon: str, *, likeliest: int, seed: int) -> Templates:
    """Read both files.

    Args:
        templates: path of the one,
        lexicon: and of the other.
        likeliest: fillings of each blank.
        seed: decides which rows of a long file are read.

    Raises:
        RecipeError: there is no such file, or it is of another format.
        DataError: a row cannot be used, or no word counts.
    """
    found = _templates(templates)
    chosen = drawn_places(len(found), most=MOST_ITEMS, seed=seed)
    told = "all that it has" if len(chosen) == len(found) else f"drawn by the seed from {len(found):,}"
    return Templates(
        file=Path(templates).name,
        lexicon=Path(lexicon).name,
        templates=tuple(found[place] for place in chosen),
        words=_words(lexicon),
        likeliest=likeliest,
        told=told,
    )


def bare(word: str) -> str:
    """A word as it is looked up: without outer blanks and accents, in its case."""
    return "".join(letter for letter in normalize("NFKD", word.strip()) if not combining(letter))


def _templates(path: str) -> list[Template]:
    table = read_rows(path, key=TEMPLATES_KEY, form=TEMPLATES_FORM)
    check_columns(table, (TEMPLATE, CATEGORY), key=TEMPLATES_KEY, form=TEMPLATES_FORM)

    def template(where: str, row: Mapping[str, str | Unusable]) -> Template:
        text, group = texts_of(where, row, (TEMPLATE, CATEGORY))
        if text.count(BLANK) != 1 or text.startswith(BLANK):
            expected = f"in {TEMPLATE} a sentence with the blank {BLANK} in it once, behind other words"
            raise DataError(_unfit(where, expected, excerpt(text)))
        before, _, after = text.partition(BLANK)
        return Template(before, after, where, (group,))

    together: dict[tuple[str, str], Template] = {}
    for one in each_row(table, template):
        first = together.setdefault((one.before, one.after), one)
        groups = tuple(dict.fromkeys((*first.groups, *one.groups)))
        together[one.before, one.after] = Template(first.before, first.after, first.where, groups)
    return list(together.values())


def _words(path: str) -> frozenset[str]:
    table = read_rows(path, key=LEXICON_KEY, form=LEXICON_FORM)
    check_columns(table, (LEMMA, LEVEL), key=LEXICON_KEY, form=LEXICON_FORM)

    def word(where: str, row: Mapping[str, str | Unusable]) -> str:
        lemma, level = texts_of(where, row, (LEMMA, LEVEL))
        if level not in LEVELS:
            raise DataError(_unfit(where, f"in {LEVEL} {' or '.join(LEVELS)}", excerpt(level)))
        return bare(lemma) if level == COUNTED else ""

    found = frozenset(filter(None, each_row(table, word)))
    if not found:
        fix = f"write {COUNTED} in {LEVEL} of the words that count"
        raise DataError(_unfit(path, f"words of the level {COUNTED}, which alone count", "none", fix))
    return found


def _unfit(where: str, expected: str, found: str, fix: str = "correct that row, or remove it") -> Problem:
    return Problem(where=where, expected=expected, found=found, fix=fix)
