"""The types of Parquet and Arrow, and the text that each of their values is read as.

Numbers, dates and truth values become what one would write. What nobody would write as one text (a struct, a list of
numbers) is left unread. Opening the files is `columnar`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from affina.data.conversations import SAID, SPEAKER
from affina.data.objects import cell_of
from affina.data.table import Cell, Unusable, excerpt
from affina.errors import DataError, Problem
from affina.recipe.languages import language_of

_INDEX: Final = "__index_level_"
"""How pandas calls the numbers of the rows where it stores them as a column."""


@dataclass(frozen=True, slots=True)
class Column:
    """How the cells of one column are read.

    Attributes:
        kind: the type, as messages show it.
        classes: the names of the classes that the column's numbers stand for, if any.
        unread: nobody would write a cell of it as one text.
    """

    kind: str
    classes: tuple[str, ...] = ()
    unread: bool = False


def columns_of(file: str, schema: Any) -> dict[str, Column]:
    """The columns by name; not the one in which pandas keeps the rows' numbers.

    Args:
        file: the file's name.
        schema: pyarrow's.

    Raises:
        DataError: a name stands twice.
    """
    names = [name.strip() for name in schema.names]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        found = f"the name {excerpt(twice[0])} {names.count(twice[0])} times"
        fix = "rename or remove one of them, and write the file again"
        raise DataError(Problem(where=file, expected="a different name for each column", found=found, fix=fix))
    classes = _classes(schema.metadata or {})
    return {
        field.name: _column(field.type, classes.get(field.name, ()))
        for field in schema
        if not field.name.startswith(_INDEX)
    }


def _classes(metadata: Mapping[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """Column to the names of its classes, where the library `datasets` wrote them down (its `ClassLabel`)."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        within = {name: _within(kind) for name, kind in features.items()}
        return {name: tuple(map(str, kind["names"])) for name, kind in within.items() if "names" in kind}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _within(feature: Any) -> Mapping[str, Any]:
    """What a list holds, in any of the ways in which a list is written down; the feature itself where it is none."""
    inner = feature[0] if isinstance(feature, list) else feature.get("feature", feature)
    return inner if isinstance(inner, Mapping) else {}


def _column(kind: Any, classes: tuple[str, ...]) -> Column:
    from pyarrow import types  # noqa: PLC0415

    plain = getattr(kind, "storage_type", kind)
    inner = plain.value_type if types.is_dictionary(plain) else plain
    if types.is_nested(inner):
        short = types.is_list(inner) or types.is_large_list(inner)
        named = classes if short and types.is_integer(inner.value_type) else ()
        read = short and (_is_word(inner.value_type) or _is_turn(inner.value_type))
        read = read or (types.is_struct(inner) and _is_translation(inner))
        return Column(str(plain), named, unread=not read)
    return Column(str(plain), classes if types.is_integer(inner) else ())


def _is_word(kind: Any) -> bool:
    """Whether a list of these may be several labels, and is worth taking apart."""
    from pyarrow import types  # noqa: PLC0415

    inner = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(inner) or types.is_large_string(inner) or types.is_integer(inner))


def _is_turn(kind: Any) -> bool:
    """Whether a list of these may be a conversation: objects with a speaker and what is said, and plain values."""
    from pyarrow import types  # noqa: PLC0415

    if not types.is_struct(kind):
        return False
    names = {kind.field(place).name for place in range(kind.num_fields)}
    return bool(names & set(SPEAKER) and names & set(SAID)) and _is_plain(kind)


def _is_translation(kind: Any) -> bool:
    """Whether an object has a text for each of some languages."""
    from pyarrow import types  # noqa: PLC0415

    fields = [kind.field(place) for place in range(kind.num_fields)]
    texts = all(types.is_string(field.type) or types.is_large_string(field.type) for field in fields)
    return texts and all(language_of(field.name, known=True) for field in fields)


def _is_plain(kind: Any) -> bool:
    """Whether every value of the type is plain JSON data."""
    from pyarrow import types  # noqa: PLC0415

    if types.is_struct(kind):
        return all(_is_plain(kind.field(place).type) for place in range(kind.num_fields))
    if types.is_list(kind) or types.is_large_list(kind):
        return _is_plain(kind.value_type)
    numbers = types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind) or types.is_null(kind)
    return bool(numbers or types.is_string(kind) or types.is_large_string(kind))


_SAID: Final = {
    "bool": "true and false",
    "float": "whole numbers without decimals, no number as an empty cell",
    "double": "whole numbers without decimals, no number as an empty cell",
    "halffloat": "whole numbers without decimals, no number as an empty cell",
    "date": "year-month-day",
    "time": "year-month-day and time",
    "decimal": "numbers with all their decimals",
    "binary": "text in UTF-8",
    "large_binary": "text in UTF-8",
    "dictionary": "the values that its codes stand for",
}


def said_of(column: Column) -> str:
    """How the cells are read, where one might not expect it."""
    if column.classes:
        return f"the names of its {len(column.classes)} classes"
    return next((said for kind, said in _SAID.items() if column.kind.startswith(kind)), "")


def cells_of(array: Any, column: Column) -> list[Cell]:
    """The cells of one column, as texts."""
    import pyarrow  # noqa: PLC0415
    from pyarrow import compute, types  # noqa: PLC0415

    if column.unread:
        return [Unusable(f"a nested value ({column.kind})")] * len(array)
    array = getattr(array, "storage", array)
    array = array.dictionary_decode() if types.is_dictionary(array.type) else array
    if types.is_nested(array.type):
        return [cell_of(_named(value, column.classes)) for value in array.to_pylist()]
    if column.classes:
        return _names(array, column.classes)
    if types.is_floating(array.type):
        array = compute.if_else(compute.is_nan(array), None, array)
    try:
        texts = compute.cast(array, pyarrow.string())
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):  # of one cell, or of a kind without a text
        return [_alone(array.slice(place, 1), column) for place in range(len(array))]
    return ["" if text is None else text for text in texts.to_pylist()]


def _alone(cell: Any, column: Column) -> Cell:
    """One cell of a column that is no text as a whole."""
    import pyarrow  # noqa: PLC0415
    from pyarrow import compute  # noqa: PLC0415

    try:
        text: str | None = compute.cast(cell, pyarrow.string())[0].as_py()
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
        return Unusable(f"a value that is no text ({column.kind})")
    return text or ""


def _named(values: list[Any] | None, classes: tuple[str, ...]) -> list[Any] | None:
    """A list of places among `classes` as their names; another list as it is."""
    if not classes or values is None:
        return values
    return [classes[place] if place is not None and 0 <= place < len(classes) else place for place in values]


def _names(array: Any, classes: tuple[str, ...]) -> list[Cell]:
    """Class numbers by name; -1 stands for no label."""
    return [
        "" if number is None or number == -1 else classes[number] if 0 <= number < len(classes) else str(number)
        for number in array.to_pylist()
    ]
