"""A column `translation` whose cells are objects with a text for each language: one column for each of them.

So does the library `datasets` write its sets for translation. Every other nested column stays as it is.
"""

from __future__ import annotations

from dataclasses import replace

from affina.data.names import normalised
from affina.data.table import Cell, Table, Unusable
from affina.recipe.languages import language_of

_NAMES = frozenset({"translation", "translations"})


def spread(table: Table) -> Table:
    """The table with the languages in columns of their own, in the place of the objects; a missing text is empty."""
    found = next((name for name in table.columns if normalised(name) in _NAMES), None)
    if found is None or found in table.unread:
        return table
    objects = [_texts(cell) for cell in table.column(found)]
    if any(texts is None for texts in objects):
        return table
    languages = tuple(dict.fromkeys(name for texts in objects if texts for name in texts))
    place = table.columns.index(found)
    columns = (*table.columns[:place], *languages, *table.columns[place + 1 :])
    if not languages or len(set(columns)) < len(columns):
        return table
    rows = tuple(
        (*row[:place], *((texts or {}).get(name, "") for name in languages), *row[place + 1 :])
        for row, texts in zip(table.rows, objects, strict=True)
    )
    return replace(table, columns=columns, rows=rows)


def _texts(cell: Cell) -> dict[str, str] | None:
    """Language to text; None for a cell that is something else."""
    if not isinstance(cell, Unusable):
        return None if cell.strip() else {}
    if not isinstance(cell.value, dict):
        return None
    named = all(isinstance(name, str) and language_of(name, known=True) for name in cell.value)
    if not named or not all(text is None or isinstance(text, str) for text in cell.value.values()):
        return None
    return {name: text or "" for name, text in cell.value.items()}
