"""What the user is told where a JSON or JSONL file does not hold to its form: one problem, with its row or line.

Finding the fault is the reader's (`objects`).
"""

from __future__ import annotations

import json
from typing import Any, Final

from affina.data.table import Source, excerpt
from affina.errors import Problem

ONE_A_LINE: Final = "one JSON object on each line"
ONE_LIST: Final = 'a list of objects, as in [{"text": "...", "label": "..."}]'


def unusable(value: Any) -> str:
    """The kind and the start of a value that is no text: `a list: '["a", "b"]'`."""
    kind = {list: "a list", dict: "an object", str: "a text", type(None): "null", bool: "true or false"}
    return f"{kind.get(type(value), 'a number')}: {excerpt(json.dumps(value, ensure_ascii=False))}"


def broken(error: Exception, where: str, expected: str, *, fix: str) -> Problem:
    """What is wrong with a text that `json` refuses, with the line where it was refused."""
    if not isinstance(error, json.JSONDecodeError):
        found = (
            "a number with too many digits" if isinstance(error, ValueError) else "lists or objects too deeply nested"
        )
        return Problem(where=where, expected=expected, found=found, fix=fix)
    if error.doc[error.pos : error.pos + 1] == "\0":
        return Problem(where=where, expected="text without NUL bytes", found="a NUL byte", fix="remove the byte")
    at = f"line {error.lineno}, " if "\n" in error.doc else ""
    rest = excerpt(error.doc[error.pos :]) if error.pos < len(error.doc) else "the end of the text"
    found = f"broken JSON at {at}character {error.colno}: {error.msg[:1].lower()}{error.msg[1:]}, before {rest}"
    return Problem(where=where, expected=expected, found=found, fix=fix)


def repeated(name: str, where: str, expected: str) -> Problem:
    """Two keys of one object that would be the same column."""
    found = f"the key {excerpt(name)} twice"
    return Problem(where=where, expected=expected, found=found, fix="rename or remove one of them")


def no_list(source: Source, place: int) -> Problem:
    """A JSON file whose first character, at `place`, begins something else than a list."""
    where = f"{source.file}, line {1 + source.text.count(chr(10), 0, place)}"
    fix = "write the rows as one list"
    if source.text[place] == "{":
        fix += "; if the file has one object on each line, rename it to .jsonl"
    return Problem(where=where, expected=ONE_LIST, found=excerpt(source.text[place : place + 200]), fix=fix)


def trailing(source: Source, place: int) -> Problem:
    """Text at `place`, after the list that should be the whole file."""
    where = f"{source.file}, line {1 + source.text.count(chr(10), 0, place)}"
    found = f"more text after the list's end: {excerpt(source.text[place:])}"
    return Problem(where=where, expected=ONE_LIST, found=found, fix="remove what follows the closing ]")
