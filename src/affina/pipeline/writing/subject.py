"""A run whose model writes: the answers of conversations, texts for inputs, the going on of texts, translations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

from affina.data.loading import Loaded
from affina.data.rows import Row
from affina.models.language import LanguageModel
from affina.pipeline.learning import Learning
from affina.pipeline.prepared import Measured, Prepared, Seen
from affina.pipeline.writing import causes, measuring
from affina.pipeline.writing.writer import Taught, Writer
from affina.recipe.schema import HeadStart, Recipe
from affina.recipe.task_specs import WritingSpec
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.tasks.lessons import Lines
from affina.training.loop import Floor
from affina.training.stepping import Work
from affina.values import Resolved

MOST_NATS = 700.0
"""Beyond this a perplexity is no float."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """See `Subject`.

    Attributes:
        writer: the model with its task.
        shots: training rows that the few-shot baseline is shown.
        spec: the recipe's `task`, settled.
        rows: split to the rows that are used.
        taught: split to the same rows as tokens.
        learning: the model with these.
        max_length: the limit in tokens.
    """

    writer: Writer
    shots: int
    spec: WritingSpec
    rows: Mapping[str, tuple[Row, ...]]
    taught: Mapping[str, Taught]
    learning: Learning
    max_length: int

    @property
    def model(self) -> LanguageModel:
        """The writer's."""
        return self.writer.model

    @property
    def lengths(self) -> Mapping[str, Sequence[int]]:
        """Tokens that the model reads of each row."""
        return self.learning.lengths

    @property
    def outputs(self) -> int:
        """There is no linear probe."""
        return 0

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
    def has_new_head(self) -> bool:
        """There is no head."""
        return False

    @property
    def start_texts(self) -> Sequence[str]:
        """None: answers are texts of their own."""
        return ()

    def work(self, run: Prepared) -> Work[Lines]:
        """The loss of what is learned; evaluated on the validation rows that choose the checkpoint."""
        judged = self.learning.judged(run)

        def evaluate() -> dict[str, float]:
            loss = self.learning.mean_loss(run, judged)
            return {"loss": loss, "perplexity": math.exp(min(loss, MOST_NATS))}

        return self.learning.work(run, self.rows["train"], evaluate)

    def arranged(self, recipe: Recipe, *, budget: int) -> tuple[Writing, dict[str, Resolved[Any]]]:
        """Rows are packed, or not."""
        learning, choices = self.learning.arranged(recipe, budget=budget)
        return replace(self, learning=learning), choices

    def plan_epoch(self, lengths: Sequence[int], *, budget: int, seed: int, epoch: int) -> list[list[int]]:
        """As they are packed."""
        return self.learning.plan_epoch(lengths, budget=budget, seed=seed, epoch=epoch)

    def shape_of(self, places: Sequence[int]) -> tuple[int, int]:
        """As they are packed."""
        return self.learning.shape_of(places)

    def rows_of(self, length: int, *, count: int) -> Lines:
        """Made of the first training row's tokens."""
        return self.learning.rows_of(length, count=count)

    def look_at(self, run: Prepared, rows: Sequence[tuple[str, int]], *, warm: bool = False) -> None:
        """The losses of these rows; `warm`: and a text is begun."""
        passages = [self.taught[split].passages[place] for split, place in rows]
        self.learning.mean_loss(run, passages)
        if warm and not self.writer.alone:
            split, place = rows[0]
            self.writer.briefly(2).write([self.rows[split][place]])

    def baseline_cost(self, run: Prepared) -> None:
        """It is not asked for labels."""
        return

    def rehearse_baseline(self, run: Prepared) -> None:
        """Nothing."""

    def baselines(self, run: Prepared, journal: Journal) -> None:
        """The untouched model on the same rows: as it is, and shown training rows."""
        measuring.measure_baselines(self, run, journal)

    def start_head(self, run: Prepared) -> Resolved[HeadStart] | None:
        """There is none."""
        return None

    def floor(self, run: Prepared) -> Floor | None:
        """A model that can write already starts far better than any guess: that is not judged."""
        return None

    def guessing(self, run: Prepared) -> float:
        """The loss of the model as it came."""
        return self.learning.guessing(run)

    def export(self, run: Prepared, folder: RunFolder, *, step: int, journal: Journal | None = None) -> None:
        """What was trained, with tokenizer and chat template."""
        self.learning.export(run, folder, step=step)

    def measure(self, run: Prepared, journal: Journal) -> Measured:
        """Loss and perplexity of all rows; of some of them the texts that the model writes, against the references."""
        return measuring.measure_tuned(self, run, journal)

    def doubts(self, run: Prepared, seen: Seen) -> tuple[str, str]:
        """Answers that say nothing; few rows, or a model that could do it before."""
        if seen.wrong is not None:
            return causes.of_answers(self.writer.how, self.taught["train"].passages, run, seen)
        rows = len(self.rows["train"])
        if rows < causes.FEW_ROWS:
            return f"{rows:,} training rows are few for a model that writes", "more rows; until then show them as shots"
        return "the base model may already write these answers as well as the rows can teach", "a look at the samples"

    def data_keys(self, loaded: Loaded) -> dict[str, Any]:
        """The columns, by their roles."""
        return dict(loaded.columns)
