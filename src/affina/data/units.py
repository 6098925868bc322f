"""What may not be torn apart by a split: rows with the same text, rows of the same group, and what these two link.

This module does not decide where a unit goes (`splits`). Of ten million rows it holds a few numbers each.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affina.data.flat_lists import FlatLists
from affina.data.rows import Row, text_key

_DIGEST: Final = np.dtype([("high", ">u8"), ("low", ">u4")])
"""96 bits of a text and the seed: of ten million texts two have the same ones once in 10^15 times."""


def units_of(rows: Sequence[Row], *, seed: int) -> FlatLists:
    """The rows' indices in units, in a random order that depends on the seed and the texts alone.

    Each text is hashed with the seed, and a unit comes where the least of its hashes comes. So the order of the rows in
    the file has no influence, and a row more or less moves hardly any other. A row without a group is its own group.
    """
    digests, groups = bytearray(), array("q")
    known: dict[str, int] = {}
    for row in rows:
        digests += _hash(row, seed)
        group = row.fields.get("group", "")
        groups.append(known.setdefault(group, len(known)) if group else -1)
    found = np.frombuffer(digests, dtype=_DIGEST)
    order = np.lexsort((found["low"], found["high"]))  # stable: rows of one text stay in order
    first = np.ones(len(order), dtype=bool)
    first[1:] = found[order[1:]] != found[order[:-1]]
    if not known:
        return _cut(order, first)
    text_of = np.empty(len(order), dtype=np.int64)
    text_of[order] = np.cumsum(first) - 1
    unit_of = _linked(text_of, np.frombuffer(groups, dtype=np.int64), groups=len(known))
    # Texts are numbered in the order of their hashes, so that the least of a unit's texts says where the unit comes.
    order = np.argsort(unit_of, kind="stable")
    first = np.diff(unit_of[order], prepend=-1) > 0
    return _cut(order, first)


def _cut(members: NDArray[Any], first: NDArray[np.bool_]) -> FlatLists:
    """Units out of their members one after the other, and which of these begin one."""
    ends = np.append(np.flatnonzero(first)[1:], len(members))
    return FlatLists(members, ends[: len(members)])


def _linked(text_of: NDArray[np.int64], group_of: NDArray[np.int64], *, groups: int) -> NDArray[np.int64]:
    """The least text that each row is linked with, over texts and groups that rows have in common."""
    texts = int(text_of.max()) + 1
    parents = array("q", range(texts + groups))
    for place in np.flatnonzero(group_of >= 0).tolist():
        _join(parents, int(text_of[place]), texts + int(group_of[place]))
    roots = np.fromiter((_root(parents, text) for text in range(texts)), dtype=np.int64, count=texts)
    return roots[text_of]


def _root(parents: array[int], index: int) -> int:
    """The unit's representative, the least in it; the path to it is halved on the way."""
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = parents[index]
    return index


def _join(parents: array[int], first: int, second: int) -> None:
    first, second = _root(parents, first), _root(parents, second)
    parents[max(first, second)] = min(first, second)


def _hash(row: Row, seed: int) -> bytes:
    text, pair = text_key(row)
    return hashlib.blake2b(f"{seed}\0{text}\0{pair}".encode(), digest_size=12).digest()
