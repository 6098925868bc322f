"""A run whose model writes: the answers of conversations, texts for inputs, the going on of texts, translations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

from affina.data.canaries import own_count
from affina.data.loading import Loaded
from affina.pipeline.baseline_cost import BaselineCost
from affina.pipeline.learning import Learns
from affina.pipeline.prepared import Prepared
from affina.pipeline.results import Measured, Seen
from affina.pipeline.writing import causes, measuring
from affina.pipeline.writing.fitted import probes_of
from affina.pipeline.writing.writer import Taught, Writer
from affina.recipe.task_specs import WritingSpec
from affina.record.files import write_text
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.record.risks import Probed
from affina.risks.allowance import Allowance
from affina.risks.probe import Probe
from affina.values import Resolved

MOST_NATS = 700.0
"""Beyond this a perplexity is no float."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Writing(Learns):
    """See `Subject`, and `Learns` for the attributes that are not here.

    Attributes:
        writer: the model with its task.
        shots: training rows that the few-shot baseline is shown.
        spec: the recipe's `task`, settled.
        reported: the rows that the report is about as tokens, with their bytes.
    """

    writer: Writer
    shots: int
    spec: WritingSpec
    reported: Taught

    @property
    def watched(self) -> Resolved[str]:
        """The loss: texts are too slow to write in the middle of a training."""
        return Resolved("loss", "of the tokens that are learned; writing texts at every evaluation would take too long")

    @property
    def affordable(self) -> None:
        """The loss of any number of rows."""
        return

    @property
    def guess_name(self) -> str:
        """The model as it came."""
        return "zero_shot"

    @property
    def start_texts(self) -> Sequence[str]:
        """None: answers are texts of their own."""
        return ()

    def evaluation(self, run: Prepared) -> Callable[[], dict[str, float]]:
        """The loss, in nats for each token that is learned, and its perplexity."""

        def evaluate() -> dict[str, float]:
            loss = self.judged_loss(run)
            return {"loss": loss, "perplexity": math.exp(min(loss, MOST_NATS))}

        return evaluate

    def look_at(self, run: Prepared, rows: Sequence[tuple[str, int]], *, warm: bool = False) -> None:
        """The losses of these rows; `warm`: and a text is begun."""
        self.mean_loss(run, [self.passages[split][place] for split, place in rows])
        if warm and not self.writer.alone:
            split, place = rows[0]
            self.writer.briefly(2).write([self.rows[split][place]])

    def baseline_cost(self, run: Prepared) -> BaselineCost:
        """Of the model as it is, and of the one that is shown training rows."""
        tokens = self.report_work(run) + measuring.work_of_texts(self, run, shots=self.shots)
        return BaselineCost(size=0, tokens=tokens, beside=False)

    def rehearse_baseline(self, run: Prepared) -> None:
        """Nothing: an evaluation does the same."""

    def baselines(self, run: Prepared, journal: Journal) -> None:
        """The untouched model on the same rows, where asked for: as it is, and shown training rows."""
        if not run.recipe.evaluate.baselines:
            return
        measuring.measure_baselines(self, run, journal)

    def export(self, run: Prepared, folder: RunFolder) -> None:
        """What was trained, with tokenizer and chat template, and the phrases that slots are counted by."""
        Learns.export(self, run, folder)
        if self.writer.phrases is not None:
            write_text(folder.slots, self.writer.phrases.dump())

    def report_work(self, run: Prepared) -> float:
        """Every row once, and some texts that are as long as the right ones."""
        return sum(map(len, self.reported.passages)) + measuring.work_of_texts(self, run)

    def measure(self, run: Prepared, journal: Journal) -> Measured:
        """Loss and perplexity of all rows; of some of them the texts that the model writes, against the references."""
        return measuring.measure_tuned(self, run, journal)

    def probes(self, run: Prepared, allowance: Allowance, journal: Journal) -> list[Probe | Probed]:
        """Overfitting, and what the model forgot."""
        return probes_of(self, run, allowance, journal)

    def doubts(self, run: Prepared, seen: Seen) -> tuple[str, str]:
        """Answers that say nothing; few rows, or a model that could do it before."""
        if seen.wrong is not None:
            train, kind = self.passages["train"], seen.wrong.kind
            return causes.of_answers(self.writer.how, train, run=run, outcome=seen.outcome, kind=kind)
        if few := causes.few_rows(own_count(self.rows["train"])):
            return few, "more rows; until then show them as shots"
        return "the base model may already write these answers as well as the rows can teach", "a look at the samples"

    def data_keys(self, loaded: Loaded) -> dict[str, Any]:
        """The columns, by their roles."""
        return dict(loaded.columns)
