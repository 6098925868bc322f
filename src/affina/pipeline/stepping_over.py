"""What the frozen blocks gave of a run's rows: written before the training, put in again in each pass, then removed.

The rows are run in one fixed order, in batches that hang on nothing that the training does, and the file is whole or
not there: a run that goes on reads the bits that the stopped one read. Owns the file's life. Whether there is one is
decided in `keeping`.
"""

from __future__ import annotations

import hashlib
import math
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
from affina.models.frozen_prefix import Cut, frozen_states, stepped_over
from affina.pipeline.cutting import layouts_of
from affina.pipeline.kept import Kept, Readable, Stretch
from affina.pipeline.prepared import Prepared
from affina.pipeline.resolved import resolved_recipe
from affina.pipeline.same_run import code_hash, hash_of
from affina.pipeline.stretches import batches_to_keep
from affina.record.files import whole_folder
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.record.payloads import Event
from affina.record.progress import Progress
from affina.reporting.formats import mebibytes, sized
from affina.runtime import heap, randomness
from affina.training.kept_states import Reader, write
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
    except Interrupted as error:
        stopped = True
        raise _with_what_stays(error, folder) from error
    finally:
        states.close()
        if not stopped:
            _remove(folder)


def _with_what_stays(error: Interrupted, folder: RunFolder) -> Interrupted:
    """The same, with what is kept for the run to go on, and how to free it."""
    held = [(path, sum(file.stat().st_size for file in path.iterdir())) for path in folder.path.glob(_name(folder))]
    if not held:
        return error
    first, *others = error.problems
    named = ", ".join(f"{path.name} ({sized(size)})" for path, size in held)
    fix = f"{first.fix}; until then what frozen blocks gave stays there in {named}: removed, it is made again"
    return Interrupted(replace(first, fix=fix), *others)


def _name(folder: RunFolder) -> str:
    return folder.kept_states("*").name


