"""Verb: verify. Affina's guarantees, shown on the user's own model and rows, or on a finished run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Final

from affina.errors import Problem, RecipeError
from affina.pipeline.prepare import prepare
from affina.recipe.base import AUTO
from affina.recipe.load import check_recipe, load_recipe
from affina.recipe.schema import Recipe
from affina.record.folder import RunFolder
from affina.runtime import exhausted, products
from affina.runtime.machine import available, choose_device
from affina.verbs.recorded import as_recorded
from affina.verbs.runs import FinishedRun, read_run
from affina.verbs.sources import Source, read_source
from affina.verifying.bench import LEAST_ROWS, STEPS, Bench, with_less
from affina.verifying.guarantees import Guarantee
from affina.verifying.order import check_all

DEVICE: Final = "device="
"""The one key that may be given for a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What was looked at.

    Attributes:
        model: as the recipe names it.
        family: of the model.
        task: its name.
        method: its name.
        device: where everything was computed.
        numbers: in what the arithmetic was looked at.
        rows: training rows that were looked at.
        of: training rows in all.
        longest: tokens of the longest of them, which is among those.
        steps: of the short training.
        seed: that drew the rows.
    """

    model: str
    family: str
    task: str
    method: str
    device: str
    numbers: str
    rows: int
    of: int
    longest: int
    steps: int
    seed: int


@dataclass(slots=True, kw_only=True)
class Verified:
    """A verification.

    Attributes:
        looked: what was looked at; None before that is known.
        guarantees: every check, in order.
        seconds: what it took.
    """

    looked: Looked | None = None
    guarantees: list[Guarantee] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return bool(self.guarantees) and not self.failed

    @property
    def failed(self) -> list[Guarantee]:
        """Those that did."""
        return [one for one in self.guarantees if one.standing == "failed"]

    def as_json(self) -> dict[str, Any]:
        """`{"passed", "checks": [{"name", "standing", "said", "figure", "bound"}], "model", ..., "seconds"}`."""
        looked = {} if self.looked is None else asdict(self.looked)
        checks = [one.as_json() for one in self.guarantees]
        return {"passed": self.passed, **looked, "checks": checks, "seconds": self.seconds}


@products.scoped()
def verify(
    source: Source,
    overrides: Sequence[str] = (),
    *,
    rows: int | None = None,
    float64: bool = False,
    tell: Callable[[Looked | Guarantee], None] = lambda _: None,
    notify: Callable[[str], None] = lambda _: None,
) -> Verified:
    """Check what Affina promises of a run on a few of its rows and steps; nothing is written but a temporary folder.

    Args:
        source: a finished run's folder; or a data file, a recipe file (.yaml), a recipe, or its keys as plain data.
        overrides: words like `method=lora`, laid over a file; for a run `device=...` alone.
        rows: training rows to look at; None leaves it to the size of the model.
        float64: look at the arithmetic in float64, where sums differ by 1e-9 at most.
        tell: given what is looked at, before anything is measured, and each guarantee as soon as it is known.
        notify: told of slow work.

    Returns:
        Every check; `passed` where none failed.

    Raises:
        InputError: something that was given cannot be used, or a run cannot be opened.
        NonFiniteError: the short training left the range of numbers.
        ResourceError: the machine ran out of memory.
    """
    started = time.perf_counter()
    if rows is not None and rows < LEAST_ROWS:
        raise RecipeError(_too_few(rows))
    run = _finished(source, notify)
    recipe = with_less(read_source(source, overrides) if run is None else _of_run(run, overrides))
    result = Verified()

    def said(found: Guarantee) -> None:
        result.guarantees.append(found)
        tell(found)

    def looked(bench: Bench) -> None:
        result.looked = _looked(bench)
        tell(result.looked)

    with exhausted.told():
        prepared = prepare(recipe, notify=notify)
        if run is not None:
            said(as_recorded(run, prepared, device=recipe.device, notify=notify))
        check_all(prepared, said, rows=rows, double=float64, begun=looked)
    result.seconds = round(time.perf_counter() - started, 2)
    return result


def _finished(source: Source, notify: Callable[[str], None]) -> FinishedRun | None:
    """The run that a folder holds; None where the source is none.

    Raises:
        RunError: it is damaged, or has no model yet.
    """
    if not isinstance(source, str | PathLike):
        return None
    folder = RunFolder(Path(source))
    return read_run(folder.path, notify=notify) if folder.journal.is_file() or folder.recipe.is_file() else None


def _of_run(run: FinishedRun, overrides: Sequence[str]) -> Recipe:
    """The recipe that a run was trained by, on its own device, or where this machine has none such on another.

    Raises:
        RecipeError: other keys are given.
    """
    if any(not word.startswith(DEVICE) for word in overrides):
        raise RecipeError(_as_trained(run, overrides))
    asked, own = load_recipe(None, overrides=overrides).device, run.recipe.device
    is_here = own == AUTO or available(own)
    device = choose_device(own if asked == AUTO and is_here else asked).type
    if device == run.recipe.device:
        return run.recipe
    tree = run.recipe.model_dump(mode="json")
    return check_recipe({**tree, "device": device, "train": {**tree["train"], "precision": AUTO}})


def _looked(bench: Bench) -> Looked:
    run = bench.run
    return Looked(
        model=run.model.source.reference,
        family=run.model.module.config.model_type,
        task=run.subject.spec.name,
        method=run.method.name,
        device=run.device.type,
        numbers="float64" if bench.double else "float32",
        rows=len(bench.places),
        of=bench.of,
        longest=max(bench.lengths),
        steps=STEPS,
        seed=run.recipe.seed,
    )


def _too_few(rows: int) -> Problem:
    return Problem(
        where="--rows",
        expected=f"at least {LEAST_ROWS} rows: fewer make no batch",
        found=str(rows),
        fix="give a larger number, or leave it out",
    )


def _as_trained(run: FinishedRun, overrides: Sequence[str]) -> Problem:
    return Problem(
        where=f"the run {run.folder.path}",
        expected="no recipe key but device: a run is looked at as it was trained",
        found=" ".join(overrides),
        fix=f"leave them out, or give the recipe: affina verify {run.folder.recipe} {overrides[0]}",
    )
