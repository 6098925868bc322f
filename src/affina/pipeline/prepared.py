"""A run as it is decided before anything is trained, and what the three kinds of runs have in common.

A model answers with labels or numbers, says a label by its name, or writes texts. Whatever differs by that is behind
`Subject`; every other stage of a run works with it alone. This module holds the types, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import torch
from torch import Tensor

from affina.data.identity.terms import Pair
from affina.data.loading import Loaded
from affina.data.rows import Row
from affina.evaluation.judging.base import Sampling
from affina.methods.base import Attached
from affina.models.base import Pretrained
from affina.pipeline.baseline_cost import BaselineCost
from affina.pipeline.kept import WHOLE, FrozenStates, Kept, RunsOnce
from affina.pipeline.results import Measured, Rated, Seen
from affina.recipe.resolve import Hyperparameters
from affina.recipe.schema import HeadStart, Method, Recipe
from affina.recipe.task_specs import SettledSpec
from affina.record.audited import Audited
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.record.payloads import Finding
from affina.record.risks import Probed
from affina.risks.allowance import Allowance
from affina.risks.given import NONE_GIVEN, GivenFiles
from affina.risks.probe import Probe
from affina.training.beforehand import NOTHING, Beforehand
from affina.training.control import Floor
from affina.training.precision import PrecisionName
from affina.training.stepping import MicroBatch, Work
from affina.values import Resolved

EVALUATION_FACTOR: Final = 2
"""An evaluation batch may be this many times a training batch: no gradients are kept."""

Notify = Callable[[str], None]


def report_split(rows: Mapping[str, Sequence[Row]]) -> str:
    """The split that a report is about, of rows by split: test where there are any, else validation."""
    return "test" if rows["test"] else "validation"


class Subject(RunsOnce, Protocol):
    """What a run is about: its task, its rows and its model, put together so that all other stages need know none."""

    @property
    def model(self) -> Pretrained:
        """The model with its tokenizer."""

    @property
    def spec(self) -> SettledSpec:
        """The recipe's `task`, settled."""

    @property
    def rows(self) -> Mapping[str, Sequence[Row]]:
        """Split to the rows that are used, after the length limit."""

    @property
    def lengths(self) -> Mapping[str, Sequence[int]]:
        """Split to the tokens that the model reads of each of its rows."""

    def token_ids(self, split: str) -> Iterable[Sequence[int]]:
        """The tokens themselves, in whatever order; of an encoder-decoder those of both."""

    @property
    def max_length(self) -> int:
        """The limit in tokens, special tokens included."""

    @property
    def outputs(self) -> int:
        """Outputs of a linear probe on the model's features; 0 where there is no such probe."""

    @property
    def watched(self) -> Resolved[str]:
        """The metric that chooses the best checkpoint where the recipe does not say."""

    @property
    def affordable(self) -> int | None:
        """Validation rows that an evaluation in the middle of training has the time for; None for any number."""

    @property
    def guess_name(self) -> str:
        """The record's name of the predictor that a start must pass."""

    @property
    def has_new_head(self) -> bool:
        """Whether parts of the model start from random numbers."""

    @property
    def start_texts(self) -> Sequence[str]:
        """What virtual tokens may start as: the labels' names, where there are any."""

    def work(self, run: Prepared) -> Work[Any]:
        """Task, model and data as the functions that the loop calls."""

    def arranged(
        self, recipe: Recipe, attached: Attached, *, budget: int, begun: Callable[[], Resolved[Any] | None]
    ) -> tuple[Subject, dict[str, Resolved[Any]]]:
        """The subject with its batches decided, now that their size is known, and recipe key to what was decided.

        Args:
            recipe: as asked.
            attached: the model with its method.
            budget: tokens of a batch, padding included, at most.
            begun: gives what a stopped run came to, which goes on.
        """

    def plan_epoch(self, lengths: Sequence[int], *, budget: int, seed: int, epoch: int) -> Sequence[list[int]]:
        """The micro-batches of an epoch over rows of these lengths, as places; see `data.batching`."""

    def shape_of(self, places: Sequence[int]) -> tuple[int, int, int]:
        """A training batch of these rows: lines, tokens of each, padding included, and keys that each attends to."""

    def rows_of(self, length: int, *, count: int) -> MicroBatch:
        """A training batch of `count` rows of exactly so many tokens, for what batches cost."""

    def look_at(self, run: Prepared, rows: Sequence[tuple[str, int]], *, warm: bool = False) -> None:
        """Do with rows, by split and place, what an evaluation does with them; `warm`: what the baselines do too."""

    def baseline_cost(self, run: Prepared) -> BaselineCost | None:
        """What it takes to ask the untouched model for labels or texts; None where that is not done."""

    def rehearse_baseline(self, run: Prepared) -> None:
        """Do that with one row."""

    def baselines(self, run: Prepared, journal: Journal) -> None:
        """Measure and record what the tuned model has to beat: what reads no text always, the rest where asked for."""

    def start_head(self, run: Prepared) -> Resolved[HeadStart] | None:
        """Start a new head; None where there is none."""

    def floor(self, run: Prepared) -> Floor | None:
        """What a start must pass by a quarter of the run; None where that cannot be judged."""

    def guessing(self, run: Prepared) -> float:
        """The training loss, in nats, of what a model reaches that reads nothing of a row."""

    def settle(self, run: Prepared, journal: Journal | None = None) -> None:
        """Decide and record what goes with the weights that are in the model, such as thresholds."""

    def rate(self, run: Prepared) -> Rated:
        """What the model is worth as it is, on the validation rows that choose the checkpoint."""

    def rate_baseline(self, run: Prepared) -> tuple[str, Rated] | None:
        """The same of the report's baseline on the model as it is, which is the untouched one, and what that is.

        None where the report has none but the model itself.
        """

    def export(self, run: Prepared, folder: RunFolder) -> None:
        """Write what the run ships, of the model as it is, which was settled."""

    def measure(self, run: Prepared, journal: Journal) -> Measured:
        """Measure and record the tuned model, as it was exported, on the rows that the report is about."""

    def report_work(self, run: Prepared) -> float:
        """What `measure` takes, in tokens that go through the model forward."""

    def probes(self, run: Prepared, allowance: Allowance, journal: Journal) -> list[Probe | Probed]:
        """The probes of what the training may have cost, or why one is left out."""

    def doubts(self, run: Prepared, seen: Seen) -> tuple[str, str]:
        """The likely cause of a run that was worth nothing, of the rows and the model, and what to try next."""

    def data_keys(self, loaded: Loaded) -> dict[str, Any]:
        """The recipe's `data` keys for the columns that were found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Everything a run needs, decided.

    Attributes:
        recipe: as asked.
        loaded: the rows and what was noticed about them.
        subject: task, rows and model.
        attached: the model with its method.
        hyper: what the loop runs with.
        method: the method, `auto` resolved.
        device: where the model is.
        precision: how it computes.
        draws: decides the order of the rows, dropout and a new head: the recipe's seed, unless a start was stuck.
        choices: recipe key to every value that was decided.
        findings: what the user should know about the rows.
        audited: what was looked at in them.
        notices: what the stages said on the way.
        given: the user's own files, on which risks are measured.
        terms: identity terms that are swapped to measure bias.
        kept: what of the frozen blocks is run once; None where they are run in each pass.
        frozen: that, while it is at hand.
        before: what is kept of the model as it came, once that is made.
        parts: that each micro-batch is computed in, one after the other, for the memory that is there.
        looked_up: name of a table of embeddings to its rows that training looks up, [rows], where the others stand.
    """

    recipe: Recipe
    loaded: Loaded
    subject: Subject
    attached: Attached
    hyper: Hyperparameters
    method: Method
    device: torch.device
    precision: PrecisionName
    draws: int
    choices: dict[str, Resolved[Any]]
    findings: tuple[Finding, ...]
    audited: Audited
    notices: tuple[str, ...]
    given: GivenFiles = NONE_GIVEN
    terms: tuple[Pair, ...] = ()
    kept: Kept | None = None
    frozen: FrozenStates = WHOLE
    before: Beforehand = NOTHING
    parts: int = 1
    looked_up: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def model(self) -> Pretrained:
        """The model with its tokenizer."""
        return self.subject.model

    @property
    def rows(self) -> Mapping[str, Sequence[Row]]:
        """Split to the rows that are used."""
        return self.subject.rows

    @property
    def report_split(self) -> str:
        """The rows that the final figures are about."""
        return report_split(self.rows)

    @property
    def sampling(self) -> Sampling:
        """How intervals are drawn."""
        spec = self.recipe.evaluate
        return Sampling(resamples=spec.resamples, confidence=spec.confidence, seed=self.recipe.seed)

    @property
    def evaluation_budget(self) -> int:
        """Tokens in a batch of an evaluation."""
        return EVALUATION_FACTOR * self.hyper.batch_tokens.value