def _remove(folder: RunFolder, *, but: Path | None = None) -> None:
    """Take away what this run or an earlier process has kept, half-written files too, all but one folder."""
    name = _name(folder)
    for path in (*folder.path.glob(name), *folder.path.glob(f".{name}")):
        if path != but:
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
        self._open: Opened | None = None
        self._given_up = False

    @property
    def as_planned(self) -> bool:
        """Whether the disk took it."""
        return not self._given_up

    def fill(self, journal: Journal, *, step: int = 0) -> None:
        """Run the blocks that are frozen in a step once over all rows, unless an earlier process did.

        What was kept for other steps is taken away. Without the room for it, each pass runs the blocks.
        """
        if self._given_up:
            return
        stretch = self._kept.at(step)
        if stretch is None:
            self.close()
            _remove(self._folder)
            return
        path = self._path_of(stretch)
        if self._open is not None and self._open.path == path:
            return
        try:
            if not path.is_dir():
                self._write(stretch, path, journal, step=step)
            self.close()
            _remove(self._folder, but=path)
            self._open = Opened(stretch, path)
        except (OSError, OverflowError, ResourceError, RunError) as error:
            self._given_up = True
            self.close()
            _remove(self._folder)
            why = error.problems[0].found if isinstance(error, AffinaError) else f"{type(error).__name__}: {error}"
            text = f"what the frozen blocks give could not be kept ({why}): they are run in each pass, which is as good"
            journal.append(Event(step=step, name=KEPT, text=text))

    def _path_of(self, stretch: Stretch) -> Path:
        return self._folder.kept_states(_key(self._run, stretch))

    def _write(self, stretch: Stretch, path: Path, journal: Journal, *, step: int) -> None:
        below = self._open if self._is_below(stretch) else None
        if below is None:
            self.close()
        _remove(self._folder, but=below.path if below else None)
        started = time.perf_counter()
        with whole_folder(path) as new, randomness.untouched():
            self._run.attached.eval()
            for split in stretch.shelves:
                self._write_split(split, stretch, new, journal=journal)
        rows = sum(len(shelves[0].rows) for shelves in stretch.shelves.values())
        until = "the training has ended" if math.isinf(stretch.end) else f"step {stretch.end:.0f}"
        text = (
            f"{_blocks_run(stretch, below)} run once over {rows:,} rows: what they gave is kept in"
            f" {mebibytes(stretch.bytes)} until {until} ({time.perf_counter() - started:.1f} s)"
        )
        journal.append(Event(step=step, name=KEPT, text=text))

    def _is_below(self, stretch: Stretch) -> bool:
        """Whether what is at hand is what a stretch goes on from, and still what its blocks would give."""
        before, opened = self._kept.before(stretch), self._open
        return opened is not None and opened.stretch is before and opened.path == self._path_of(opened.stretch)

    def _write_split(self, split: str, stretch: Stretch, folder: Path, *, journal: Journal) -> None:
        run, shelves, done = self._run, stretch.shelves[split], 0
        rows = shelves[0].rows
        kept_small = heap.Heap(largest=1)
        with ExitStack() as files:
            opened = [files.enter_context((folder / shelf.name).open("wb")) for shelf in shelves]
            for places in batches_to_keep(run, split, sorted(rows)):
                for file, shelf, states in zip(opened, shelves, self._states(split, places, stretch.cut), strict=True):
                    write(file, shelf, states)
                kept_small.settle()
                done += len(places)
                journal.show(Progress(what=f"rows, {KEPT}, {split}", done=done, of=len(rows)))

    def _states(self, split: str, places: Sequence[int], cut: Cut) -> list[Tensor]:
        """What the blocks below a cut give of the tokens of these rows, for each stack; those that are known are."""
        run = self._run
        batch = run.subject.batch_of(split, places, run.device)
        with torch.inference_mode(), self._precision(split), self.around(split, places, batch):
            found = frozen_states(run.model.module, cut, lambda: run.subject.read(batch))
        return [layout.gathered(states) for layout, states in zip(layouts_of(cut, batch), found, strict=True)]

    def _precision(self, split: str) -> AbstractContextManager[None]:
        """Rows are evaluated in the weights' own precision, whatever they are trained in."""
        return Precision(self._run.precision, self._run.device).autocast() if split == "train" else nullcontext()

    def around(self, split: str, places: Sequence[int], batch: Readable) -> AbstractContextManager[None]:
        """The frozen blocks are stepped over; before `fill`, where it failed, and for rows not kept, they run."""
        readers = self._open.readers.get(split) if self._open else None
        if self._open is None or readers is None or not readers[0].has(places):
            return nullcontext()
        cut = self._open.stretch.cut
        layouts = layouts_of(cut, batch)
        states = [
            layout.spread(reader.read(places).to(layout.places.device))
            for reader, layout in zip(readers, layouts, strict=True)
        ]
        return stepped_over(self._run.model.module, cut, states)

    def close(self) -> None:
        """Let go of the files; from now on the blocks run."""
        if self._open is not None:
            self._open.close()
        self._open = None


@final
class Opened:
    """The files of a stretch.

    Args:
        stretch: what they hold.
        path: the folder that they are in.

    Raises:
        OSError: one is not there, or of another size.
    """

    def __init__(self, stretch: Stretch, path: Path) -> None:
        self.stretch, self.path = stretch, path
        self.readers: dict[str, list[Reader]] = {}
        try:
            for split, shelves in stretch.shelves.items():
                self.readers[split] = [Reader(path, shelf) for shelf in shelves]
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of them."""
        for readers in self.readers.values():
            for reader in readers:
                reader.close()


def _blocks_run(stretch: Stretch, below: Opened | None) -> str:
    if below is None:
        return "the frozen blocks were"
    return f"{stretch.cut.depth - below.stretch.cut.depth} of {stretch.cut.depth} frozen blocks were"


def _key(prepared: Prepared, stretch: Stretch) -> str:
    """The same where every bit of what is kept would be the same; another version of the code may make others.

    The weights that other stages move are a part of it, as they are now: a run that goes back to its best weights, or
    goes on from a checkpoint, finds a file that fits them or none. So is the precision of the training: under autocast
    too the states are kept in float32, that of the sums between the blocks, but what the blocks add to them is rounded.
    """
    recipe = resolved_recipe(prepared).model_dump(mode="json", include={"data", "task", "method", "seed"})
    held, still = prepared.attached.state_dict(), hashlib.sha256()
    for name in stretch.still:
        still.update(held[name].cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    what = (repr(stretch.cut), repr(stretch.shelves), still.hexdigest(), code_hash())
    return hash_of(prepared, recipe, *what, prepared.evaluation_budget, prepared.precision)[:16]
