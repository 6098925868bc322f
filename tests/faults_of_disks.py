"""A disk that fails at one operation of a run, counted over all of them: full, written in part, or the process killed.

Every write, fsync, rename and removal of a run's own files goes through a few functions, which are replaced here.
`killed` is SIGKILL's likeness in one process: from there on nothing reaches the disk any more, clean-ups included.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from unittest import mock

from affina.pipeline import attempts, damaged
from affina.record import files, journal
from affina.training import checkpoint

Kind = Literal["full", "short", "killed"]
KINDS: tuple[Kind, ...] = ("full", "short", "killed")


class KilledError(BaseException):
    """Stands for the end of the process; nothing that handles errors catches it."""


class Disk:
    """Counts operations, and fails at one.

    Args:
        kind: how.
        at: at which operation, from 1; 0 never.
    """

    def __init__(self, kind: Kind, *, at: int = 0) -> None:
        self.kind, self.at = kind, at
        self.done = 0
        self.names: list[str] = []

    @contextmanager
    def held(self) -> Iterator[Disk]:
        """Everything that is written in the block is written to this disk."""
        put, sync, rename = files.put, files.sync, files.rename
        save, remove, unlink = checkpoint.save_file, shutil.rmtree, Path.unlink

        def half(file: Any, data: bytes) -> None:
            put(file, data[: len(data) // 2])

        def half_saved(tensors: Any, path: Path) -> None:
            save(tensors, path)
            os.truncate(path, path.stat().st_size // 2)

        def half_removed(path: Path, **_: object) -> None:
            for file in [file for file in sorted(Path(path).rglob("*")) if file.is_file()][:1]:
                unlink(file)

        def nothing(*_: object, **__: object) -> None:
            pass

        changed = [
            *((module, "put", self._failing("put", put, half)) for module in (files, journal, checkpoint)),
            *((module, "sync", self._failing("sync", sync, nothing)) for module in (files, journal)),
            *((module, "rename", self._failing("rename", rename, nothing)) for module in (files, damaged, attempts)),
            (checkpoint, "save_file", self._failing("save", save, half_saved)),
            (shutil, "rmtree", self._failing("remove", remove, half_removed, killed_only=True)),
            (Path, "unlink", self._failing("unlink", unlink, nothing, killed_only=True)),
        ]
        patches = [mock.patch.object(target, name, function) for target, name, function in changed]
        for patch in patches:
            patch.start()
        try:
            yield self
        finally:
            for patch in patches:
                patch.stop()

    def _failing(
        self, name: str, honest: Callable[..., Any], partly: Callable[..., Any], *, killed_only: bool = False
    ) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if self.kind == "killed" and self.at and self.done >= self.at:
                raise KilledError
            if killed_only and self.kind != "killed":
                return honest(*args, **options)
            self.done += 1
            self.names.append(name)
            if self.done != self.at:
                return honest(*args, **options)
            if self.kind != "full":
                partly(*args, **options)
            if self.kind == "killed":
                raise KilledError
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        return call
