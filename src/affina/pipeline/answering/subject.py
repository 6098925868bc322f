"""A run whose model answers: one label, several, or a number, by a head on the states of the backbone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor

from affina.data.batching import again, plan_epoch
from affina.data.loading import Loaded
from affina.data.rows import Row
from affina.evaluation.judging.base import Judge, Targets
from affina.evaluation.probing import unknown
from affina.methods.base import Attached
from affina.models.classifier import Classifier
from affina.models.first_position import states_for_head
from affina.models.settings import set_thresholds
from affina.models.units import as_shipped
from affina.pipeline.answering import measuring, shown
from affina.pipeline.answering.answers import label_keys
from affina.pipeline.answering.causes import of_rows
from affina.pipeline.answering.fitted import probes_of
from affina.pipeline.answering.measuring import decide, predict, prober_of
from affina.pipeline.answering.scoring import write_scores
from affina.pipeline.answering.working import work_of
from affina.pipeline.baseline_cost import BaselineCost
from affina.pipeline.naming.beside import Beside
from affina.pipeline.prepared import Prepared
from affina.pipeline.results import Measured, Rated, Seen
from affina.pipeline.shipping import ship
from affina.pipeline.training import judged_places
from affina.recipe.schema import HeadStart, Recipe
from affina.recipe.task_specs import AnsweringSpec
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.record.risks import Probed
from affina.risks.allowance import Allowance
from affina.risks.probe import Probe
from affina.tasks.base import Batch, Example, Task
from affina.training.control import Floor
from affina.training.stepping import Work
from affina.values import Resolved


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """See `Subject`.

    Attributes:
        model: with a head.
        task: encodes, collates, computes the loss.
        judge: says what answers are worth.
        spec: the recipe's `task`, settled.
        weighted: whether the loss weighs the labels.
        rows: split to the rows that are used.
        examples: split to the same rows, encoded.
        lengths: split to the tokens of each of them.
        beside: the untouched language model that is asked for the labels, where the model is one.
    """

    model: Classifier
    task: Task
    judge: Judge
    spec: AnsweringSpec
    weighted: bool
    rows: Mapping[str, Sequence[Row]]
    examples: Mapping[str, Sequence[Example]]
    lengths: Mapping[str, Sequence[int]]
    beside: Beside | None = None

    def token_ids(self, split: str) -> Iterable[Sequence[int]]:
        """Those of each row."""
        return (example.ids for example in self.examples[split])

    @property
    def max_length(self) -> int:
        """The task's limit."""
        return self.task.max_length

    @property
    def outputs(self) -> int:
        """One for each label, or one for a number."""
        return len(self.task.labels)

    @property
    def watched(self) -> Resolved[str]:
        """What the judge watches."""
        return self.judge.watched(weighted=self.weighted)

    @property
    def affordable(self) -> None:
        """Any number: a head answers as fast as it reads."""
        return

    @property
    def guess_name(self) -> str:
        """The guess from the labels' shares, or of the mean."""
        return self.judge.guess_name

    @property
    def has_new_head(self) -> bool:
        """Whether the checkpoint brought no head for this task along."""
        return bool(self.model.new_parameters)

    def targets(self, split: str) -> Targets:
        """The right answers of a split's rows."""
        return self.judge.targets(self.examples[split])

    @property
    def start_texts(self) -> Sequence[str]:
        """The labels; a number has none."""
        return () if self.spec.name == "regression" else self.task.labels

    def work(self, run: Prepared) -> Work[Batch]:
        """The head on the backbone's states, evaluated on the validation rows that choose the checkpoint."""
        return work_of(self, run)

    def arranged(
        self, recipe: Recipe, attached: Attached, *, budget: int, begun: Callable[[], Resolved[Any] | None]
    ) -> tuple[Answering, dict[str, Resolved[Any]]]:
        """Rows of about the same length meet in a batch: there is nothing to decide."""
        return self, {}

    def plan_epoch(self, lengths: Sequence[int], *, budget: int, seed: int, epoch: int) -> Sequence[list[int]]:
        """Rows of about the same length meet."""
        return plan_epoch(lengths, budget=budget, seed=seed, epoch=epoch)

    def shape_of(self, places: Sequence[int]) -> tuple[int, int, int]:
        """A line a row."""
        longest = max(self.lengths["train"][place] for place in places)
        return len(places), longest, longest

    def rows_of(self, length: int, *, count: int) -> Batch:
        """Rows made of the first training row's tokens."""
        example = self.examples["train"][0]
        types = None if example.types is None else again(example.types, length)
        made = replace(example, ids=again(example.ids, length), types=types)
        nobody = [-1] * count  # of no row, whose swapped text would be read too
        return self.task.collate([made] * count, rows=nobody).to(self.model.module.device)

    def batch_of(self, split: str, places: Sequence[int], device: torch.device) -> Batch:
        """A row a line."""
        examples = self.examples[split]
        return self.task.collate([examples[place] for place in places], rows=places).to(device)

    def read(self, batch: Batch) -> Tensor:
        """The backbone's last states, as far as the head reads them."""
        return states_for_head(self.model.module, self.model.anatomy, batch.inputs)

    def read_tokens(self, split: str) -> Sequence[tuple[int]]:
        """All of them, by the one stack there is."""
        return [(length,) for length in self.lengths[split]]

    def look_at(self, run: Prepared, rows: Sequence[tuple[str, int]], *, warm: bool = False) -> None:
        """A forward pass; `warm`: and the features of a probe."""
        examples = [self.examples[split][place] for split, place in rows]
        predict(self, run, examples)
        if warm and run.recipe.evaluate.baselines:
            prober_of(self, run).features(examples)

    def baseline_cost(self, run: Prepared) -> BaselineCost | None:
        """What the language model beside this one takes."""
        return None if self.beside is None else self.beside.cost(run)

    def rehearse_baseline(self, run: Prepared) -> None:
        """Ask the language model beside this one."""
        if self.beside is not None:
            self.beside.rehearse(self, run)

    def baselines(self, run: Prepared, journal: Journal) -> None:
        """The guess that reads no text, a linear probe on the untouched model, and that model asked for the labels."""
        measuring.measure_baselines(self, run, journal)
        if self.beside is not None:
            self.beside.measure(self, run, journal)

    def start_head(self, run: Prepared) -> Resolved[HeadStart] | None:
        """Start a new head; one that the checkpoint brought along stays, and None is returned."""
        if not self.has_new_head:
            return None
        train, validation = self.examples["train"], self.examples["validation"]
        asked, around = run.recipe.train.head_start, run.frozen.around if run.precision == "fp32" else unknown
        return prober_of(self, run).start_head(train, validation, asked=asked, around=around)

    def floor(self, run: Prepared) -> Floor:
        """What the guess reaches on the rows that choose the checkpoint.

        Where the classes are weighted, its loss is that of an even guess: a model that learns may well stay above that
        of the shares.
        """
        return Floor(metric=self._guess(run).metric, loss=self.guessing(run))

    def guessing(self, run: Prepared) -> float:
        """The loss of guessing by what the rows have, or evenly where the labels are weighted."""
        return self.judge.even_loss if self.weighted else self._guess(run).loss

    def settle(self, run: Prepared, journal: Journal | None = None) -> None:
        """A multi-label model's thresholds, which its configuration keeps."""
        thresholds = decide(self, run)
        if thresholds is not None:
            set_thresholds(self.model.module.config, dict(zip(self.task.labels, thresholds.values, strict=True)))
            if journal is not None:
                journal.append(measuring.said_of(thresholds, self.task.labels))

    def rate(self, run: Prepared) -> Rated:
        """By the metric that chooses the checkpoint, or the judge's own where that is no metric of the judge."""
        return measuring.rated(self, run, self._judged(run))

    def rate_baseline(self, run: Prepared) -> tuple[str, Rated]:
        """The linear probe of the report, which may see much more than what the head does."""
        return measuring.PROBE, measuring.rated_probe(self, run, self._judged(run))

    def export(self, run: Prepared, folder: RunFolder) -> None:
        """A regression's head is written in the user's units where it can hold them.

        Where it cannot, its units are written into the configuration, as a multi-label model's thresholds are.
        """
        module = self.model.module
        with as_shipped(module, self.model.anatomy, self.model.units):
            ship(run, folder, max_length=self.max_length)

    def report_work(self, run: Prepared) -> float:
        """Every row once."""
        return float(sum(self.lengths[run.report_split]))

    def measure(self, run: Prepared, journal: Journal) -> Measured:
        """Metrics with intervals, random rows, and the surest mistakes."""
        split = run.report_split
        rows, thresholds = self.rows[split], measuring.exported_thresholds(self.model)
        found = predict(self, run, self.examples[split], where=lambda place: rows[place].where)
        scores = write_scores(self, run, found, thresholds, who="tuned", journal=journal)
        return Measured(
            scores=scores,
            samples=shown.samples(self, run, found, thresholds),
            worst=shown.worst(self, run, found, thresholds),
        )

    def probes(self, run: Prepared, allowance: Allowance, journal: Journal) -> list[Probe | Probed]:
        """Overfitting, and how far sentence similarities moved."""
        return probes_of(self, run, allowance)

    def doubts(self, run: Prepared, seen: Seen) -> tuple[str, str]:
        """Few rows for each label, noisy labels, or features that hold it all already."""
        return of_rows(self, run)

    def data_keys(self, loaded: Loaded) -> dict[str, Any]:
        """Text, second text, and the label or labels."""
        return label_keys(loaded)

    def _judged(self, run: Prepared) -> list[Example]:
        return [self.examples["validation"][place] for place in judged_places(run)]

    def _guess(self, run: Prepared) -> Floor:
        judged = self.judge.targets(self._judged(run))
        guess = self.judge.guess(self.judge.targets(self.examples["train"]), rows=len(judged))
        found = self.judge.quick(guess, judged)
        return Floor(metric=found.get(run.hyper.metric.value, 0.0), loss=found["loss"])
