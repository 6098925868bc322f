"""The header of a GGUF file, looked through before any reader believes it: counts, lengths, types, places of tensors.

A header says how much is to be read and allocated. Here each number is held against the bytes that the file has, so
that no count or length can make a reader ask for more. Follows the specification of GGUF, versions 2 and 3
(ggml-org/ggml, docs/gguf.md). This module reads no weight and keeps nothing.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from affina.models.promised import There

MAGIC: Final = b"GGUF"
VERSIONS: Final = (2, 3)
ALIGNMENT: Final = 32
"""Bytes, where the file does not say another number."""
MOST_DIMENSIONS: Final = 4
MOST_DEPTH: Final = 4
"""Of arrays in arrays."""
LONGEST_NAME: Final = 65_535
_ALIGNMENT_KEY: Final = b"general.alignment"
_FIXED: Final[Mapping[int, str]] = MappingProxyType(
    {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<B", 10: "<Q", 11: "<q", 12: "<d"}
)
"""Types of values whose size is fixed, to their layout."""
_STRING: Final = 8
_ARRAY: Final = 9
_LEAST_STRING: Final = 8
"""Bytes that even an empty text takes."""


@dataclass(frozen=True, slots=True)
class _Tensor:
    """Where a tensor lies among the data."""

    name: str
    start: int
    end: int
    numbers: int


def check_header(path: Path) -> There:
    """Hold a file's header against its size; returns what its weights are.

    Raises:
        ValueError: a number in it cannot be right.
    """
    size = path.stat().st_size
    if size < len(MAGIC) + 4 + 8 + 8:
        raise ValueError(f"a file of {size} bytes, which has not even a header")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        reader = _Reader(view)
        reader.skip(len(MAGIC), "the magic bytes")
        version = reader.number("<I", "the version")
        if version not in VERSIONS:
            raise ValueError(f"version {version}, and versions {' and '.join(map(str, VERSIONS))} are read")
        tensors, pairs = reader.number("<Q", "the number of tensors"), reader.number("<Q", "the number of keys")
        alignment = _keys(reader, pairs)
        found = list(_tensors(reader, tensors))
        start = -(-reader.place // alignment) * alignment
        _check_places(found, alignment=alignment, room=size - start)
    return There(sum(tensor.numbers for tensor in found), len(found))


class _Reader:
    """Goes through the bytes of a header, never past their end."""

    def __init__(self, view: mmap.mmap) -> None:
        self._view = view
        self.place = 0

    @property
    def left(self) -> int:
        """Bytes that are not read yet."""
        return len(self._view) - self.place

    def number(self, layout: str, what: str) -> int:
        """One number."""
        size = struct.calcsize(layout)
        self._need(size, what)
        found: int = struct.unpack_from(layout, self._view, self.place)[0]
        self.place += size
        return found

    def skip(self, size: int, what: str) -> None:
        """Step over so many bytes."""
        self._need(size, what)
        self.place += size

    def text(self, what: str, *, longest: int | None = None) -> bytes:
        """One text, its length before it."""
        length = self.number("<Q", f"the length of {what}")
        if longest is not None and length > longest:
            raise ValueError(f"{what} of {length:,} bytes, where {longest:,} are allowed")
        self._need(length, what)
        found = self._view[self.place : self.place + length]
        self.place += length
        return found

    def skip_text(self, what: str) -> None:
        """Step over one text."""
        self.skip(self.number("<Q", f"the length of {what}"), what)

    def count(self, count: int, least: int, what: str) -> int:
        """A number of things that take at least so many bytes each."""
        if count * least > self.left:
            raise ValueError(f"{count:,} {what} are declared, for which {self.left:,} bytes are left")
        return count

    def _need(self, size: int, what: str) -> None:
        if size > self.left:
            raise ValueError(f"{what} would take {size:,} bytes at byte {self.place:,}, and {self.left:,} are left")


def _keys(reader: _Reader, count: int) -> int:
    """Go through the keys and their values; returns the alignment of the data."""
    alignment, known = ALIGNMENT, set[bytes]()
    for _ in range(reader.count(count, _LEAST_STRING + 4, "keys")):
        key = reader.text("a key", longest=LONGEST_NAME)
        if key in known:
            raise ValueError(f"the key {_shown(key)} twice")
        known.add(key)
        kind = reader.number("<I", "the type of a value")
        if key == _ALIGNMENT_KEY and kind in _FIXED:
            alignment = reader.number(_FIXED[kind], "the alignment")
            if alignment <= 0 or alignment % 8:
                raise ValueError(f"an alignment of {alignment} bytes, where a multiple of 8 is needed")
        else:
            _skip_value(reader, kind, f"the value of {_shown(key)}")
    return alignment


def _skip_value(reader: _Reader, kind: int, what: str, depth: int = 0) -> None:
    if kind in _FIXED:
        reader.skip(struct.calcsize(_FIXED[kind]), what)
    elif kind == _STRING:
        reader.skip_text(what)
    elif kind == _ARRAY:
        if depth == MOST_DEPTH:
            raise ValueError(f"{what}: arrays in arrays, more than {MOST_DEPTH} deep")
        inner, count = reader.number("<I", what), reader.number("<Q", what)
        if inner in _FIXED:
            size = struct.calcsize(_FIXED[inner])
            reader.skip(reader.count(count, size, f"items in {what}") * size, what)
            return
        for _ in range(reader.count(count, _LEAST_STRING, f"items in {what}")):
            _skip_value(reader, inner, what, depth + 1)
    else:
        raise ValueError(f"{what} of an unknown type ({kind})")


def _tensors(reader: _Reader, count: int) -> Iterator[_Tensor]:
    for _ in range(reader.count(count, _LEAST_STRING + 4 + 4 + 8, "tensors")):
        name = _shown(reader.text("the name of a tensor", longest=LONGEST_NAME))
        dimensions = reader.number("<I", f"the dimensions of {name}")
        if dimensions > MOST_DIMENSIONS:
            raise ValueError(f"the tensor {name} with {dimensions:,} dimensions, where {MOST_DIMENSIONS} are allowed")
        shape = [reader.number("<Q", f"the shape of {name}") for _ in range(dimensions)]
        kind = reader.number("<I", f"the type of {name}")
        start = reader.number("<Q", f"the place of {name}")
        yield _Tensor(name, start, start + _bytes(name, shape, kind), math.prod(shape))


def _bytes(name: str, shape: list[int], kind: int) -> int:
    """What a tensor takes."""
    try:
        block, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
    except (ValueError, KeyError):
        raise ValueError(f"the tensor {name} of an unknown type ({kind})") from None
    if shape and shape[0] % block:
        raise ValueError(f"the tensor {name} with rows of {shape[0]:,} numbers, in blocks of {block}")
    return math.prod(shape) // int(block) * int(size)


def _check_places(tensors: list[_Tensor], *, alignment: int, room: int) -> None:
    """Every tensor lies whole among the data, on its own."""
    names = [tensor.name for tensor in tensors]
    if len(set(names)) < len(names):
        raise ValueError(f"the tensor {next(name for name in names if names.count(name) > 1)} twice")
    ordered = sorted(tensors, key=lambda tensor: tensor.start)
    for tensor in ordered:
        if tensor.start % alignment:
            raise ValueError(f"the tensor {tensor.name} at byte {tensor.start:,}, which is no multiple of {alignment}")
        if tensor.end > room:
            raise ValueError(
                f"the tensor {tensor.name} up to byte {tensor.end:,} of the data, of which there are {max(0, room):,}"
            )
    for before, after in pairwise(ordered):
        if after.start < before.end:
            raise ValueError(f"the tensors {before.name} and {after.name} in the same place")


def _shown(name: bytes) -> str:
    return repr(name[:60].decode(errors="replace"))
