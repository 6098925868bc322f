"""The spine of a run: an append-only file of payloads, one JSON object a line, and its reader.

Observers see each payload as it is written, frozen, and cannot steer. This module does not interpret what it stores.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Final

from affina.errors import Problem, RunError
from affina.record.files import put, sync, told
from affina.record.lines import Line, parse
from affina.record.payloads import Payload
from affina.record.progress import Progress

Observer = Callable[[Payload | Progress], None]
CUT_OFF: Final = Line("the last", None, "cut off in the middle")


class Journal:
    """Appends payloads to `path` and tells the observers.

    Args:
        path: the `record.jsonl` to append to; created with its folder if absent.
        observers: called with each payload after it was written.
    """

    def __init__(self, path: Path, *, observers: Sequence[Observer] = ()) -> None:
        self._path = path
        with told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = FileIO(path, "a")
        self._observers = tuple(observers)

    def append(self, payload: Payload) -> None:
        """Write one line and hand it to the observers; a line that finds no room is taken back.

        Raises:
            ResourceError: the disk is full.
            RunError: the system does not let it be written.
        """
        line = json.dumps({"kind": type(payload).__name__.lower(), **dataclasses.asdict(payload)}, ensure_ascii=False)
        # half of a surrogate pair, which a JSON file can hold, is no UTF-8: it is written as JSON's own escape
        before = self._file.tell()
        with told(self._path):
            try:
                put(self._file, line.encode(errors="backslashreplace") + b"\n")
            except OSError:
                self._file.truncate(before)
                raise
        for observe in self._observers:
            observe(payload)

    def show(self, progress: Progress) -> None:
        """Hand the observers how far slow work has come; nothing is written."""
        for observe in self._observers:
            observe(progress)

    def position(self) -> int:
        """Bytes on disk so far, for a checkpoint to come back to."""
        with told(self._path):
            sync(self._path)
        return self._file.tell()

    def identity(self) -> int:
        """Which run's record this is, for a checkpoint to be known by."""
        return identity(self._path)

    def close(self) -> None:
        """Close the file; appending afterwards is a fault."""
        self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def identity(path: Path) -> int:
    """Which run's record this is: a sum over its first line, which has the time of its start; 0 while it has none."""
    with told(path), path.open("rb") as file:
        return zlib.crc32(file.readline())


def cut(path: Path, *, position: int) -> None:
    """Forget what was written after `position` bytes: the run goes on from there and writes it again.

    Raises:
        RunError: the file is shorter than that.
    """
    if path.stat().st_size < position:
        raise RunError(
            Problem(
                where=str(path),
                expected=f"at least the {position:,} bytes that its checkpoint was written after",
                found=f"{path.stat().st_size:,} bytes",
                fix="put the whole file back, or remove the run folder to start again",
            )
        )
    with path.open("r+b") as file:
        file.truncate(position)


@dataclass(frozen=True, slots=True)
class Reading:
    """What of a record this version can read.

    Attributes:
        records: every payload, in order.
        remarks: what was left out, and why, each with the number of its first line.
    """

    records: tuple[Payload, ...]
    remarks: tuple[str, ...]


def read(path: Path, *, after: int = 0) -> list[Payload]:
    """Every payload of a `record.jsonl`, in order; a last line that was cut off by a crash is left out.

    Args:
        path: the file.
        after: bytes of it that are passed over, up to the end of a line (`Journal.position`).

    Raises:
        RunError: the file is missing, or a line before the last is not a payload as this version writes it.
    """
    found: list[Payload] = []
    for number, line in _lines(path, after=after):
        if line is CUT_OFF:
            break
        if line.payload is None or line.strange:
            raise _refused(path, number, f"a record of the kind {line.kind!r}: {line.strange}")
        found.append(line.payload)
    return found


def read_known(path: Path) -> Reading:
    """What this version can read of a record, whichever version wrote it, with a remark on all that it cannot.

    Raises:
        RunError: the file is missing, or a line before the last is damaged.
    """
    found: list[Payload] = []
    odd: dict[tuple[str, str, bool], list[int]] = {}
    for number, line in _lines(path):
        if line.payload is not None:
            found.append(line.payload)
        if line.strange:
            odd.setdefault((line.kind, line.strange, line.payload is None), []).append(number)
    return Reading(tuple(found), tuple(_remark(kind, why, gone, at) for (kind, why, gone), at in odd.items()))


def _remark(kind: str, why: str, gone: bool, numbers: list[int]) -> str:
    where = f"line {numbers[0]}" + (f" and {len(numbers) - 1:,} more like it" if len(numbers) > 1 else "")
    return f"{where} ({kind}): {why}; {'left out' if gone else 'that field was left out'}"


def _lines(path: Path, *, after: int = 0) -> Iterator[tuple[int, Line]]:
    """Each line with its number; `CUT_OFF` for a damaged last one."""
    raw = _held(path)
    lines, passed = raw[after:].split(b"\n"), raw[:after].count(b"\n")
    for number, line in enumerate(lines, start=1 + passed):
        if not line:
            continue
        try:
            yield number, parse(line)
        except ValueError as error:
            if number == len(lines) + passed:
                yield number, CUT_OFF
                return
            raise _refused(path, number, str(error)) from error


def _held(path: Path) -> bytes:
    try:
        if path.is_file():
            return path.read_bytes()
        found, fix = "no such file", "name a folder that `affina train` wrote (it holds record.jsonl)"
    except OSError as error:
        found, fix = error.strerror or str(error), "give yourself the right to read it, or look at that disk"
    raise RunError(Problem(where=str(path), expected="the record of a run", found=found, fix=fix))


def _refused(path: Path, number: int, found: str) -> RunError:
    return RunError(
        Problem(
            where=f"{path}, line {number}",
            expected="one record a line, as this version of Affina writes them",
            found=found,
            fix="take the file from a copy if it is damaged, use the version of Affina that wrote it, or train again",
        )
    )
