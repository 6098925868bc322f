"""What a run writes down: one frozen type for each kind of line in `record.jsonl`.

Reports, tables and observers read these types and nothing else, so that they can be re-made from disk, without the
model. Every field is plain JSON data. This module does not write files (`journal`) and computes nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from affina.record.audited import Audited
from affina.record.figures import Measured
from affina.record.guarding import BatchesSplit, Rewound, Skipped
from affina.record.risks import Probed
from affina.record.row_results import RowResults, WrittenTexts
from affina.record.searched import Searched, Tried
from affina.record.starts import ModelLoaded, Predicted, RangeTested, Restarted

NOTICE = "notice"
"""The name of an event that the user was told of before the record began."""
OPENING = "notice"
"""The key of the choice that holds the words which card and report open with."""
STEP_BACK = "step back"
"""The name of the event that says that a run was worth nothing; shown with the result."""
MERGED = "export.merge"
ADAPTER = "export (adapter)"
PEFT = "peft"
"""The keys of whether a whole model is shipped and of the layout of an adapter, and PEFT's layout among these."""
SHIPPED_UNITS = "task (units of the exported logit)"
"""The key of a choice: a number is `shift` + `scale` * the exported model's logit; absent where it is the logit."""
Plain = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The run's first line, and one more each time it goes on: versions, machine and what was asked."""

    time: str
    versions: dict[str, str]
    machine: dict[str, Plain]
    asked: dict[str, Any]
    """The recipe as the user gave it."""
    resolved: dict[str, Any]
    """The same with every `auto` replaced."""
    resumed_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """One value that Affina decided, with the recipe key it stands for."""

    key: str
    value: Any
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something about the data that the user should know; `examples` name rows, at most five."""

    name: str
    count: int
    meaning: str
    examples: tuple[str, ...] = ()
    advice: str = ""
    """What the reader can do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How the numbers of the training rows are spread, where the task is to predict one."""

    least: float
    q25: float
    median: float
    q75: float
    most: float
    mean: float
    deviation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRead:
    """The rows as they are trained on."""

    files: dict[str, str]
    """Path of each file to the SHA-256 of its bytes."""
    columns: dict[str, str]
    """Role (text, text_pair, label, group) to the column that holds it."""
    rows: dict[str, int]
    """Split (train, validation, test) to its number of rows."""
    labels: dict[str, int]
    """Label to its number of training rows, in the order of the model's outputs; of numbers, the column's name."""
    findings: tuple[Finding, ...] = ()
    task: str = "classification"
    spread: Spread | None = None
    """Of the training rows' numbers, where labels are numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """One line of the per-class table."""

    label: str
    precision: Measured
    """Over the rows that were given the label."""
    recall: Measured
    """Over the rows that have the label."""
    f1: Measured
    """Over the rows that have the label or were given it."""

    @property
    def support(self) -> int:
        """How many rows have the label."""
        return self.recall.n


@dataclass(frozen=True, slots=True, kw_only=True)
class CellShare:
    """A cell of the confusion matrix that holds any row, by the places of its labels in `classes`."""

    true: int
    predicted: int
    share: Measured
    """Of the rows with that true label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What one predictor reached on one split: `who` is tuned, or a baseline's name."""

    who: str
    split: str
    metrics: dict[str, Measured]
    classes: tuple[ClassRow, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    """Rows are true labels, columns are predicted ones, in the order of `classes`."""
    cells: tuple[CellShare, ...] = ()
    """The cells of `confusion` that are not 0, row by row."""
    undefined: tuple[str, ...] = ()
    """Metrics that are not defined on these rows, such as a correlation with a prediction that never changes."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every metric, whether it is defined here or not."""
        return (*self.metrics, *self.undefined)

    def as_json(self) -> dict[str, dict[str, float | int | None]]:
        """Metric to `{"value", "low", "high", "n"}`; all but `n` are null where the metric is not defined."""
        rows = max((figure.n for figure in self.metrics.values()), default=0)
        nothing: dict[str, float | int | None] = {"value": None, "low": None, "high": None, "n": rows}
        return {name: asdict(figure) for name, figure in self.metrics.items()} | dict.fromkeys(self.undefined, nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One optimizer step; `rows` and `tokens` are the real ones in it, padding not counted."""

    step: int
    of: int
    """Steps in the whole plan."""
    epoch: float
    loss: float
    learning_rate: float
    gradient_norm: float
    rows: int
    tokens: int
    seconds: float
    """Time spent training since the run began, evaluations and pauses not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """One look at the validation rows in the middle of training."""

    step: int
    epoch: float
    metrics: dict[str, float]
    best: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened and that the reader should not miss."""

    step: int
    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A test row with what the model said of it."""

    text: str
    expected: str
    predicted: str
    probability: float | None = None
    """Of what was predicted, where it has one."""
    probabilities: dict[str, float] = field(default_factory=dict)
    """Of several labels: of each that was given or is right, the highest first."""
    error: float | None = None
    """Predicted minus expected, where they are numbers."""
    where: str = ""
    """The file and row."""
    hidden: int = 0
    """Characters of the text after those that are kept."""
    row: int | None = None
    """Its place among the rows that texts were written for."""
    slots: str = ""
    """Which attributes of its input the text misses and invents, and which were not judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The run's last line."""

    steps: int
    best_step: int
    stopped: str
    seconds: dict[str, float]
    """Stage (data, model, baselines, training, evaluation, total) to its seconds."""
    rows_per_second: float
    tokens_per_second: float
    peak_memory_bytes: int
    memory_bytes: int | None = None
    """The same above what the process held before the run, on a CPU; None where it had held more before."""
    seconds_per_epoch: float | None = None
    """Of wall time, evaluations and writes included; below it the same of processor time."""
    cpu_seconds_per_epoch: float | None = None
    samples: tuple[Sample, ...] = field(default=())
    """Rows of the report's split, drawn at random."""
    worst: tuple[Sample, ...] = field(default=())
    """The rows of that split that the model was most wrong about, of those as wrong the surest first."""


Payload = (
    Started
    | Chosen
    | DataRead
    | Audited
    | ModelLoaded
    | Predicted
    | Scores
    | RowResults
    | WrittenTexts
    | Probed
    | Tried
    | Searched
    | RangeTested
    | Step
    | Restarted
    | Skipped
    | Rewound
    | BatchesSplit
    | Evaluated
    | Event
    | Finished
)
