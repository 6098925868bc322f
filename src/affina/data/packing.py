"""From a packed file to its bytes, as a stream: gzip, bzip2, xz, Zstandard.

What cannot be unpacked, or grows out of all proportion, is an error with the file's name. Nothing is written to disk.
Archives of several files are `archives`; what the bytes mean is `formats`.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, BinaryIO, Final

from affina.errors import DataError, Problem

MOST_GROWTH: Final = 250
"""A packed file may grow to this many times what was read of it; text seldom grows to more than 20 times."""
FREE_BYTES: Final = 64 * 2**20
"""Bytes that any packed file may grow to, whatever its size."""
BUFFER: Final = 2**18
"""Bytes that are unpacked at once."""


def _zstd(raw: BinaryIO) -> BinaryIO:
    import pyarrow  # noqa: PLC0415 - heavy, and needed for this suffix alone

    stream: BinaryIO = pyarrow.CompressedInputStream(raw, "zstd")
    return stream


_CODECS: Final[Mapping[str, Callable[[BinaryIO], Any]]] = MappingProxyType(
    {
        ".gz": lambda raw: gzip.GzipFile(fileobj=raw),
        ".bz2": bz2.BZ2File,
        ".xz": lzma.LZMAFile,
        ".zst": _zstd,
    }
)
PACKED: Final = tuple(_CODECS)


def unpack(raw: BinaryIO, suffix: str) -> BinaryIO:
    """A stream of what is packed in `raw`; `suffix` is one of `PACKED`."""
    stream: BinaryIO = _CODECS[suffix](raw)
    return stream


class Guarded(io.RawIOBase):
    """A stream whose faults are errors with the file's name, and that stops where it grows too far.

    Reading raises a DataError where the file is damaged or cut off, or gives more than `MOST_GROWTH` times what has
    been read of it so far.

    Args:
        opened: gives the unpacking stream; called at the first read.
        file: the file's name.
        taken: how many packed bytes have been read by now.
    """

    def __init__(self, opened: Callable[[], BinaryIO], *, file: str, taken: Callable[[], int]) -> None:
        self._open, self._file, self._taken = opened, file, taken
        self._inner: BinaryIO | None = None
        self.given = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, as `io.RawIOBase` says."""
        try:
            if self._inner is None:
                self._inner = self._open()
            found = self._inner.read(len(buffer))
        except (OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
            raise DataError(damaged(self._file, error)) from error
        self.given += len(found)
        if self.given > FREE_BYTES and self.given > MOST_GROWTH * (taken := self._taken()):
            raise DataError(grows(self._file, taken, self.given))
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        """Close the unpacking stream too."""
        if self._inner is not None and not self.closed:
            self._inner.close()
        super().close()


def damaged(file: str, error: Exception) -> Problem:
    """What is said of a packed file that cannot be unpacked."""
    found, fix = f"damaged or cut off: {error or type(error).__name__}", "download or copy it again, or pack it anew"
    if isinstance(error, NotImplementedError):
        found, fix = (
            f"packed in a way that cannot be unpacked here: {error}",
            "unpack it yourself and name what was in it",
        )
    return Problem(where=file, expected="a packed file that can be unpacked to its end", found=found, fix=fix)


def grows(file: str, size: int, unpacked: int) -> Problem:
    """What is said of a packed file that grows out of all proportion."""
    return Problem(
        where=file,
        expected=f"a packed file that grows to {MOST_GROWTH} times its size at most, as text does",
        found=f"{size:,} bytes that grow to {unpacked:,} or more, as in a file made to fill the memory",
        fix="if you trust it, unpack it yourself and name what was in it",
    )
