"""A run whose model writes: the answers of conversations, texts for inputs, the going on of texts, translations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor

from affina.data.batching import plan_epoch
from affina.data.loading import Loaded
from affina.data.rows import Row
from affina.models.language import LanguageModel
from affina.pipeline.prepared import Measured, Prepared
from affina.pipeline.shipping import ship
from affina.pipeline.training import judged_places
from affina.pipeline.writing import measuring
from affina.pipeline.writing.writer import Taught, Writer
from affina.recipe.base import AUTO
from affina.recipe.resolve import GIVEN
from affina.recipe.schema import HeadStart, Recipe
from affina.recipe.task_specs import WritingSpec
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.tasks.lessons import Lines, Passage
from affina.tasks.packing import Packing, choose_packing
from affina.tasks.packs import worth_packing
from affina.training import checkpoint
from affina.training.loop import Floor
from affina.training.stepping import Work
from affina.values import Resolved

PACK = "train.pack"
MOST_NATS = 700.0
"""Beyond this a perplexity is no float."""
FEW_ROWS = 200
"""Training rows below which a model that writes seldom learns more than a style."""


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
        lengths: split to the tokens that the model reads of each of them.
        max_length: the limit in tokens.
        packing: how several rows share a line of a batch; None where they are padded.
    """

    writer: Writer
    shots: int
    spec: WritingSpec
    rows: Mapping[str, tuple[Row, ...]]
    taught: Mapping[str, Taught]
    lengths: Mapping[str, Sequence[int]]
    max_length: int
    packing: Packing | None = None

    @property
    def model(self) -> LanguageModel:
        """The writer's."""
        return self.writer.model

    @property
    def outputs(self) -> int:
        """There is no linear probe."""
        return 0

    @property
    def watched(self) -> Resolved[str]:
        """The loss: texts are too slow to write in the middle of a training."""
        return Resolved("loss", "of the tokens that are learned; writing texts at every evaluation would take too long")

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
        train, rows, reading = self.taught["train"].passages, self.rows["train"], self.writer.reading
        judged = self._judged(run)

        def evaluate() -> dict[str, float]:
            loss = self._mean_loss(run, judged)
            return {"loss": loss, "perplexity": math.exp(min(loss, MOST_NATS))}

        return Work(
            batch=lambda places: self._batch([train[place] for place in places], places, run.device),
            weight=reading.weight,
            loss=self._loss,
            evaluate=evaluate,
            where=lambda place: rows[place].where,
        )

    def _batch(self, passages: Sequence[Passage], places: Sequence[int], device: torch.device) -> Lines:
        collate = self.writer.reading.collate if self.packing is None else self.packing.collate
        return collate(passages, rows=places).to(device)

    def _loss(self, batch: Lines) -> Tensor:
        return self.writer.reading.loss(self.model.states(batch.inputs), self.model.output, batch)[0]

    def arranged(self, recipe: Recipe, *, budget: int) -> tuple[Writing, dict[str, Resolved[Any]]]:
        """Rows are packed where the recipe says so, or that saves padding, and the model keeps them apart."""
        asked, lengths = recipe.train.pack, self.lengths["train"]
        if asked is False or (asked == AUTO and self.model.reads_apart):
            return self, {}
        worth = worth_packing(lengths, budget=budget)
        if asked == AUTO and not worth.value:
            return self, {PACK: Resolved(False, worth.reason)}
        found = choose_packing(self.model, longest=max(lengths))
        reason = f"{worth.reason if asked == AUTO else GIVEN}; {found.reason}"
        return replace(self, packing=found.value), {PACK: Resolved(found.value is not None, reason)}

    def plan_epoch(self, lengths: Sequence[int], *, budget: int, seed: int, epoch: int) -> list[list[int]]:
        """Rows that fill a line together, or rows of about the same length."""
        plan = plan_epoch if self.packing is None else self.packing.plan
        return plan(lengths, budget=budget, seed=seed, epoch=epoch)

    def shape_of(self, places: Sequence[int]) -> tuple[int, int]:
        """A line a row, or several rows a line."""
        lengths = [self.lengths["train"][place] for place in places]
        return (len(places), max(lengths)) if self.packing is None else self.packing.shape(lengths)

    def rows_of(self, length: int, *, count: int) -> Lines:
        """Rows made of the first training row's tokens, as large a part of them learned as in all rows."""
        first = self.taught["train"].passages[0]
        own = max(2, length - len(first.source) if first.source else length)
        ids = _repeated(first.ids, own)
        share = sum(passage.targets for passage in self.taught["train"].passages) / max(1, sum(self.lengths["train"]))
        learned = tuple(place >= own - max(1, round(share * length)) for place in range(own))
        source = _repeated(first.source, max(1, length - own)) if first.source else ()
        made = replace(first, ids=ids, learned=learned, source=source)
        return self.writer.reading.collate([made] * count, rows=[0] * count).to(self.model.module.device)

    def look_at(self, run: Prepared, rows: Sequence[tuple[str, int]], *, warm: bool = False) -> None:
        """The losses of these rows; `warm`: and a text is begun."""
        passages = [self.taught[split].passages[place] for split, place in rows]
        self._mean_loss(run, passages)
        if warm and not self.writer.alone:
            split, place = rows[0]
            self.writer.briefly(2).write([self.rows[split][place]])

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
        """The loss of the model as it came: what a range test wants to see fall, in parts of it."""
        run.attached.eval()
        return self._mean_loss(run, self._judged(run))

    def export(self, run: Prepared, folder: RunFolder, *, step: int, journal: Journal | None = None) -> None:
        """What was trained, with tokenizer and chat template."""
        run.attached.load_state_dict(checkpoint.load_best(folder, step=step))
        run.attached.eval()
        ship(run, folder)

    def measure(self, run: Prepared, journal: Journal) -> Measured:
        """Loss and perplexity of all rows; of some of them the texts that the model writes, against the references."""
        return measuring.measure_tuned(self, run, journal)

    def doubts(self, run: Prepared) -> tuple[str, str]:
        """Few rows, or a model that could do it before."""
        rows = len(self.rows["train"])
        if rows < FEW_ROWS:
            return f"{rows:,} training rows are few for a model that writes", "more rows; until then show them as shots"
        return "the base model may already write these answers as well as the rows can teach", "a look at the samples"

    def _judged(self, run: Prepared) -> list[Passage]:
        return [self.taught["validation"].passages[place] for place in judged_places(run)]

    def _mean_loss(self, run: Prepared, passages: Sequence[Passage]) -> float:
        unsized = Taught(passages=passages, sizes=[0] * len(passages))
        found = self.writer.losses(unsized, budget=run.evaluation_budget)
        return float(found.nats.sum() / found.tokens.sum())

    def data_keys(self, loaded: Loaded) -> dict[str, Any]:
        """The columns, by their roles."""
        return dict(loaded.columns)


def _repeated(values: Sequence[int], length: int) -> tuple[int, ...]:
    return (tuple(values) * (length // len(values) + 1))[:length]
