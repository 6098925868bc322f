"""What the frozen blocks gave of a run's rows: written before the training, put in again in each pass, then removed.

The rows are run in one fixed order, in batches that hang on nothing that the training does, and the file is whole or
not there: a run that goes on reads the bits that the stopped one read. Owns the file's life. Whether there is one is
decided in `keeping`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from affina.errors import AffinaError, Interrupted, ResourceError, RunError
from affina.models.frozen_prefix import frozen_states, stepped_over
from affina.pipeline.cutting import layouts_of
from affina.pipeline.keeping import batches_to_keep
from affina.pipeline.kept import Kept, Readable
from affina.pipeline.prepared import Prepared
from affina.pipeline.resolved import resolved_recipe
from affina.pipeline.same_run import hash_of
from affina.record.files import whole_folder
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.record.payloads import Event
from affina.record.progress import Progress
from affina.reporting.formats import mebibytes
from affina.runtime import heap, randomness
from affina.training.kept_states import Reader, Shelf, write
from affina.training.precision import Precision

KEPT = "frozen blocks"
"""The event of a file that was written, or could not be."""


@contextmanager
def with_frozen_states(prepared: Prepared, folder: RunFolder) -> Iterator[Prepared]:
    """The run with what is kept of its frozen blocks at hand, while the block runs; then nothing is left of it.

    A run that the user stopped keeps its file until it has gone on.
    """
    if prepared.kept is None:
        _remove(folder)
        yield prepared
        return
    states = StatesOnDisk(prepared, prepared.kept, folder)
    stopped = False
    try:
        yield replace(prepared, frozen=states)
    except Interrupted:
        stopped = True
        raise
    finally:
        states.close()
        if not stopped:
            _remove(folder)


def _remove(folder: RunFolder) -> None:
    """Take away what this run or an earlier process has kept, half-written files too."""
    name = folder.kept_states("*").name
    for path in (*folder.path.glob(name), *folder.path.glob(f".{name}")):
        shutil.rmtree(path, ignore_errors=True)


@final
class StatesOnDisk:
    """See `FrozenStates`.

    Args:
        prepared: the run.
        kept: what is kept.
        folder: where.
    """

    def __init__(self, prepared: Prepared, kept: Kept, folder: RunFolder) -> None:
        self._run, self._kept, self._folder = prepared, kept, folder
        self._path = folder.kept_states(_key(prepared, kept))
        self._readers: dict[str, list[Reader]] = {}
        self._given_up = False

    @property
    def as_planned(self) -> bool:
        """Whether the disk took it."""
        return not self._given_up

    def fill(self, journal: Journal) -> None:
        """Run the frozen blocks once over all rows, unless an earlier process did; without the room, each pass does."""
        if self._readers or self._given_up:
            return
        try:
            if not self._path.is_dir():
                self._write(journal)
            self._open()
        except (OSError, OverflowError, ResourceError, RunError) as error:
            self._given_up = True
            self.close()
            _remove(self._folder)
            why = error.problems[0].found if isinstance(error, AffinaError) else f"{type(error).__name__}: {error}"
            text = f"what the frozen blocks give could not be kept ({why}): they are run in each pass, which is as good"
            journal.append(Event(step=0, name=KEPT, text=text))

    def _write(self, journal: Journal) -> None:
        _remove(self._folder)
        started = time.perf_counter()
        with whole_folder(self._path) as path, randomness.untouched():
            self._run.attached.eval()
            for split, shelves in self._kept.shelves.items():
                self._write_split(split, shelves, path, journal=journal)
        rows = sum(len(shelves[0].rows) for shelves in self._kept.shelves.values())
        text = (
            f"the frozen blocks were run once over {rows:,} rows: what they gave is kept in"
            f" {mebibytes(self._kept.bytes)} until the training has ended ({time.perf_counter() - started:.1f} s)"
        )
        journal.append(Event(step=0, name=KEPT, text=text))

    def _write_split(self, split: str, shelves: Sequence[Shelf], folder: Path, *, journal: Journal) -> None:
        run, rows, done = self._run, shelves[0].rows, 0
        kept_small = heap.Heap(largest=1)
        with ExitStack() as files:
            opened = [files.enter_context((folder / shelf.name).open("wb")) for shelf in shelves]
            for places in batches_to_keep(run, split, sorted(rows)):
                for file, shelf, states in zip(opened, shelves, self._states(split, places), strict=True):
                    write(file, shelf, states)
                kept_small.settle()
                done += len(places)
                journal.show(Progress(what=f"rows, {KEPT}, {split}", done=done, of=len(rows)))

    def _states(self, split: str, places: Sequence[int]) -> list[Tensor]:
        """What the frozen blocks give of the tokens of these rows, for each stack."""
        run, cut = self._run, self._kept.cut
        batch = run.subject.batch_of(split, places, run.device)
        with torch.inference_mode(), self._precision(split):
            found = frozen_states(run.model.module, cut, lambda: run.subject.read(batch))
        return [layout.gathered(states) for layout, states in zip(layouts_of(cut, batch), found, strict=True)]

    def _precision(self, split: str) -> AbstractContextManager[None]:
        """Rows are evaluated in the weights' own precision, whatever they are trained in."""
        return Precision(self._run.precision, self._run.device).autocast() if split == "train" else nullcontext()

    def _open(self) -> None:
        for split, shelves in self._kept.shelves.items():
            self._readers[split] = [Reader(self._path, shelf) for shelf in shelves]

    def around(self, split: str, places: Sequence[int], batch: Readable) -> AbstractContextManager[None]:
        """The frozen blocks are stepped over; before `fill`, where it failed, and for rows not kept, they run."""
        readers = self._readers.get(split)
        if readers is None or not readers[0].has(places):
            return nullcontext()
        layouts = layouts_of(self._kept.cut, batch)
        states = [
            layout.spread(reader.read(places).to(layout.places.device))
            for reader, layout in zip(readers, layouts, strict=True)
        ]
        return stepped_over(self._run.model.module, self._kept.cut, states)

    def close(self) -> None:
        """Let go of the files; from now on the blocks run."""
        for readers in self._readers.values():
            for reader in readers:
                reader.close()
        self._readers = {}


def _key(prepared: Prepared, kept: Kept) -> str:
    """The same where every bit of what is kept would be the same."""
    recipe = resolved_recipe(prepared).model_dump(mode="json", include={"data", "task", "method", "seed"})
    return hash_of(prepared, recipe, repr(kept), prepared.evaluation_budget, prepared.precision)[:16]
