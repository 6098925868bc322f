"""What a comparison writes down: the one frozen type behind `compare.json`, and its reader.

The page and the terminal read these types and nothing else, so that they can be made again from disk, without a model
and without the runs. Every field is plain JSON data. This module computes nothing.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import TypeAdapter, ValidationError

from affina.errors import Problem, RunError
from affina.record.figures import Measured
from affina.record.files import write_text
from affina.record.payloads import Plain
from affina.record.strict import strict_json

FILE: Final = "compare.json"
FORMAT: Final = 1
State = Literal["finished", "failed", "dropped", "open"]
"""`dropped` is a candidate that was stopped early, `open` one that has not come to its end yet."""
COSTS: Final = ("trained", "seconds", "memory_bytes", "bytes")
"""Trained weights; seconds of training; the most memory of a process; bytes to ship."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What is compared: a recipe that is run once for each seed."""

    name: str
    folder: str
    """How the names of its runs' folders begin."""
    asked: dict[str, Any]
    """The recipe as it was asked for, without its seeds and its folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateRun:
    """One run of a candidate, an ordinary one in a folder of its own."""

    candidate: str
    seed: int
    folder: str
    """Within the comparison's folder."""
    share: float = 1.0
    """Of the budget: below 1 in a rung."""
    state: Literal["finished", "failed"] = "finished"
    reason: str = ""
    """Why it failed."""
    status: int = 0
    """The exit status that it would have had by itself."""
    wall_seconds: float | None = None
    """Of its whole process, as the comparison saw it; None where another process ran it."""
    ships: str = ""
    """The folder that is to be passed on, and how many bytes that is, without the card."""
    bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A round of successive halving, judged by the validation rows alone."""

    share: float
    """Of the budget."""
    metric: str
    scores: dict[str, float | None]
    """Candidate to the metric of its best evaluation; None where the run failed."""
    kept: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a candidate, or a baseline, came to; figures are means over its seeds."""

    name: str
    state: State = "finished"
    reason: str = ""
    """Why it has no figure of the chosen metric."""
    metrics: dict[str, Measured] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    by_seed: tuple[float, ...] = ()
    """The chosen metric of each of them."""
    behind: Measured | None = None
    """The chosen metric minus the best candidate's on the same rows; None for the best, and where rows differ."""
    level: bool = False
    """Whether the rows cannot tell it apart from the best."""
    costs: dict[str, float] = field(default_factory=dict)
    fronts: tuple[str, ...] = ()
    """The costs for which nobody is better without costing more, nor cheaper without being worse."""
    parameters: int = 0
    """Of the whole model, for `costs["trained"]`."""
    chosen: dict[str, Plain] = field(default_factory=dict)
    """Recipe key to what it came to, of the first seed."""
    ships: str = ""
    remark: str = ""
    """Why it cannot be set beside the best: other rows, answers that say nothing, or budgets that it does not keep; of
    a baseline its rows, if few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsUsed:
    """The rows that all candidates share, before the length limit."""

    files: dict[str, str]
    """Path of each file to the SHA-256 of its bytes."""
    rows: dict[str, int]
    """Split to its number of rows."""
    sha256: dict[str, str]
    """Split to a hash of its texts and what is expected of them, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A whole comparison, as far as it has come."""

    format: int
    folder: str
    """As it was named, seen from where it was started."""
    command: str
    """The words that go on with it, or make it again; empty where it was not asked for in words."""
    started: str
    written: str
    finished: bool
    base: dict[str, Any]
    """What all candidates were asked for, `auto` where it was left open."""
    data: RowsUsed
    seeds: tuple[int, ...]
    halving: int | None
    candidates: tuple[Candidate, ...]
    runs: tuple[CandidateRun, ...] = ()
    rungs: tuple[Rung, ...] = ()
    metric: str = ""
    split: str = ""
    rows: int = 0
    """Of that split, that the chosen metric is of."""
    confidence: float = 0.95
    standings: tuple[Standing, ...] = ()
    """The best first; then those that cannot be set beside it; those without a figure last."""
    baselines: tuple[Standing, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    machine: dict[str, Plain] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What a reader of the figures must not miss."""

    @property
    def exit_status(self) -> int:
        """0, or where a candidate failed the status of that: a fault of ours (1) before bad input (2)."""
        return min((run.status for run in self.runs if run.state == "failed"), default=0)

    def as_json(self) -> dict[str, Any]:
        """The whole of it, as `compare.json` has it."""
        return dataclasses.asdict(self)


def write(folder: Path, found: Compared) -> None:
    """Put `compare.json` into the folder of a comparison, whole or not at all."""
    write_text(folder / FILE, strict_json(found.as_json(), indent=1) + "\n")


def read(folder: Path) -> Compared:
    """The comparison in a folder.

    Raises:
        RunError: there is none, or it is damaged or of another version.
    """
    path = folder / FILE
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(tree, dict) and tree.get("format") != FORMAT:
            raise RunError(_refused(path, f"format {tree.get('format')!r}"))
        return _adapter().validate_python(tree)
    except FileNotFoundError:
        raise RunError(_refused(path, "no such file")) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise RunError(_refused(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")) from error
    except (OSError, ValueError) as error:
        raise RunError(_refused(path, f"no JSON: {error}")) from error


@cache
def _adapter() -> TypeAdapter[Compared]:
    return TypeAdapter(Compared)


def _refused(path: Path, found: str) -> Problem:
    return Problem(
        where=str(path),
        expected=f"what a comparison writes down, in format {FORMAT}",
        found=found,
        fix="give the command of the comparison again with another run=...; finished runs are kept in the old folder",
    )
