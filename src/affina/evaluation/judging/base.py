"""The contract between a task's answers and everything that measures, compares and shows them.

"Outputs" are what a model's logits mean to the task: probabilities of classes or of labels, or numbers in the user's
own units. A judge knows no model, no method and no file; thresholds are the one thing that it learns, from validation
rows, and they are handed around so that every predictor has its own, chosen on equal terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from affina.evaluation.baselines import Floats, LinearProbe
from affina.evaluation.intervals import Measure
from affina.record.payloads import Scores
from affina.tasks.base import Example
from affina.values import Resolved

Targets = NDArray[Any]
"""The right answers: [rows] places of classes, [rows, labels] of 0 and 1, or [rows] numbers."""
Features = NDArray[np.float32]
"""[rows, width]."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which probability on each label is given, and how that was found."""

    values: tuple[float, ...]
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the intervals are drawn: bootstrap draws, their level, and the seed."""

    resamples: int
    confidence: float
    seed: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered of one row.

    Attributes:
        shown: in a few words: the label, the labels, or the number.
        label: the one label, where there is one.
        labels: every label that is given, where there may be several.
        value: the number, where it is one.
        probability: of `shown`, where it has one.
        probabilities: of every label.
        text: the whole text, where one is written.
    """

    shown: str
    label: str | None = None
    labels: tuple[str, ...] | None = None
    value: float | None = None
    probability: float | None = None
    probabilities: dict[str, float] | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class ByRow:
    """What a predictor's answers come to row by row.

    Attributes:
        values: metric to each row's part in it, [rows]; the metric is their mean.
        parts: metric that is no such mean to each row's share in the sums that it is made of.
        expected: [rows], the places of the right classes, where each row has one.
        predicted: [rows], those of the answers.
        numbers: [rows, 2], the right number and the answer, where they are numbers.
    """

    values: dict[str, Floats]
    parts: dict[str, tuple[Floats, ...]] = field(default_factory=dict)
    expected: NDArray[np.int64] | None = None
    predicted: NDArray[np.int64] | None = None
    numbers: Floats | None = None


class Judge(Protocol):
    """What the pipeline and the verbs need to know of a task's answers."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """What can choose the best checkpoint, in the order shown."""
        ...

    @property
    def guess_name(self) -> str:
        """The record's name of the predictor that reads no text."""
        ...

    @property
    def probe_name(self) -> str:
        """The record's name of the probe on the untouched model."""
        ...

    @property
    def strengths(self) -> tuple[float, ...]:
        """Inverse L2 strengths of the baseline probe, among which the validation rows choose."""
        ...

    @property
    def has_thresholds(self) -> bool:
        """Whether `decide` finds thresholds on validation rows."""
        ...

    @property
    def even_loss(self) -> float:
        """The loss of a guess that knows nothing, where both sides or all classes weigh the same."""
        ...

    def watched(self, *, weighted: bool) -> Resolved[str]:
        """The metric that chooses the best checkpoint where the recipe does not say."""
        ...

    def targets(self, examples: Sequence[Example]) -> Targets:
        """The right answers of examples that all have one."""
        ...

    def read(self, logits: NDArray[Any]) -> Floats:
        """Logits [rows, outputs] to outputs."""
        ...

    def loss(self, outputs: Floats, targets: Targets) -> float:
        """The mean of the loss that is trained, unweighted."""
        ...

    def guess(self, targets: Targets, *, rows: int) -> Floats:
        """The outputs of the best guess that reads no text.

        Args:
            targets: of the training rows.
            rows: how many rows to guess.
        """
        ...

    def guess_thresholds(self, targets: Targets) -> Thresholds | None:
        """The thresholds under which that guess is given to every row."""
        ...

    def fit(self, features: Features, targets: Targets, *, strength: float, intercept: bool = True) -> LinearProbe:
        """A linear model of this task on some features; its logits are those of a head.

        Args:
            features: [rows, width].
            targets: of the same rows.
            strength: inverse L2 strength.
            intercept: whether there is a bias.
        """
        ...

    def told(self, probe: LinearProbe, targets: Targets) -> NDArray[np.bool_]:
        """Which rows say how good a probe is: not those of a class that its own rows lacked."""
        ...

    def quick(self, outputs: Floats, targets: Targets) -> dict[str, float]:
        """The metrics without intervals, for evaluations in the middle of training."""
        ...

    def measure(self, outputs: Floats, targets: Targets, thresholds: Thresholds | None) -> Measure:
        """How often each row counts to `metrics`; what these rows cannot tell is not a number."""
        ...

    def decide(self, outputs: Floats, targets: Targets) -> Thresholds | None:
        """Thresholds from validation rows; None for a task without any."""
        ...

    def score(
        self,
        outputs: Floats,
        targets: Targets,
        thresholds: Thresholds | None,
        *,
        who: str,
        split: str,
        sampling: Sampling,
    ) -> Scores:
        """All metrics with their intervals.

        Args:
            outputs: of the predictor.
            targets: of the same rows.
            thresholds: the predictor's own.
            who: the predictor's name.
            split: which rows these are.
            sampling: how the intervals are drawn.
        """
        ...

    def by_row(self, outputs: Floats, targets: Targets, thresholds: Thresholds | None) -> ByRow:
        """What the metrics that are means over rows are made of."""
        ...

    def sureness(self, outputs: Floats) -> Floats:
        """For each row how sure of its answer the predictor is; equal where the task has no such thing."""
        ...

    def answer(self, outputs: Floats, thresholds: Thresholds | None) -> Answer:
        """What is answered of one row, from its outputs [outputs]."""
        ...

    def wrongness(self, outputs: Floats, targets: Targets, thresholds: Thresholds | None) -> Floats:
        """For each row 0 where the answer is right, and more the more it is wrong."""
        ...

    def expected(self, target: Any) -> Answer:
        """A right answer, as an answer is written."""
        ...
