"""The judge of regression: numbers in the user's own units, whatever the head counts in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from affina.evaluation import number_metrics
from affina.evaluation.baselines import Floats, LinearProbe
from affina.evaluation.intervals import Measure
from affina.evaluation.judging.base import Answer, ByRow, Features, Sampling, Targets, Thresholds
from affina.evaluation.probes import RIDGE_STRENGTHS, fit_ridge
from affina.models.units import PLAIN, Units
from affina.record.payloads import Scores
from affina.tasks.base import Example
from affina.values import Resolved


@final
@dataclass(frozen=True, slots=True)
class NumberJudge:
    """Judges answers of a number each.

    Attributes:
        units: of the head's logit.
    """

    units: Units = PLAIN
    metrics: tuple[str, ...] = number_metrics.METRICS
    guess_name: str = "mean"
    probe_name: str = "ridge_probe"
    has_thresholds: bool = False
    strengths: tuple[float, ...] = RIDGE_STRENGTHS
    even_loss: float = 1.0

    def watched(self, *, weighted: bool) -> Resolved[str]:
        """The root of the mean squared error, which is what is trained."""
        return Resolved("rmse", "a number a row; lower is better")

    def targets(self, examples: Sequence[Example]) -> Targets:
        """[rows], the numbers."""
        return np.array([example.target for example in examples], dtype=np.float64)

    def read(self, logits: NDArray[Any]) -> Floats:
        """Logits [rows, 1] to numbers [rows, 1]."""
        return self.units.shift + self.units.scale * logits.astype(np.float64)

    def loss(self, outputs: Floats, targets: Targets) -> float:
        """The mean squared error, in standard units."""
        return float(np.mean(((outputs[:, 0] - targets) / self.units.scale) ** 2))

    def guess(self, targets: Targets, *, rows: int) -> Floats:
        """The mean, whatever the text."""
        return np.full((rows, 1), targets.mean())

    def guess_thresholds(self, targets: Targets) -> Thresholds | None:
        """A number needs none."""
        return None

    def fit(self, features: Features, targets: Targets, *, strength: float, intercept: bool = True) -> LinearProbe:
        """A ridge regression on the numbers in standard units."""
        standard = (targets - self.units.shift) / self.units.scale
        return fit_ridge(features, standard, strength=strength, intercept=intercept, read=self.read)

    def told(self, probe: LinearProbe, targets: Targets) -> NDArray[np.bool_]:
        """Every row tells."""
        return np.ones(len(targets), dtype=np.bool_)

    def quick(self, outputs: Floats, targets: Targets) -> dict[str, float]:
        """The metrics without intervals, and the loss in standard units beside that of the training."""
        return {**number_metrics.quick(outputs[:, 0], targets), "loss": self.loss(outputs, targets)}

    def measure(self, outputs: Floats, targets: Targets, thresholds: Thresholds | None) -> Measure:
        """RMSE, MAE, R2 and the correlations."""
        return number_metrics.measure_of(outputs[:, 0], targets)

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
        """All metrics."""
        return number_metrics.score(
            outputs[:, 0],
            targets,
            who=who,
            split=split,
            resamples=sampling.resamples,
            confidence=sampling.confidence,
            seed=sampling.seed,
        )

    def by_row(self, outputs: Floats, targets: Targets, thresholds: Thresholds | None) -> ByRow:
        """The absolute error, its square for the root of their mean, and the numbers themselves."""
        error = outputs[:, 0] - targets
        return ByRow({"mae": np.abs(error)}, {"rmse": (error**2,)}, numbers=np.stack([targets, outputs[:, 0]], axis=1))

    def sureness(self, outputs: Floats) -> Floats:
        """A number has no probability."""
        return np.zeros(len(outputs))

    def answer(self, outputs: Floats, thresholds: Thresholds | None) -> Answer:
        """The number."""
        return Answer(_written(outputs[0]), value=float(outputs[0]))

    def wrongness(self, outputs: Floats, targets: Targets, thresholds: Thresholds | None) -> Floats:
        """The size of the error."""
        return np.abs(outputs[:, 0] - targets)

    def expected(self, target: Any) -> Answer:
        """The number."""
        return Answer(_written(target), value=float(target))


def _written(value: float) -> str:
    """A number as people write it: six significant digits, and every digit before the point."""
    return f"{value:,.0f}".replace(",", "") if 1e5 <= abs(value) < 1e15 else f"{value:.6g}"
