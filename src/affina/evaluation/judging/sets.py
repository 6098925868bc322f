"""The judge of multi-label classification: a probability for each label, given from its threshold on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, final

import numpy as np
from numpy.typing import NDArray

from affina.data.labelling.several import NO_LABEL
from affina.evaluation import set_metrics
from affina.evaluation.baselines import STRENGTHS, Floats, LinearProbe
from affina.evaluation.intervals import Measure
from affina.evaluation.judging.base import Answer, ByRow, Features, Sampling, Targets, Thresholds
from affina.evaluation.probes import fit_one_vs_rest, sigmoid
from affina.evaluation.thresholds import POSITIVES, best_threshold, choose_thresholds
from affina.recipe.base import AUTO, Auto
from affina.record.payloads import Scores
from affina.tasks.base import Example
from affina.values import Resolved

NEVER: Final = 2.0
"""A threshold that no probability reaches."""


@final
@dataclass(frozen=True, slots=True)
class SetJudge:
    """Judges answers of any number of labels.

    Attributes:
        labels: in the order of the logits.
        asked: the recipe's `task.thresholds`.
    """

    labels: tuple[str, ...]
    asked: Literal["shared", "per_label"] | float | Auto = AUTO
    metrics: tuple[str, ...] = set_metrics.METRICS
    guess_name: str = "most_frequent_set"
    probe_name: str = "linear_probe"
    has_thresholds: bool = True
    strengths: tuple[float, ...] = STRENGTHS
    even_loss: float = math.log(2)

    def watched(self, *, weighted: bool) -> Resolved[str]:
        """Micro-F1, but where the labels are weighted."""
        if weighted:
            return Resolved("macro_f1", "the labels are weighted")
        return Resolved("micro_f1", "any number of labels a row; in training at one threshold for all labels")

    def targets(self, examples: Sequence[Example]) -> Targets:
        """[rows, labels], whether the row has the label."""
        found = np.zeros((len(examples), len(self.labels)), dtype=np.bool_)
        for row, example in enumerate(examples):
            if isinstance(example.target, tuple):
                found[row, list(example.target)] = True
        return found

    def read(self, logits: NDArray[Any]) -> Floats:
        """Probabilities [rows, labels]."""
        return sigmoid(logits)

    def loss(self, outputs: Floats, targets: Targets) -> float:
        """The mean binary cross-entropy over rows and labels, in nats."""
        return float(set_metrics.cross_entropy(outputs, targets).mean())

    def guess(self, targets: Targets, *, rows: int) -> Floats:
        """The labels' shares, whatever the text."""
        return np.tile(targets.mean(axis=0), (rows, 1))

    def guess_thresholds(self, targets: Targets) -> Thresholds | None:
        """Those under which every row is given the most frequent set of labels."""
        sets = Counter(map(tuple, targets.tolist()))
        most = max(sets, key=lambda labels: sets[labels])
        return Thresholds(tuple(0.0 if given else NEVER for given in most), "the most frequent set of labels")

    def fit(self, features: Features, targets: Targets, *, strength: float, intercept: bool = True) -> LinearProbe:
        """A logistic regression for each label."""
        return fit_one_vs_rest(features, targets, strength=strength, intercept=intercept)

    def told(self, probe: LinearProbe, targets: Targets) -> NDArray[np.bool_]:
        """Every row tells."""
        return np.ones(len(targets), dtype=np.bool_)

    def quick(self, outputs: Floats, targets: Targets) -> dict[str, float]:
        """The metrics at the one threshold that is best on these rows: a single number, which hardly overfits them."""
        shared = best_threshold(outputs.ravel(), targets.ravel())
        return set_metrics.quick(outputs, targets, np.full(len(self.labels), shared))

    def measure(self, outputs: Floats, targets: Targets, thresholds: Thresholds | None) -> Measure:
        """F1, subset accuracy, average precision and cross-entropy."""
        return set_metrics.measure_of(outputs, targets, self._at(thresholds))

    def decide(self, outputs: Floats, targets: Targets) -> Thresholds | None:
        """The thresholds that the recipe asks for, on these rows."""
        if isinstance(self.asked, float):
            return Thresholds((self.asked,) * len(self.labels), "given in the recipe")
        policy = "shared" if self.asked == AUTO else self.asked
        values = choose_thresholds(outputs, targets, policy=policy)
        how = f"the highest F1 on {len(targets):,} validation rows"
        if policy == "shared":
            return Thresholds(tuple(values.tolist()), f"{how}, one for all labels")
        fewest = int(targets.sum(axis=0).min())
        own = f"each label's own as far as its positive rows tell (half-way at {POSITIVES}, the fewest have {fewest:,})"
        return Thresholds(tuple(values.tolist()), f"{how}; {own}, else the one for all")

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
        """All metrics and the per-label table."""
        return set_metrics.score(
            outputs,
            targets,
            self._at(thresholds),
            self.labels,
            who=who,
            split=split,
            resamples=sampling.resamples,
            confidence=sampling.confidence,
            seed=sampling.seed,
        )

    def by_row(self, outputs: Floats, targets: Targets, thresholds: Thresholds | None) -> ByRow:
        """Subset accuracy and binary cross-entropy; micro-F1 as twice the right labels over those given and there."""
        given = outputs >= self._at(thresholds)
        right = (given == targets).all(axis=1)
        halves = (2.0 * (given & targets).sum(axis=1), (given.astype(np.float64) + targets).sum(axis=1))
        loss = set_metrics.cross_entropy(outputs, targets)
        return ByRow({"subset_accuracy": right.astype(np.float64), "loss": loss}, {"micro_f1": halves})

    def sureness(self, outputs: Floats) -> Floats:
        """A set of labels has no probability."""
        return np.zeros(len(outputs))

    def answer(self, outputs: Floats, thresholds: Thresholds | None) -> Answer:
        """The labels whose probability reaches their threshold."""
        labels = self.expected(outputs >= self._at(thresholds)).labels or ()
        shares = dict(zip(self.labels, outputs.tolist(), strict=True))
        return Answer(", ".join(labels) or NO_LABEL, labels=labels, probabilities=shares)

    def wrongness(self, outputs: Floats, targets: Targets, thresholds: Thresholds | None) -> Floats:
        """How many labels are wrong."""
        return np.asarray(((outputs >= self._at(thresholds)) != targets).sum(axis=1), dtype=np.float64)

    def expected(self, target: Any) -> Answer:
        """The labels."""
        labels = tuple(label for label, has in zip(self.labels, target, strict=True) if has)
        return Answer(", ".join(labels) or NO_LABEL, labels=labels)

    def _at(self, thresholds: Thresholds | None) -> Floats:
        return np.full(len(self.labels), 0.5) if thresholds is None else np.array(thresholds.values)
