"""The base model's view of the task, before anything is trained: the baselines, and the start of a new head.

Owns which rows the probes see and which features they read. The baseline probe reads the mean state, the head's start
what reaches its last layer, so each takes a pass of its own over the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from affina.evaluation.baselines import (
    MOST_ROWS,
    START_STRENGTH,
    LinearProbe,
    last_features,
    mean_features,
)
from affina.evaluation.carrying import carried_over, choose_probe
from affina.evaluation.judging.base import Judge, Targets, Thresholds
from affina.evaluation.predictions import run_over
from affina.models import head_start
from affina.models.anatomy import Anatomy
from affina.models.first_position import states_for_head
from affina.models.heads import head_logits, hidden_states
from affina.recipe.base import AUTO, Auto
from affina.recipe.resolve import GIVEN
from affina.recipe.schema import HeadStart
from affina.tasks.base import Batch, Example, Target, Task
from affina.values import Resolved

LEAST_CARRIED_OVER: Final = 0.8
"""A probe that carries less over has learnt its rows by heart, and is a worse start than a random one,"""
FEW_OF_A_CLASS: Final = 16
"""unless there are fewer training rows for each class than this: then a random head learns too late."""
Known = Callable[[str, Sequence[int], Batch], AbstractContextManager[None]]
"""What is on while a batch of rows of a split, at these places, is run."""


def unknown(*_: object) -> AbstractContextManager[None]:
    """Nothing is on."""
    return nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prober:
    """A model in evaluation mode, and how to feed it.

    Attributes:
        module: the model, on its device.
        anatomy: where its head is.
        task: collates the examples.
        judge: fits the probes and says what they are worth.
        budget: tokens in a batch.
        device: where the model is.
    """

    module: nn.Module
    anatomy: Anatomy
    task: Task
    judge: Judge
    budget: int
    device: torch.device

    def features(self, examples: Sequence[Example]) -> NDArray[np.float32]:
        """The mean last hidden state of each example, [rows, width]."""
        return run_over(examples, self._mean, task=self.task, budget=self.budget)

    def baseline(
        self, train: Sequence[Example], validation: Sequence[Example]
    ) -> tuple[LinearProbe, Thresholds | None]:
        """The linear probe, its strength and thresholds chosen on validation rows; both bounded to `MOST_ROWS`."""
        chosen, looked_at = _some(train), _some(validation)
        unseen = (self.features(looked_at), self.judge.targets(looked_at))
        probe = choose_probe(self.judge, (self.features(chosen), self.judge.targets(chosen)), unseen)
        return probe, self.judge.decide(probe.predict(unseen[0]), unseen[1])

    def start_head(
        self,
        train: Sequence[Example],
        validation: Sequence[Example],
        *,
        asked: HeadStart | Auto,
        around: Known = unknown,
    ) -> Resolved[HeadStart]:
        """Start the head as a linear classifier of its own features, where that is asked for or holds for unseen rows.

        Args:
            train: rows to fit the classifier on.
            validation: rows that tell whether it holds.
            asked: the recipe's `train.head_start`.
            around: what is on while rows of a split are run.
        """
        layer = head_start.last_layer(self.module, self.anatomy)
        if layer is None:
            return Resolved("random", "as transformers draws it: the head's last layer is of a make of its own")
        head_start.open_pooler(self.module, self.anatomy)
        if asked == "random":
            return Resolved("random", GIVEN)
        seen, unseen = (
            self._given_to(layer, rows, _places_of_some(rows), around=partial(around, split))
            for split, rows in (("train", train), ("validation", validation))
        )
        probe = self.judge.fit(*seen, strength=START_STRENGTH, intercept=layer.bias is not None)
        share = carried_over(self.judge, probe, seen, unseen)
        found = f"a linear probe on what the head reads carries {share:.0%} of what it learns over to unseen rows"
        each = len(train) / probe.classes
        if each < FEW_OF_A_CLASS:
            found = f"{each:.1f} training rows for a label are too few for a random start; {found}"
        elif asked == AUTO and share < LEAST_CARRIED_OVER:
            return Resolved("random", found)
        head_start.fill(layer, probe.weight, probe.bias, classes=probe.seen)
        return Resolved("probe", found if asked == AUTO else f"{GIVEN}; {found}")

    def _given_to(
        self,
        layer: nn.Linear,
        rows: Sequence[Example],
        places: Sequence[int],
        *,
        around: Callable[[Sequence[int], Batch], AbstractContextManager[None]],
    ) -> tuple[NDArray[np.float32], Targets]:
        """What reaches the last layer of the head for each of these rows, [rows, width], and their targets."""
        examples = [rows[place] for place in places]
        with head_start.inputs_of(layer) as seen:

            def forward(batch: Batch) -> Tensor:
                seen.clear()
                batch = batch.to(self.device)
                with around([places[row] for row in batch.rows], batch):
                    hidden = states_for_head(self.module, self.anatomy, batch.inputs)
                    head_logits(self.module, hidden, batch.inputs)
                return seen[-1] if seen[-1].ndim == 2 else last_features(seen[-1], batch.inputs["attention_mask"])

            found = run_over(examples, forward, task=self.task, budget=self.budget)
        return found, self.judge.targets(examples)

    def _mean(self, batch: Batch) -> Tensor:
        inputs = batch.to(self.device).inputs
        return mean_features(hidden_states(self.module, inputs), inputs["attention_mask"])


def _some(examples: Sequence[Example]) -> list[Example]:
    """At most `MOST_ROWS` of them."""
    return [examples[place] for place in _places_of_some(examples)]


def _places_of_some(examples: Sequence[Example]) -> list[int]:
    """Their places: one of each label and the rest drawn evenly, since files are often sorted by label."""
    order = np.random.default_rng(0).permutation(len(examples)).tolist()
    of_each: dict[int, int] = {}
    for place in order:
        for label in _labels(examples[place].target):
            of_each.setdefault(label, place)
    chosen = dict.fromkeys([*of_each.values(), *order])
    return list(chosen)[:MOST_ROWS]


def _labels(target: Target) -> tuple[int, ...]:
    if isinstance(target, tuple):
        return target
    return (target,) if isinstance(target, int) else ()
