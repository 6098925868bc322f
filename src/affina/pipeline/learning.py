"""A language model with the rows that it learns: what all runs that train one have in common, whatever they measure.

Owns the batches, the loss in the middle of a training, packing and the exported weights. What a row teaches and what
the model is worth afterwards, says the kind of run, which derives from `Learns`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor

from affina.data.batching import again, plan_epoch
from affina.data.rows import Row
from affina.evaluation import perplexity
from affina.methods.base import Attached
from affina.models.language import LanguageModel
from affina.pipeline.arranging import Texts, arrange
from affina.pipeline.prepared import Prepared
from affina.pipeline.results import Rated, of_metric
from affina.pipeline.shipping import ship
from affina.pipeline.training import judged_places
from affina.recipe.schema import HeadStart, Recipe
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.tasks.beginnings import OneLine
from affina.tasks.consistency import of_tokens, twice
from affina.tasks.lessons import Collates, Passage, Reading
from affina.tasks.lines import Lines
from affina.tasks.packing import Packing
from affina.training.control import Floor
from affina.training.stepping import Work
from affina.values import Resolved


@dataclass(frozen=True, slots=True, kw_only=True)
class Learns(ABC):
    """A model and its lessons: what of `Subject` all runs share that train a language model.

    There is no head, so that none is started and no linear probe takes its features.

    Attributes:
        model: predicts the next token.
        rows: split to the rows that are used.
        reading: rows as tokens, batches, and their loss.
        passages: split to its rows as tokens.
        lengths: split to the tokens that the model reads of each of them.
        max_length: the limit in tokens.
        packing: how several rows share a line of a batch; None where they are padded.
    """

    model: LanguageModel
    rows: Mapping[str, Sequence[Row]]
    reading: Reading
    passages: Mapping[str, Sequence[Passage]]
    lengths: Mapping[str, Sequence[int]]
    max_length: int
    packing: Packing | None = None

    @abstractmethod
    def evaluation(self, run: Prepared) -> Callable[[], dict[str, float]]:
        """What is measured in the middle of a training, on the validation rows that choose the checkpoint."""

    @property
    def outputs(self) -> int:
        """There is no linear probe."""
        return 0

    @property
    def has_new_head(self) -> bool:
        """There is no head."""
        return False

    def start_head(self, run: Prepared) -> Resolved[HeadStart] | None:
        """There is none."""
        return None

    def floor(self, run: Prepared) -> Floor | None:
        """The loss of tokens has no guess beside it, and a model that can write starts far better than any."""
        return None

    def work(self, run: Prepared) -> Work[Lines]:
        """The loss of what is learned, and the evaluation."""
        train, rows = self.passages["train"], self.rows["train"]
        return Work(
            batch=lambda places: self._batch([train[place] for place in places], places, run.device),
            weight=self.reading.weight,
            loss=partial(self._loss, run),
            evaluate=self.evaluation(run),
            where=lambda place: rows[place].where,
        )

    def _batch(self, passages: Sequence[Passage], places: Sequence[int], device: torch.device) -> Lines:
        collate = self.reading.collate if self.packing is None else self.packing.collate
        return collate(passages, rows=places).to(device)

    def _loss(self, run: Prepared, batch: Lines) -> Tensor:
        output = self.model.output

        def once() -> tuple[Tensor, Tensor]:
            states = self.read(batch)
            return self.reading.loss(states, output, batch)[0], states

        apart = partial(of_tokens, targets=batch.targets, output=output)
        with run.frozen.around("train", batch.rows, batch):
            return twice(once, apart, strength=run.recipe.train.r_drop)

    @property
    def read_by(self) -> Collates:
        """What makes the batches of an evaluation: rows that begin alike are read as in the training."""
        return self.packing if isinstance(self.packing, OneLine) else self.reading

    def batch_of(self, split: str, places: Sequence[int], device: torch.device) -> Lines:
        """A row a line."""
        passages = self.passages[split]
        return self.reading.collate([passages[place] for place in places], rows=places).to(device)

    def read(self, batch: Lines) -> Tensor:
        """What the output layer makes logits of."""
        return self.model.states(batch.inputs)

    def token_ids(self, split: str) -> Iterable[Sequence[int]]:
        """Those of each row, and what an encoder reads of it."""
        return (ids for passage in self.passages[split] for ids in (passage.ids, passage.source))

    def read_tokens(self, split: str) -> Sequence[tuple[int, ...]]:
        """Those of a decoder, or of an encoder and its decoder."""
        passages = self.passages[split]
        if not self.model.reads_apart:
            return [(len(passage.ids),) for passage in passages]
        return [(len(passage.source), len(passage.ids)) for passage in passages]

    def arranged(
        self, recipe: Recipe, attached: Attached, *, budget: int, begun: Callable[[], Resolved[Any] | None]
    ) -> tuple[Self, dict[str, Resolved[Any]]]:
        """Rows lie together where the recipe says so, or that saves something, and the model keeps them apart."""
        texts = Texts(self.model, attached, self.passages, self.lengths, budget)
        packing, choices = arrange(texts, recipe, begun=begun)
        return replace(self, packing=packing), choices

    def plan_epoch(self, lengths: Sequence[int], *, budget: int, seed: int, epoch: int) -> Sequence[list[int]]:
        """Rows that fill a line together, or rows of about the same length."""
        plan = plan_epoch if self.packing is None else self.packing.plan
        return plan(lengths, budget=budget, seed=seed, epoch=epoch)

    def shape_of(self, places: Sequence[int]) -> tuple[int, int, int]:
        """A line a row, several rows a line, or rows whose beginning is there once."""
        if self.packing is None:
            longest = max(self.lengths["train"][place] for place in places)
            return len(places), longest, longest
        return self.packing.shape([self.passages["train"][place] for place in places])

    def rows_of(self, length: int, *, count: int) -> Lines:
        """Rows made of the first training row's tokens, as large a part of them learned as in all rows."""
        first = self.passages["train"][0]
        own = max(2, length - len(first.source) if first.source else length)
        ids = again(first.ids, own)
        share = sum(passage.targets for passage in self.passages["train"]) / max(1, sum(self.lengths["train"]))
        learned = tuple(place >= own - max(1, round(share * length)) for place in range(own))
        source = again(first.source, max(1, length - own)) if first.source else ()
        made = replace(first, ids=ids, learned=learned, source=source)
        return self.reading.collate([made] * count, rows=[0] * count).to(self.model.module.device)

    def judged(self, run: Prepared) -> list[Passage]:
        """The validation rows that choose the checkpoint."""
        return [self.passages["validation"][place] for place in judged_places(run)]

    def mean_loss(self, run: Prepared, passages: Sequence[Passage]) -> float:
        """In nats for each token that is learned, of the model as it is."""
        return _mean(self._losses(run, passages))

    def judged_loss(self, run: Prepared) -> float:
        """The same of the rows that choose the checkpoint, whose frozen part may be known."""
        places = judged_places(run)

        def around(batch: Lines) -> AbstractContextManager[None]:
            return run.frozen.around("validation", [places[row] for row in batch.rows], batch)

        return _mean(self._losses(run, self.judged(run), around=around))

    def _losses(
        self,
        run: Prepared,
        passages: Sequence[Passage],
        *,
        around: Callable[[Lines], AbstractContextManager[None]] = lambda _: nullcontext(),
    ) -> perplexity.Statistics:
        sizes, budget = [0] * len(passages), run.evaluation_budget
        return perplexity.statistics(self.model, self.read_by, passages, sizes=sizes, budget=budget, around=around)

    def guessing(self, run: Prepared) -> float:
        """The loss of the model as it came: what a range test wants to see fall, in parts of it."""
        run.attached.eval()
        return self.judged_loss(run)

    def settle(self, run: Prepared, journal: Journal | None = None) -> None:
        """Nothing goes with the weights."""
        return

    def rate(self, run: Prepared) -> Rated:
        """By the loss of what is learned, in nats for each token.

        Raises:
            NonFiniteError: a row has none.
        """
        rows, places = self.rows["validation"], judged_places(run)
        found = perplexity.told(self._losses(run, self.judged(run)), lambda place: rows[places[place]].where)
        return Rated("loss", len(found.nats), of_metric(partial(perplexity.measure, found), 0))

    def rate_baseline(self, run: Prepared) -> tuple[str, Rated] | None:
        """There is no linear probe."""
        return None

    def export(self, run: Prepared, folder: RunFolder) -> None:
        """What was trained, with tokenizer and chat template."""
        ship(run, folder)


def _mean(found: perplexity.Statistics) -> float:
    return float(found.nats.sum() / found.tokens.sum())
