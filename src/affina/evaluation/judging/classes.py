"""The judge of single-label classification: probabilities over classes, of which the highest is the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from affina.evaluation import metrics
from affina.evaluation.baselines import STRENGTHS, Floats, LinearProbe, cross_entropy, fit_probe, majority, softmax
from affina.evaluation.intervals import Measure
from affina.evaluation.judging.base import Answer, ByRow, Features, Sampling, Targets, Thresholds
from affina.record.payloads import Scores
from affina.tasks.base import Example
from affina.values import Resolved


@final
@dataclass(frozen=True, slots=True)
class ClassJudge:
    """Judges answers of one label each.

    Attributes:
        labels: the classes, in the order of the logits.
    """

    labels: tuple[str, ...]
    metrics: tuple[str, ...] = metrics.METRICS
    guess_name: str = "majority"
    probe_name: str = "linear_probe"
    has_thresholds: bool = False
    strengths: tuple[float, ...] = STRENGTHS

    @property
    def even_loss(self) -> float:
        """The entropy of equal shares, in nats."""
        return math.log(len(self.labels))

    def watched(self, *, weighted: bool) -> Resolved[str]:
        """Accuracy, but where the classes are weighted."""
        return Resolved("macro_f1", "the classes are weighted") if weighted else Resolved("accuracy", "one label a row")

    def targets(self, examples: Sequence[Example]) -> Targets:
        """[rows], the places of the classes."""
        return np.array([example.target for example in examples], dtype=np.int64)

    def read(self, logits: NDArray[Any]) -> Floats:
        """Probabilities [rows, classes]."""
        return softmax(logits)

    def loss(self, outputs: Floats, targets: Targets) -> float:
        """The cross-entropy, in nats."""
        return cross_entropy(outputs, targets)

    def guess(self, targets: Targets, *, rows: int) -> Floats:
        """The classes' shares, whatever the text."""
        return majority(targets, classes=len(self.labels), rows=rows)

    def guess_thresholds(self, targets: Targets) -> Thresholds | None:
        """The highest share is the answer."""
        return None

    def fit(self, features: Features, targets: Targets, *, strength: float, intercept: bool = True) -> LinearProbe:
        """A logistic regression."""
        classes = len(self.labels)
        return fit_probe(features, targets.tolist(), classes=classes, strength=strength, intercept=intercept)

    def told(self, probe: LinearProbe, targets: Targets) -> NDArray[np.bool_]:
        """Those of a class that the probe has seen."""
        return np.isin(targets, probe.seen)

    def quick(self, outputs: Floats, targets: Targets) -> dict[str, float]:
        """The metrics without intervals."""
        return metrics.quick(outputs, targets)

    def measure(self, outputs: Floats, targets: Targets, thresholds: Thresholds | None) -> Measure:
        """Accuracy, macro-F1, cross-entropy and calibration error."""
        return metrics.measure_of(outputs, targets)

    def decide(self, outputs: Floats, targets: Targets) -> Thresholds | None:
        """There is nothing to decide."""
        return None

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
        """All metrics, the per-class table and the confusion matrix."""
        return metrics.score(
            outputs,
            targets,
            self.labels,
            who=who,
            split=split,
            resamples=sampling.resamples,
            confidence=sampling.confidence,
            seed=sampling.seed,
        )

    def by_row(self, outputs: Floats, targets: Targets, thresholds: Thresholds | None) -> ByRow:
        """Accuracy and cross-entropy."""
        predicted = outputs.argmax(axis=1)
        chance = np.maximum(outputs[np.arange(len(outputs)), targets], np.finfo(np.float64).tiny)
        return ByRow(
            {"accuracy": (predicted == targets).astype(np.float64), "loss": -np.log(chance)},
            expected=targets,
            predicted=predicted,
        )

    def sureness(self, outputs: Floats) -> Floats:
        """The probability of the answer."""
        return np.asarray(outputs.max(axis=1), dtype=np.float64)

    def answer(self, outputs: Floats, thresholds: Thresholds | None) -> Answer:
        """The most probable label."""
        label = self.labels[int(outputs.argmax())]
        shares = dict(zip(self.labels, outputs.tolist(), strict=True))
        return Answer(label, label=label, probability=shares[label], probabilities=shares)

    def wrongness(self, outputs: Floats, targets: Targets, thresholds: Thresholds | None) -> Floats:
        """1 where another class is the most probable."""
        return np.asarray(outputs.argmax(axis=1) != targets, dtype=np.float64)

    def expected(self, target: Any) -> Answer:
        """The class."""
        return Answer(self.labels[int(target)], label=self.labels[int(target)])
