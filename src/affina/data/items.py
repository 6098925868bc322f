"""A data file wherever it lies, on disk, packed or in an archive: its name, its bytes, its fingerprint.

Which files an address stands for is `places`; what their bytes mean is `formats`.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final

from affina.data.archives import open_archive, refuse_encrypted
from affina.data.kinds import HEAD_BYTES, refuse_other_kind
from affina.data.packing import BUFFER, PACKED, Guarded, unpack
from affina.errors import DataError, Problem

_MEASURED_BYTES: Final = 2**20
"""So much of a packed file is unpacked to foresee how far all of it grows."""


@dataclass(frozen=True, slots=True)
class _Raw:
    """A stream, the number of its bytes, and how many of them have been read."""

    stream: io.BufferedReader[Any]
    size: int
    taken: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Item:
    """One data file.

    Attributes:
        name: as messages and the record show it; of a file in an archive `all.zip/a.csv`.
        path: the file on disk that holds it.
        member: its name in the archive, where `path` is one.
    """

    name: str
    path: Path
    member: str = ""

    @property
    def suffix(self) -> str:
        """What says the format: `.csv` of `a.csv.gz`."""
        return suffixes_of(self.member or self.path.name)[0]

    @property
    def packing(self) -> str:
        """What says how it is packed: `.gz` of `a.csv.gz`, "" of `a.csv`."""
        return suffixes_of(self.member or self.path.name)[1]

    @property
    def is_plain(self) -> bool:
        """Whether the file on disk is the data file itself."""
        return not self.member and not self.packing

    def sha256(self) -> str:
        """The fingerprint of the file on disk, packed as it is."""
        with readable(self.name), self.path.open("rb") as raw:
            return hashlib.file_digest(raw, "sha256").hexdigest()

    def size(self) -> int:
        """Bytes of the data, unpacked; foreseen from its beginning where it is packed."""
        with readable(self.name):
            on_disk = self.path.stat().st_size
        if self.is_plain:
            return on_disk
        with self._raw() as raw:
            if not self.packing:
                return raw.size
            head = self._unpacked(raw).read(_MEASURED_BYTES)
            return len(head) if len(head) < _MEASURED_BYTES else round(raw.size * len(head) / max(1, raw.taken()))

    @contextmanager
    def open(self) -> Iterator[io.BufferedReader[Any]]:
        """The data's bytes, unpacked as they are read.

        Raises:
            DataError: at once where the file cannot be opened or is of another kind than its name says; while reading
                where it is damaged.
        """
        with self._raw() as raw:
            refuse_other_kind(raw.stream.peek(HEAD_BYTES)[:HEAD_BYTES], self.packing or self.suffix, file=self.name)
            if not self.packing:
                yield raw.stream
                return
            with self._unpacked(raw) as stream:
                refuse_other_kind(stream.peek(HEAD_BYTES)[:HEAD_BYTES], self.suffix, file=self.name, inside=True)
                yield stream

    def _unpacked(self, raw: _Raw) -> io.BufferedReader[Any]:
        guarded = Guarded(lambda: unpack(raw.stream, self.packing), file=self.name, taken=raw.taken)
        return io.BufferedReader(guarded, BUFFER)

    @contextmanager
    def _raw(self) -> Iterator[_Raw]:
        """The bytes as they lie on disk, or as they come out of the archive."""
        with readable(self.name):
            file = self.path.open("rb")
        with file:
            if not self.member:
                yield _Raw(file, self.path.stat().st_size, file.tell)
                return
            with open_archive(file, file=self.name) as archive:
                info = archive.getinfo(self.member)
                refuse_encrypted(info, file=self.name)
                guarded = Guarded(
                    lambda: _inner(archive, info), file=self.name, taken=lambda: file.tell() - info.header_offset
                )
                with io.BufferedReader(guarded, BUFFER) as stream:
                    yield _Raw(stream, info.file_size, lambda: guarded.given)


def _inner(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> BinaryIO:
    stream: Any = archive.open(info)
    opened: BinaryIO = stream
    return opened


def suffixes_of(name: str) -> tuple[str, str]:
    """The suffix of the format and that of the packing, in lower case: `.csv` and `.gz` of `A.CSV.gz`."""
    path = PurePosixPath(name.replace("\\", "/"))
    last = path.suffix.lower()
    if last in PACKED:
        return PurePosixPath(path.stem).suffix.lower(), last
    return last, ""


@contextmanager
def readable(file: str) -> Iterator[None]:
    """What the system says where it cannot open or read a file, as an error with the file's name.

    Raises:
        DataError: the block raised an error of the system.
    """
    try:
        yield
    except PermissionError:
        found, fix = "no permission to read it", "give yourself the right to read it, or copy it to your own folder"
    except OSError as error:
        found, fix = f"the system could not read it: {error.strerror}", "copy the file to a local disk and try again"
    else:
        return
    raise DataError(Problem(where=file, expected="a file that can be read", found=found, fix=fix))
