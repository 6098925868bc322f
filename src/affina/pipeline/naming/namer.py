"""A language model that says which label a text has, by how likely it holds each name behind it.

It needs no run: the untouched model is measured with it, the tuned one, and a finished run's. What is trained and what
answers are worth is elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from affina.data.rows import Row
from affina.evaluation.baselines import Floats
from affina.evaluation.predictions import check_finite
from affina.models.base import Tells
from affina.models.language import LanguageModel
from affina.models.quiet import Notify, silent
from affina.tasks.asking import Asking
from affina.tasks.label_scoring import log_probabilities, score_labels
from affina.tasks.lessons import Question, Reading
from affina.tasks.shots import ask_all, question_room
from affina.training.stepping import BACKWARD

TOGETHER: Final = 256
"""Questions after which is said how far the scores are."""
LEAST_SCORED: Final = 100
"""Rows: fewer tell too little of a model."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Namer:
    """A model and its questions.

    Attributes:
        model: predicts the next token.
        asking: texts to questions, and the labels.
        ended: the end of a name counts, as a tuned model learned it; an untouched one was never told to end there.
    """

    model: LanguageModel
    asking: Asking
    ended: bool

    def outputs(
        self,
        rows: Sequence[Row],
        *,
        shots: Sequence[Row] = (),
        notify: Notify = silent,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Floats:
        """The labels' probabilities, [rows, labels], in the order of the labels.

        Args:
            rows: what is asked.
            shots: rows with their labels that stand before each question, as many as there is room for.
            notify: told of questions with fewer shots, and of a model that reads each label with its prompt; once.
            progress: told how many rows are done.

        Raises:
            NonFiniteError: the model gives a label infinity, or what is not a number.
        """
        labels, task = self.asking.labels, self.asking.task
        if not rows:
            return np.empty((0, len(labels)))
        questions = self._questions(rows, shots, notify)
        order = sorted(range(len(rows)), key=lambda place: -len(questions[place].text))
        found, told = np.empty((len(rows), len(labels))), _Once(notify)
        for start in range(0, len(order), TOGETHER):
            places = order[start : start + TOGETHER]
            asked = [questions[place] for place in places]
            scores = score_labels(self.model, task, asked, labels=labels, ended=self.ended, notify=told)
            found[places] = log_probabilities(scores)
            progress(min(len(order), start + TOGETHER))
        check_finite(found, lambda place: rows[place].where)
        return np.exp(found)

    def _questions(self, rows: Sequence[Row], shots: Sequence[Row], notify: Notify) -> list[Question]:
        if not shots:
            return [self.asking.question(row) for row in rows]
        room = question_room(self.model, answer=max(self.asking.label_tokens))
        asked = ask_all(self.asking, Reading(self.model), rows, shots=shots, room=room, notify=notify)
        pairs = zip(rows, asked, strict=True)
        return [self.asking.question(row, shots=shots[: one.shots]) for row, one in pairs]


class _Once:
    """Tells each sentence once."""

    def __init__(self, notify: Notify) -> None:
        self._notify, self._told = notify, set[str]()

    def __call__(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._notify(text)


def cost_of(model: Tells, asking: Asking, rows: Sequence[Row], *, shots: Sequence[Row] = ()) -> float:
    """Tokens that are read for a row in the mean, every label behind it; a few rows of many are looked at."""
    some = rows[:: max(1, len(rows) // LEAST_SCORED)]
    before = sum(asking.lengths([asking.fitting(shot) for shot in shots]))
    question = before + float(np.mean(asking.lengths([asking.fitting(row) for row in some])))
    if model.max_length is not None:
        question = min(question, float(model.max_length))
    read = question * len(asking.labels) if model.reads_apart else question
    return read + sum(asking.label_tokens)


def affordable(training_tokens: float, *, share: float, each: float) -> int:
    """Rows that can be scored in so large a share of the time that a pass over the training rows takes.

    Args:
        training_tokens: of an epoch.
        share: of its time.
        each: tokens that are read for a row, from `cost_of`.
    """
    return max(LEAST_SCORED, int(share * BACKWARD * training_tokens / each))
