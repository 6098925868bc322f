"""What a finished run of a candidate came to, read from its record. The model is not opened."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from affina.record import journal
from affina.record.compared import CandidateRun
from affina.record.folder import RunFolder
from affina.record.payloads import Chosen, Payload, Plain, Step
from affina.record.starts import RangeTested, Restarted
from affina.reporting.gathered import Gathered, gather

TUNED: Final = "tuned"
CHOSEN: Final = (
    "train.learning_rate",
    "train.head_learning_rate",
    "train.head_start",
    "train.epochs",
    "train.batch_tokens",
    "evaluate.metric",
)
"""What a reader of a comparison wants to know of each candidate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A finished run.

    Attributes:
        run: as the comparison has it.
        gathered: its record.
        seconds: of training, the search for its rate included, evaluations and pauses not; over all of its starts.
        chosen: recipe key to what was decided.
    """

    run: CandidateRun
    gathered: Gathered
    seconds: float
    chosen: dict[str, Plain]

    @property
    def costs(self) -> dict[str, float]:
        """What it cost, by the names of `record.compared.COSTS`; what the record does not say is left out."""
        found = {"seconds": self.seconds}
        if self.gathered.model is not None:
            found["trained"] = float(self.gathered.model.trained)
        if self.gathered.finished is not None:
            found["memory_bytes"] = float(self.gathered.finished.peak_memory_bytes)
        if self.run.bytes is not None:
            found["bytes"] = float(self.run.bytes)
        return found


def read_result(folder: Path, run: CandidateRun) -> Result:
    """Read a finished run's record.

    Raises:
        RunError: there is none, or it is damaged.
    """
    records = journal.read_known(RunFolder(folder / run.folder).journal).records
    chosen = {line.key: line.value for line in records if isinstance(line, Chosen) and line.key in CHOSEN}
    return Result(run=run, gathered=gather(records), seconds=round(_trained_for(records), 3), chosen=chosen)


def validation_score(folder: Path, run: CandidateRun) -> tuple[str, float | None]:
    """The metric that chose the weights, and what it was on the validation rows; the test rows are not looked at."""
    gathered = read_result(folder, run).gathered
    metric = gathered.chosen_metric or ""
    best = next((look for look in reversed(gathered.evaluations) if look.best), None)
    score = None if best is None else best.metrics.get(metric)
    return metric, score if score is not None and math.isfinite(score) else None


def _trained_for(records: Sequence[Payload]) -> float:
    """The seconds of every step and of every range test; a start that was given up counts too."""
    whole, start = 0.0, 0.0
    for line in records:
        if isinstance(line, Step):
            start = line.seconds
        elif isinstance(line, RangeTested):
            whole += line.seconds
        elif isinstance(line, Restarted):
            whole, start = whole + start, 0.0
    return whole + start
