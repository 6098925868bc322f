"""What a forecast says, as plain data: memory, time, disk, and the changes that would make a run fit.

Nothing is computed here from a model, and torch is not needed: the process that shows a plan stays small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The most memory that the run holds, in bytes.

    Attributes:
        peak: above the interpreter after its imports on a CPU; allocated on the device elsewhere.
        least: where we have seen the peak end up, at the least,
        most: and at the most.
        interpreter: what the process holds after its imports.
        stages: stage of the run to the most that is held in it, in the same terms as `peak`.
        parts: what the peak of the training consists of, as far as the sizes tell.
        how: where the figures are from.
    """

    peak: int
    least: int
    most: int
    interpreter: int
    stages: dict[str, int]
    parts: dict[str, int]
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """Seconds of wall time on this machine as it is now.

    Attributes:
        per_epoch: training steps, evaluations and writes in one epoch.
        least: where we have seen that end up, at the least,
        most: and at the most.
        steps: of `per_epoch`, the optimizer steps.
        evaluations: of `per_epoch`, the evaluations.
        writes: of `per_epoch`, the best weights written.
        cpu_per_epoch: processor time of `per_epoch`; None where only the sizes were looked at.
        epochs: the fewest that early stopping can make of it, and the most.
        before: seconds from the start to the first step: data, model, baselines, head, rates.
        after: seconds from the last step to the end: export, evaluation, report.
        how: where the figures are from.
        again: times what a step's passes take, with the blocks run again in the backward pass over without: measured;
            None where that was not.
    """

    per_epoch: float
    least: float
    most: float
    steps: float
    evaluations: float
    writes: float
    cpu_per_epoch: float | None
    epochs: tuple[float, float]
    before: float
    after: float
    how: str
    again: float | None = None

    @property
    def total(self) -> tuple[float, float]:
        """Seconds of the whole run, at the least and at the most, by the number of epochs."""
        fewest, most = self.epochs
        around = self.before + self.after
        return around + fewest * self.per_epoch, around + most * self.per_epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """Bytes that the run writes.

    Attributes:
        checkpoints: what is left of them at the end, the best weights among it.
        model: what is exported.
        record: the record and the report.
        peak: the most that the run folder may take at any time: every evaluation the best so far, no early end.
        least: what it takes even if the run ends early: a checkpoint, the best weights, the model, the record.
        cached: what the model takes in its folder or the cache, where it is already.
        states: what frozen blocks give of the rows, while it is trained.
    """

    checkpoints: int
    model: int
    record: int
    peak: int
    least: int
    cached: int
    states: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Recipe keys that would make the run smaller.

    Attributes:
        words: `key=value` words.
        peak: what `Memory.peak` would be.
        costs: what is given up, in words.
    """

    words: tuple[str, ...]
    peak: int
    costs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Everything that is said of a run before it starts.

    Attributes:
        key: names the run that this is about: its recipe, data, model and threads.
        model: as it was referred to.
        family: the model's kind.
        method: what may change.
        device: cpu, cuda or mps.
        precision: of the matrix products.
        parameters: of the model.
        trained: how many of them train.
        rows: split to its number of rows.
        batch_tokens: tokens in a micro-batch.
        parts: that each is computed in, for the memory that is there.
        longest: tokens in the longest training row.
        steps_per_epoch: optimizer steps.
        memory: the most that is held.
        time: what it takes.
        disk: what is written.
        changes: smaller runs, the least change first.
        steps: how many training steps were run to find out.
    """

    key: str
    model: str
    family: str
    method: str
    device: str
    precision: str
    parameters: int
    trained: int
    rows: dict[str, int]
    batch_tokens: int
    parts: int
    longest: int
    steps_per_epoch: int
    memory: Memory
    time: Time
    disk: Disk
    changes: tuple[Change, ...] = ()
    steps: int = 0


def read_forecast(plain: dict[str, Any]) -> Forecast:
    """A forecast from what `dataclasses.asdict` made of it, after a way through JSON."""
    time = {**plain["time"], "epochs": tuple(plain["time"]["epochs"])}
    changes = tuple(Change(**{**change, "words": tuple(change["words"])}) for change in plain["changes"])
    parts = {"memory": Memory(**plain["memory"]), "time": Time(**time), "disk": Disk(**plain["disk"])}
    return Forecast(**{**plain, **parts, "changes": changes})
