"""Where a model comes from: what the user wrote as `model:` becomes a folder on this machine that can be loaded.

A starter, a folder, a `.gguf` file, a finished run and a hub id all end as the same thing. This module loads nothing.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final, Literal

from affina.errors import ModelError, Problem
from affina.models.folders import CONFIG, check_folder, has_tokenizer, is_pickle, pickle_refused, weight_files
from affina.models.quiet import Notify, silent
from affina.models.starters import STARTERS, starter_folder
from affina.record.starts import STARTER
from affina.runtime.cache import file_sha256

Kind = Literal["starter", "folder", "gguf", "run", "hub"]

RUN_MODEL: Final = "model"
"""The folder inside a finished run that holds its model,"""
RUN_ADAPTER: Final = "adapter"
"""and the one that holds what was trained beside a model."""
_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A model that can be loaded.

    Attributes:
        reference: what the user wrote.
        folder: a folder in transformers' layout, with safetensors weights; those of its base, of an adapter.
        kind: what the reference was.
        adapter: the folder of an adapter that stands beside these weights; None for a whole model.
        base: the model that the adapter stands beside, or that it was merged into.
        packed: whether the matrices of its blocks are kept in four bits once they are loaded.
        named_in: the file that says which base an adapter stands beside; None for a whole model.
    """

    reference: str
    folder: Path
    kind: Kind
    adapter: Path | None = None
    base: Source | None = None
    packed: bool = False
    named_in: Path | None = None

    @property
    def without_adapter(self) -> Source:
        """The whole model that an adapter stands beside, or this one."""
        return self if self.adapter is None or self.base is None else self.base

    @property
    def config_folder(self) -> Path:
        """Where its configuration is: an adapter's own says what the outputs are."""
        return self.folder if self.adapter is None or not (self.adapter / CONFIG).is_file() else self.adapter

    @property
    def tokenizer_folder(self) -> Path:
        """Where its tokenizer is: an adapter's own, if it came with one."""
        return self.folder if self.adapter is None or not has_tokenizer(self.adapter) else self.adapter


def locate(reference: str, *, notify: Notify = silent) -> Source:
    """Find, fetch and convert as needed what the user wrote as `model:`.

    Args:
        reference: a starter's name, a folder, a `.gguf` file, a finished run or a hub id.
        notify: told what takes longer than a moment.

    Raises:
        ModelError: nothing of that name can be used; the message says what was found and the way out.
    """
    path = Path(reference).expanduser()
    if reference.startswith(STARTER):
        return _starter(reference, notify=notify)
    if path.is_dir():
        return _folder(reference, path)
    if path.suffix.lower() == ".gguf" and path.is_file():
        from affina.models.gguf import gguf_folder  # noqa: PLC0415 - torch is needed for this one alone

        return Source(reference=reference, folder=gguf_folder(path, notify=notify), kind="gguf")
    if path.is_file():
        raise _single_file(reference, path)
    if not _HUB_ID.fullmatch(reference) or is_pickle(reference) or path.suffix.lower() in {".gguf", ".safetensors"}:
        raise _no_such_path(reference, path)
    from affina.models.hub import hub_folder  # noqa: PLC0415 - an HTTP client is needed for this one alone

    folder = hub_folder(reference, notify=notify)
    check_folder(folder, where=f"model: {reference}")
    return Source(reference=reference, folder=folder, kind="hub")


def fingerprint(source: Source) -> str:
    """One SHA-256 for the weights of a model, of each file's name and content; of an adapter and its base, for both."""
    beside = () if source.adapter is None else tuple(sorted(source.adapter.glob("adapter_*")))
    return _of_files((*weight_files(source.folder), *beside))


def fingerprint_beside(source: Source) -> str:
    """The same of what stands beside the weights: the configuration and the tokenizer."""
    folders = dict.fromkeys((source.config_folder, source.tokenizer_folder))
    found = [path for folder in folders for path in sorted(folder.iterdir()) if path.is_file()]
    return _of_files(path for path in found if path.suffix not in {".safetensors", ".md"})


def _of_files(paths: Iterable[Path]) -> str:
    whole = hashlib.sha256()
    for path in paths:
        now = path.stat()
        whole.update(f"{path.name} {_sha256(path.absolute(), now.st_size, now.st_mtime_ns)}\n".encode())
    return whole.hexdigest()


@functools.cache
def _sha256(path: Path, _size: int, _time_ns: int) -> str:
    """A file's hash, taken once in a process as long as size and time are the same: weights may be gigabytes."""
    return file_sha256(path)


def _starter(reference: str, *, notify: Notify) -> Source:
    starter = STARTERS.get(reference)
    if starter is None:
        near = get_close_matches(reference, STARTERS, n=1, cutoff=0.5)
        raise ModelError(
            Problem(
                where=f"model: {reference}",
                expected=f"one of {', '.join(STARTERS)}",
                found="no starter of that name",
                fix=f"write `model: {near[0] if near else next(iter(STARTERS))}`",
            )
        )
    return Source(reference=reference, folder=starter_folder(starter, notify=notify), kind="starter")


def _folder(reference: str, path: Path) -> Source:
    where = f"model: {reference}"
    is_run = not (path / CONFIG).is_file() and ((path / RUN_MODEL).is_dir() or (path / "record.jsonl").is_file())
    if not is_run:
        check_folder(path, where=where)
        return Source(reference=reference, folder=path, kind="folder")
    if not (path / RUN_MODEL).is_dir() and (path / RUN_ADAPTER).is_dir():
        raise ModelError(
            Problem(
                where=where,
                expected=f"a run with a whole model, in {RUN_MODEL}/",
                found=f"one that shipped {RUN_ADAPTER}/ alone, which is no model without its base",
                fix=f"give `model` the adapter's own folder: {path / RUN_ADAPTER}",
            )
        )
    if not (path / RUN_MODEL).is_dir():
        raise ModelError(
            Problem(
                where=where,
                expected=f"a finished run, with its model in {RUN_MODEL}/",
                found="a run that has not finished, or of which no model kept its budgets",
                fix=f"finish it first: affina train {path / 'recipe.yaml'} --resume, or take another",
            )
        )
    check_folder(path / RUN_MODEL, where=where)
    return Source(reference=reference, folder=path / RUN_MODEL, kind="run")


def _single_file(reference: str, path: Path) -> ModelError:
    if is_pickle(path.name):
        return pickle_refused(f"model: {reference}", path.name)
    return ModelError(
        Problem(
            where=f"model: {reference}",
            expected="a folder with config.json and safetensors, or a .gguf file",
            found=f"the file {path.name}",
            fix=f"give the folder instead: {path.parent}",
        )
    )


def _no_such_path(reference: str, path: Path) -> ModelError:
    there = path.parent
    while not there.exists():
        there = there.parent
    near = get_close_matches(path.name, [entry.name for entry in there.iterdir()], n=1) if there == path.parent else []
    fix = f"did you mean {there / near[0]}?" if near else f"correct the path, or use one of {', '.join(STARTERS)}"
    return ModelError(
        Problem(
            where=f"model: {reference}",
            expected="a folder, a .gguf file, a finished run, a starter or a hub id",
            found=f"no such path (the last folder of it that exists is {there}), and no hub id can look like that",
            fix=fix,
        )
    )
