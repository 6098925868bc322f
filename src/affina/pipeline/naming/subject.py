"""A run that classifies in words: a language model learns to write the label's name, and is judged as a classifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, final

import numpy as np

from affina.data.loading import Loaded
from affina.data.rows import Row
from affina.evaluation.baselines import Floats
from affina.evaluation.judging.base import Targets
from affina.evaluation.judging.classes import ClassJudge
from affina.pipeline.answering import shown
from affina.pipeline.answering.answers import label_keys
from affina.pipeline.answering.scoring import write_scores
from affina.pipeline.baseline_cost import BaselineCost
from affina.pipeline.learning import Learns
from affina.pipeline.naming.beside import scoring_bytes
from affina.pipeline.naming.fitted import probes_of
from affina.pipeline.naming.namer import Namer, cost_of
from affina.pipeline.naming.untouched import Untouched, measure_untouched
from affina.pipeline.prepared import Prepared
from affina.pipeline.results import Measured, Rated, Seen, of_metric
from affina.pipeline.training import judged_places
from affina.recipe.task_specs import ClassificationSpec
from affina.record.journal import Journal
from affina.record.progress import Progress
from affina.record.risks import Probed
from affina.risks.allowance import Allowance
from affina.risks.probe import Probe
from affina.training.control import Floor
from affina.values import Resolved

LOSS: Final = "loss"
WITHOUT_ENDS: Final = "untouched model, asked without the end of a name"
"""It never learned to end there, so that it may be much better than by names with their ends."""
FEW_PER_LABEL: Final = 50
"""Training rows for each label below which a name is seldom learned better than it is asked for."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ByName(Learns):
    """See `Subject`, and `Learns` for the attributes that are not here.

    Attributes:
        namer: the model with its questions, names ended as they are learned.
        judge: says what answers are worth.
        untouched: what is asked of the model before its training; None where no baselines are wanted.
        spec: the recipe's `task`, settled.
        watched: the metric that chooses the best checkpoint.
        affordable: validation rows whose labels an evaluation in the middle of training can score; None where it
            looks at the loss alone.
    """

    namer: Namer
    judge: ClassJudge
    untouched: Untouched | None
    spec: ClassificationSpec
    watched: Resolved[str]
    affordable: int | None

    @property
    def guess_name(self) -> str:
        """The most frequent label."""
        return self.judge.guess_name

    @property
    def start_texts(self) -> Sequence[str]:
        """The labels."""
        return self.judge.labels

    def targets(self, split: str) -> Targets:
        """[rows], the places of the labels."""
        return places_of(self.rows[split], self.judge.labels)

    def evaluation(self, run: Prepared) -> Callable[[], dict[str, float]]:
        """The loss of the names' tokens, as the training has it, and the other metrics of the answers."""
        places = judged_places(run)
        judged = [self.rows["validation"][place] for place in places]
        targets, scored = self.targets("validation")[places], run.hyper.metric.value != LOSS

        def evaluate() -> dict[str, float]:
            found = self.judge.quick(self.namer.outputs(judged), targets) if scored else {}
            return {**found, LOSS: self.judged_loss(run)}

        return evaluate

    def floor(self, run: Prepared) -> Floor | None:
        """What the guess reaches where answers are scored; None where the loss alone is looked at.

        The loss is in nats for each token, of what knows all names and nothing of a row: that decides between labels
        once a row.
        """
        if not self._is_scored(run):
            return None
        targets = self.targets("validation")[judged_places(run)]
        guess = self.judge.guess(self.targets("train"), rows=len(targets))
        found = self.judge.quick(guess, targets)
        tokens = sum(passage.targets for passage in self.judged(run))
        return Floor(metric=found[run.hyper.metric.value], loss=found[LOSS] * len(targets) / tokens, names=True)

    def rate(self, run: Prepared) -> Rated:
        """By the metric that chooses the checkpoint: of the answers, or the loss of the names' tokens."""
        return self._rated(run, self.namer) if self._is_scored(run) else Learns.rate(self, run)

    def rate_baseline(self, run: Prepared) -> tuple[str, Rated] | None:
        """The model asked as the report's zero-shot is; none for the loss, of which names have to end."""
        return (WITHOUT_ENDS, self._rated(run, self._untuned())) if self._is_scored(run) else None

    def _is_scored(self, run: Prepared) -> bool:
        """Whether the answers choose the checkpoint, and not the loss."""
        return run.hyper.metric.value in self.judge.metrics and run.hyper.metric.value != LOSS

    def _rated(self, run: Prepared, namer: Namer) -> Rated:
        metric, places = run.hyper.metric.value, judged_places(run)
        targets = self.targets("validation")[places]
        outputs = namer.outputs([self.rows["validation"][place] for place in places])
        measure = self.judge.measure(outputs, targets, None)
        return Rated(metric, len(targets), of_metric(measure, self.judge.metrics.index(metric)))

    def look_at(self, run: Prepared, rows: Sequence[tuple[str, int]], *, warm: bool = False) -> None:
        """The losses of these rows; `warm`: and the labels of the first are scored."""
        self.mean_loss(run, [self.passages[split][place] for split, place in rows])
        if warm:
            split, place = rows[0]
            self.namer.outputs([self.rows[split][place]])

    def baseline_cost(self, run: Prepared) -> BaselineCost | None:
        """What it takes to ask the untouched model, which is this one."""
        if self.untouched is None:
            return None
        return BaselineCost(size=scoring_bytes(self.model.module), tokens=self.untouched.tokens, beside=False)

    def rehearse_baseline(self, run: Prepared) -> None:
        """Ask the untouched model for one row, with the shots."""
        if self.untouched is not None:
            place = self.untouched.places[0]
            self._untuned().outputs([self.rows[run.report_split][place]], shots=self.untouched.shots)

    def baselines(self, run: Prepared, journal: Journal) -> None:
        """The guess that reads no text, and the untouched model: asked as it is, and shown training rows."""
        run.attached.eval()
        targets = self.targets(run.report_split)
        guess = self.judge.guess(self.targets("train"), rows=len(targets))
        write_scores(self, run, guess, None, who=self.guess_name, journal=journal)
        if self.untouched is not None:
            measure_untouched(self, run, self._untuned(), self.untouched, journal)

    def _untuned(self) -> Namer:
        return replace(self.namer, ended=False)

    def report_work(self, run: Prepared) -> float:
        """Every row with every label."""
        rows = self.rows[run.report_split]
        return len(rows) * cost_of(self.model, self.namer.asking, rows)

    def measure(self, run: Prepared, journal: Journal) -> Measured:
        """Metrics with intervals, random rows, and the surest mistakes."""
        run.attached.eval()
        rows = self.rows[run.report_split]

        def going(done: int) -> None:
            journal.show(Progress(what="rows, tuned", done=done, of=len(rows)))

        found: Floats = self.namer.outputs(rows, progress=going)
        return Measured(
            scores=write_scores(self, run, found, None, who="tuned", journal=journal),
            samples=shown.samples(self, run, found, None),
            worst=shown.worst(self, run, found, None),
        )

    def probes(self, run: Prepared, allowance: Allowance, journal: Journal) -> list[Probe | Probed]:
        """Overfitting, and what the model forgot."""
        return probes_of(self, run, allowance, journal)

    def doubts(self, run: Prepared, seen: Seen) -> tuple[str, str]:
        """Few rows for each label, or a model that knew it before."""
        rows, labels = len(self.rows["train"]), len(self.judge.labels)
        if rows / labels < FEW_PER_LABEL:
            found = f"{rows:,} training rows for {labels} labels ({rows / labels:.0f} each) are few for fine-tuning"
            return found, "more rows with labels; until then show them as shots, or task.form=head with an encoder"
        return (
            "either the base model knows already all that these labels need, or the labels are noisy",
            "another model, or a look at the rows that are wrong in the report",
        )

    def data_keys(self, loaded: Loaded) -> dict[str, Any]:
        """Text, second text, and the label."""
        return label_keys(loaded)


def places_of(rows: Sequence[Row], labels: Sequence[str]) -> Targets:
    """[rows], the places of the rows' labels."""
    place = {label: number for number, label in enumerate(labels)}
    return np.array([place[row.fields["label"]] for row in rows], dtype=np.int64)
