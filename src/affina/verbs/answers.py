"""A finished run's model that answers with labels or a number, loaded: by its head, or by the names of the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, final

import numpy as np
import torch
from numpy.typing import NDArray

from affina.data.rows import Row
from affina.evaluation.judging.base import Judge, Targets
from affina.evaluation.predictions import logits_of
from affina.models.classifier import Classifier
from affina.pipeline.limits import LONGEST_BY_DEFAULT
from affina.pipeline.naming.namer import Namer
from affina.pipeline.naming.subject import places_of
from affina.pipeline.opening import Shipped
from affina.recipe.schema import Recipe
from affina.tasks.asking import Asking
from affina.tasks.base import Task
from affina.tasks.texts import measure_lengths

BATCH_TOKENS: Final = 2_048


class Answers(Protocol):
    """A finished run's model, ready to answer."""

    @property
    def limit(self) -> int:
        """The run's limit in tokens."""
        ...

    def lengths(self, rows: Sequence[Row]) -> list[int]:
        """The tokens of each row, nothing cut."""
        ...

    def outputs(self, rows: Sequence[Row]) -> NDArray[np.float64]:
        """What the model makes of at least one row, [rows, outputs]."""
        ...

    def targets(self, rows: Sequence[Row]) -> Targets:
        """The right answers of labelled rows."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Headed:
    """A model with a head.

    Attributes:
        classifier: on `device`.
        task: encodes texts as the training did.
        judge: reads the model's logits.
        device: where the model is.
    """

    classifier: Classifier
    task: Task
    judge: Judge
    device: torch.device

    @property
    def limit(self) -> int:
        """Of its tokenizer."""
        return self.task.max_length

    def lengths(self, rows: Sequence[Row]) -> list[int]:
        """Special tokens included."""
        return measure_lengths(self.classifier.tokenizer, rows)

    def outputs(self, rows: Sequence[Row]) -> NDArray[np.float64]:
        """What its logits stand for."""
        examples = self.task.encode(rows)
        logits = logits_of(
            self.classifier,
            examples,
            task=self.task,
            budget=max(BATCH_TOKENS, *(len(example.ids) for example in examples)),
            device=self.device,
            where=lambda place: rows[place].where,
        )
        return self.judge.read(logits)

    def targets(self, rows: Sequence[Row]) -> Targets:
        """As the task has them."""
        return self.judge.targets(self.task.encode(rows))


@final
@dataclass(frozen=True, slots=True)
class Named:
    """A language model that learned the labels' names.

    Attributes:
        namer: the model with its questions.
        limit: in tokens.
    """

    namer: Namer
    limit: int

    def lengths(self, rows: Sequence[Row]) -> list[int]:
        """With the longest label behind each."""
        return self.namer.asking.lengths(rows)

    def outputs(self, rows: Sequence[Row]) -> NDArray[np.float64]:
        """The labels' probabilities, from the likelihood of their names."""
        return self.namer.outputs(rows)

    def targets(self, rows: Sequence[Row]) -> Targets:
        """The places of the labels."""
        return places_of(rows, self.namer.asking.labels)


def load_named(opened: Shipped, recipe: Recipe, labels: Sequence[str]) -> Named:
    """The model of a run that learned the labels in words, as its report measured it."""
    model, _ = opened.writer()
    asked = recipe.data.max_length
    limit = LONGEST_BY_DEFAULT if isinstance(asked, str) else asked
    return Named(Namer(model=model, asking=Asking(model, labels, limit=limit), ended=True), limit)
