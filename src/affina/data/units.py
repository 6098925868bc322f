"""What may not be torn apart by a split: rows with the same text, rows of the same group, and what these two link.

This module does not decide where a unit goes (`splits`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from affina.data.rows import Row, text_key


def units_of(rows: Sequence[Row], *, seed: int) -> list[tuple[int, ...]]:
    """The rows' indices in units, in a random order that depends on the seed and the texts alone.

    Each text is hashed with the seed, and a unit comes where the least of its hashes comes. So the order of the rows in
    the file has no influence, and a row more or less moves hardly any other. A row without a group is its own group.
    """
    parents = list(range(len(rows)))
    first_with: dict[tuple[str, tuple[str, str] | str], int] = {}
    for index, row in enumerate(rows):
        _join(parents, first_with.setdefault(("text", text_key(row)), index), index)
        group = row.fields.get("group", "")
        if group:
            _join(parents, first_with.setdefault(("group", group), index), index)
    members: dict[int, list[int]] = {}
    for index in range(len(rows)):
        members.setdefault(_root(parents, index), []).append(index)
    return [
        tuple(unit)
        for unit in sorted(members.values(), key=lambda unit: min(_hash(rows[index], seed) for index in unit))
    ]


def _root(parents: list[int], index: int) -> int:
    """The unit's representative; the path to it is halved on the way."""
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = parents[index]
    return index


def _join(parents: list[int], first: int, second: int) -> None:
    first, second = _root(parents, first), _root(parents, second)
    parents[max(first, second)] = min(first, second)


def _hash(row: Row, seed: int) -> bytes:
    text, pair = text_key(row)
    return hashlib.blake2b(f"{seed}\0{text}\0{pair}".encode(), digest_size=12).digest()
