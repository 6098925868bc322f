"""The user's own files whose rows hold texts of which one should be held likelier: minimal pairs, multiple choice.

A minimal pair has the columns of BLiMP (Warstadt et al. 2020): `sentence_good` and `sentence_bad`. A question has
`question` or `context` or both, `choices` (a list of texts) and `answer`, the place of the right one, from 0. Whatever
cannot be used is refused before anything is trained, row by row. Of a long file some rows are drawn. Files of
stereotypes are `stereotype_files`; this module runs no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar

from affina.data.drawing import drawn_places
from affina.data.formats import is_data, read_table
from affina.data.items import Item as DataFile
from affina.data.passages import is_running_text
from affina.data.table import Table, Unusable, excerpt
from affina.errors import DataError, Problem, RecipeError
from affina.risks.item_texts import different, sentences, texts_of, unfit_row

T = TypeVar("T")
Kind = Literal["minimal pairs", "multiple choice", "CrowS-Pairs", "StereoSet", "WinoBias", "MT-GenEval"]
PAIRS_KEY: Final = "recipe key risks.forgetting.pairs"
CHOICES_KEY: Final = "recipe key risks.forgetting.choices"
MOST_ITEMS: Final = 5_000
"""Rows that are read, at most: more would tell little more."""
GOOD, BAD = "sentence_good", "sentence_bad"
QUESTION, CONTEXT, CHOICES, ANSWER = "question", "context", "choices", "answer"
PAIRS_FORM: Final = f"rows with the columns {GOOD} and {BAD}, as BLiMP has them"
CHOICES_FORM: Final = (
    f"JSON lines with {QUESTION} or {CONTEXT}, {CHOICES} (a list of texts) and {ANSWER} (the place of the right one,"
    " from 0)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Texts of which one should be held the likeliest.

    Attributes:
        texts: the alternatives, two at least, all different.
        where: the row that they stand in, for messages.
        stem: what each of them is the going on, or the translation, of; "" for a text of its own.
        blank: what each of them fills in: a context of StereoSet.
        right: the place of the right one; of stereotypes the first stands for the stereotype.
        group: what it belongs to: a kind of bias, a target term, or nothing.
    """

    texts: tuple[str, ...]
    where: str
    stem: str = ""
    blank: str = ""
    right: int = 0
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A file's items.

    Attributes:
        kind: the file's format.
        file: its name, without folders.
        items: those that are read.
        told: how many that is of how many.
        languages: from which into which a translator is asked.
        notice: what is odd about them and can be asked all the same; empty where nothing is.
    """

    kind: Kind
    file: str
    items: tuple[Item, ...]
    told: str
    languages: tuple[str, str] | None = None
    notice: str = ""

    @property
    def name(self) -> str:
        """What a probe of them is called."""
        return f"{self.kind} of {self.file}"


def read_pairs(path: str, *, seed: int) -> Items:
    """Read minimal pairs.

    Args:
        path: of the file.
        seed: decides which rows of a long file are read.

    Raises:
        RecipeError: there is no such file, or it is of another format.
        DataError: a row cannot be used.
    """
    table = read_rows(path, key=PAIRS_KEY, form=PAIRS_FORM)
    check_columns(table, (GOOD, BAD), key=PAIRS_KEY, form=PAIRS_FORM)

    def item(where: str, row: Mapping[str, str | Unusable]) -> Item:
        texts = texts_of(where, row, (GOOD, BAD))
        return Item(texts=different(where, sentences(where, texts)), where=where)

    return drawn("minimal pairs", path, each_row(table, item), seed=seed)


def read_choices(path: str, *, seed: int) -> Items:
    """Read questions with several answers; see `read_pairs`.

    Raises:
        RecipeError: there is no such file, or it is of another format.
        DataError: a row cannot be used.
    """
    table = read_rows(path, key=CHOICES_KEY, form=CHOICES_FORM)
    check_columns(table, (CHOICES, ANSWER), key=CHOICES_KEY, form=CHOICES_FORM)
    if not {QUESTION, CONTEXT} & set(table.columns):
        raise RecipeError(_other_format(table, key=CHOICES_KEY, form=CHOICES_FORM))

    def item(where: str, row: Mapping[str, str | Unusable]) -> Item:
        asked = [name for name in (CONTEXT, QUESTION) if row.get(name)]
        stem = "\n".join(texts_of(where, row, asked or (QUESTION,)))
        choices = row[CHOICES]
        if not isinstance(choices, Unusable) or choices.items is None or len(choices.items) < 2:
            found = choices.found if isinstance(choices, Unusable) else excerpt(choices)
            raise DataError(unfit_row(where, f"a list of two texts or more in {CHOICES}", found))
        if any(not text.strip() for text in choices.items):
            raise DataError(unfit_row(where, f"a text in each place of {CHOICES}", "an empty one"))
        texts = different(where, tuple(text.strip() for text in choices.items))
        return Item(texts=texts, where=where, stem=stem, right=_place(where, row[ANSWER], len(texts)))

    return drawn("multiple choice", path, each_row(table, item), seed=seed)


def _place(where: str, cell: str | Unusable, count: int) -> int:
    written = cell.found if isinstance(cell, Unusable) else cell.strip()
    if not written.isdecimal() or int(written) >= count:
        expected = f"in {ANSWER} the place of the right choice: a whole number from 0 to {count - 1}"
        raise DataError(unfit_row(where, expected, written or "nothing"))
    return int(written)


def read_rows(path: str, *, key: str, form: str) -> Table:
    """A file that a recipe key names, as a table.

    Args:
        path: of the file.
        key: the recipe key.
        form: what it should hold, for messages.

    Raises:
        RecipeError: there is no such file, or it is no table.
        DataError: it cannot be read.
    """
    check_file(path, key=key, form=form)
    if not is_data(Path(path).name) or is_running_text(Path(path).name):
        found = f"{path}, which is no table by its name"
        fix = "write it as a .jsonl or a .csv file"
        raise RecipeError(Problem(where=key, expected=form, found=found, fix=fix))
    return read_table(DataFile(path, Path(path)))


def check_file(path: str, *, key: str, form: str) -> None:
    """Stop where a path is no file.

    Raises:
        RecipeError: with the reason.
    """
    if not Path(path).is_file():
        found = f"{path}: {'a folder' if Path(path).is_dir() else 'no such file'}"
        fix = "check the path; it is seen from where the command is given"
        raise RecipeError(Problem(where=key, expected=f"a file: {form}", found=found, fix=fix))


def check_columns(table: Table, names: Iterable[str], *, key: str, form: str) -> None:
    """Stop at a file of another format.

    Raises:
        RecipeError: a column is not there.
    """
    if not set(names) <= set(table.columns):
        raise RecipeError(_other_format(table, key=key, form=form))


def _other_format(table: Table, *, key: str, form: str) -> Problem:
    found = "the columns " + ", ".join(column or "(no name)" for column in table.columns)
    return Problem(
        where=f"{key} ({table.file})", expected=form, found=found, fix="rename the columns, or name another file"
    )


def each_row(table: Table, item: Callable[[str, Mapping[str, str | Unusable]], T]) -> list[T]:
    """Every row as an item.

    Args:
        table: the file.
        item: makes it of the row's address and its cells by column.

    Raises:
        DataError: one problem for each row that cannot be used.
    """
    found, problems = list[T](), list[Problem]()
    for index, row in enumerate(table.rows):
        try:
            found.append(item(table.where(index), dict(zip(table.columns, row, strict=True))))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(*problems)
    return found


def drawn(kind: Kind, path: str, items: Sequence[Item], *, seed: int) -> Items:
    """The items that are read of those of a file; how many say again what another says is told."""
    chosen = drawn_places(len(items), most=MOST_ITEMS, seed=seed)
    told = "all that it has" if len(chosen) == len(items) else f"drawn by the seed from {len(items):,}"
    again = len(items) - len({(item.stem, item.texts) for item in items})
    told += f"; {again:,} in it repeat another" if again else ""
    return Items(kind=kind, file=Path(path).name, items=tuple(items[place] for place in chosen), told=told)
