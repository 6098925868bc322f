"""Tables in the README that are made of results: each between two markers, by its name."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

README: Final = Path(__file__).parents[2] / "README.md"


def replaced(page: str, text: str, *, name: str) -> str:
    """The page with `text` between the markers of that table.

    Raises:
        ValueError: the page has not exactly one pair of them.
    """
    start, end = (f"<!-- {name} table: {side} -->" for side in ("start", "end"))
    parts = [part for half in page.split(start) for part in half.split(end)]
    if len(parts) != 3 or not page.index(start) < page.index(end):
        raise ValueError(f"expected {start} and then {end}, once each")
    return f"{parts[0]}{start}\n{text}\n{end}{parts[2]}"


def write_table(doc: str | None, *, name: str, result: Path, made: Callable[[Path], str], command: str) -> int:
    """Write a table into the README, or with --check exit with 1 where it says something else.

    Args:
        doc: of the command.
        name: of the table.
        result: the results' file or folder.
        made: gives the table of such results.
        command: that writes it.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--result", type=Path, default=result)
    parser.add_argument("--readme", type=Path, default=README)
    given = parser.parse_args()
    page = given.readme.read_text(encoding="utf-8")
    wanted = replaced(page, made(given.result), name=name)
    if not given.check:
        given.readme.write_text(wanted, encoding="utf-8")
    elif page != wanted:
        print(f"the README's table is not that of the results: run {command}", file=sys.stderr)
        return 1
    return 0
