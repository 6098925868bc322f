"""Overfitting on equal terms: how much of what was learned on training rows is missing on rows never trained on.

Every fine-tuned model is better on its training rows, so that the gap alone says little. Two gains over the same start
are held against each other: that on training rows, and that on validation rows. Of the first, the share that the second
lacks was learned by heart:

    lost = 1 - (validation now - validation before) / (training now - training before)

in the metric that chose the weights. It is 0 where all that was learned holds, and 1 where nothing does. Where texts
are written, the start is the untouched model's figure on the same rows. For answers it is what a guess reaches that
reads no text, on the validation rows, for both sides: such a guess knows how often each label is among the training
rows, and of few rows it has that by heart too (of 100 rows in two classes that are equally frequent: 54% of them on
average, and 50% of others). For the interval the validation rows are drawn anew (bootstrap), and the training rows by
themselves, but where they are all that there are: then nothing of them is left to chance. It is judged as every probe
is (`probe`). The validation rows chose the checkpoint, which flatters them a little: what is flagged is the more sure.

This module runs no model: it is handed what was measured, or functions that measure it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np

from affina.evaluation import perplexity
from affina.evaluation.baselines import Floats
from affina.evaluation.intervals import Measure, draws, ends, untold_as_zero
from affina.evaluation.judging.base import Judge, Sampling, Targets, Thresholds
from affina.evaluation.proportions import share_of
from affina.record.figures import LEAST_ROWS, Measured
from affina.record.measures import direction
from affina.record.risks import DIFFERENCE, TRAINING_ROWS, VALIDATION_ROWS, Figure, Risk
from affina.risks.probe import Found, outcome_of

LIMIT: Final = 1 / 3
"""Of what was learned on the training rows: where more than that is lost elsewhere, it was learned by heart. By
convention; docs/log.md has what it flags."""
LOST: Final = "lost_elsewhere"
LOSS: Final = "loss"
NAME: Final = "training rows against validation rows"
WHOLE: Final = "all read as an evaluation reads them"
NOTHING_LEARNED: Final = (
    "on the training rows the model is not clearly better than before, so there is nothing that others could lack"
)


@dataclass(frozen=True, slots=True)
class Side:
    """Some rows, as their figures are made: how often each row counts to figures.

    Attributes:
        rows: how many.
        now: of the tuned model.
        before: of what it began with; None where it began as the other side's rows tell.
        are_all: these are no sample.
    """

    rows: int
    now: Measure
    before: Measure | None = None
    are_all: bool = False

    def both(self, weights: Floats) -> Floats:
        """Those of now, then those of before, if it has any."""
        now = self.now(weights)
        return now if self.before is None else np.concatenate([now, self.before(weights)])

    def drawn(self, sampling: Sampling, *, seed: int) -> tuple[Floats, Floats]:
        """`both` over all rows, and on each draw."""
        if not self.are_all:
            values, drawn = draws(self.both, self.rows, resamples=sampling.resamples, seed=seed)
            return untold_as_zero(values), drawn
        values = untold_as_zero(self.both(np.ones(self.rows)))
        return values, np.tile(values, (sampling.resamples, 1))


def compare(train: Side, unseen: Side, *, names: tuple[str, ...], decisive: str, sampling: Sampling) -> Found:
    """What the gain on training rows is worth elsewhere.

    Args:
        train: rows that were trained on.
        unseen: rows that were not; what the model began with is known of them.
        names: of the figures of both sides, in order.
        decisive: the one that is judged.
        sampling: how the intervals are drawn.
    """
    shown = tuple(dict.fromkeys((decisive, *(name for name in names if name == LOSS))))
    combine = _Combining(names, decisive, shown)
    seeds = (sampling.seed + 1, sampling.seed)  # the report draws validation rows by the seed as it is
    drawn = [side.drawn(sampling, seed=seed) for side, seed in zip((train, unseen), seeds, strict=True)]
    values, resampled = (combine(*(side[part] for side in drawn)) for part in (0, 1))
    values = untold_as_zero(values)  # where nothing was learned, nothing is lost
    low, high = ends(values, resampled, confidence=sampling.confidence)
    high[0] = max(high[0], combine(drawn[0][0], _at_worst(unseen, drawn[1], names.index(decisive), sampling))[0])
    least = min(train.rows, unseen.rows)
    rows = (least, least, *(train.rows, unseen.rows, least) * len(shown))
    lost, learned, *others = (
        Measured(value=value, low=bottom, high=top, n=count)
        for value, bottom, top, count in zip(values.tolist(), low.tolist(), high.tolist(), rows, strict=True)
    )
    of = (TRAINING_ROWS, VALIDATION_ROWS, DIFFERENCE)
    figures = tuple(
        Figure(metric=metric, of=side, found=others[len(of) * place + number])
        for place, metric in enumerate(shown)
        for number, side in enumerate(of)
    )
    if learned.n >= LEAST_ROWS and not learned.low > 0:
        return Found(outcome="open", limit=LIMIT, figures=figures, why=NOTHING_LEARNED)
    decides = Figure(metric=LOST, of="", found=lost)
    return Found(outcome=outcome_of(lost, LIMIT), limit=LIMIT, figures=(decides, *figures))


def _at_worst(unseen: Side, drawn: tuple[Floats, Floats], place: int, sampling: Sampling) -> Floats:
    """The figures of the unseen rows; a share that is 1 on every draw, as low as so many rows leave room for."""
    values, resampled = drawn
    if values[place] != 1.0 or not (resampled[:, place] == 1.0).all():
        return values
    worst = values.copy()
    worst[place] = share_of(unseen.rows, unseen.rows, confidence=sampling.confidence).low
    return worst


@dataclass(frozen=True, slots=True)
class _Combining:
    """The figures of two sides, now and before, to what is lost, what was learned, and each shown metric's three."""

    names: tuple[str, ...]
    decisive: str
    shown: tuple[str, ...]

    def __call__(self, train: Floats, unseen: Floats) -> Floats:
        """[..., figures] of both to [..., 2 + 3 x shown]; what was not learned cannot be lost, and is no number."""
        place, way = self.names.index(self.decisive), direction(self.decisive)
        start = unseen[..., len(self.names) + place]
        own = train.shape[-1] > len(self.names)
        learned = way * (train[..., place] - (train[..., len(self.names) + place] if own else start))
        held = way * (unseen[..., place] - start)
        with np.errstate(divide="ignore", invalid="ignore"):
            lost = np.where(learned > 0, 1 - held / learned, np.nan)
        found = [lost, learned]
        for metric in self.shown:
            at = self.names.index(metric)
            found += [train[..., at], unseen[..., at], train[..., at] - unseen[..., at]]
        return np.stack(found, axis=-1)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class OfAnswers:
    """Overfitting of a model whose answers have a judge: a `Probe`.

    Attributes:
        judge: says what answers are worth.
        predict: the tuned model's outputs for the rows that are looked at, of the training and of the validation split.
        targets: the right answers of the same rows.
        known: the right answers of all training rows: the guess that both gains are counted from is made of them.
        thresholds: of the model as it is.
        metric: that chose the weights.
        sampling: how the intervals are drawn.
    """

    judge: Judge
    predict: Callable[[str], Floats]
    targets: dict[str, Targets]
    known: Targets
    thresholds: Callable[[], Thresholds | None]
    metric: str
    sampling: Sampling
    risk: Risk = "overfitting"
    name: str = NAME
    needs_base: bool = False

    def before(self) -> None:
        """Nothing: the guess reads no text."""

    def after(self) -> Found:
        """Both sides, and the guess on the validation rows."""
        count, names = len(self.targets["train"]), self.judge.metrics
        train = Side(count, self._now("train"), are_all=count == len(self.known))
        guessing, count = self._guessing(), len(self.targets["validation"])
        unseen = Side(count, self._now("validation"), guessing)
        usable = self.metric in names and _is_told(guessing, count, names.index(self.metric))
        metric = self.metric if usable else self.judge.watched(weighted=False).value
        found = compare(train, unseen, names=names, decisive=metric, sampling=self.sampling)
        began = "what a guess reaches on the validation rows that reads no text"
        return replace(found, notes=(_told(train, unseen, began=began),))

    def _now(self, split: str) -> Measure:
        return self.judge.measure(self.predict(split), self.targets[split], self.thresholds())

    def _guessing(self) -> Measure:
        targets = self.targets["validation"]
        guess = self.judge.guess(self.known, rows=len(targets))
        return self.judge.measure(guess, targets, self.judge.guess_thresholds(self.known))


@final
class OfTexts:
    """Overfitting of a model that writes, by the loss of what it learns: a `Probe`.

    Args:
        losses: each row's losses, for the model as it is, of the training and of the validation split.
        trained: how many training rows there are.
        sampling: how the intervals are drawn.
        how: the rows are read, in words.
    """

    risk: Risk = "overfitting"
    name = NAME
    needs_base = True

    def __init__(
        self, losses: Callable[[str], perplexity.Statistics], *, trained: int, sampling: Sampling, how: str = WHOLE
    ) -> None:
        self._losses, self._trained, self._sampling, self._how = losses, trained, sampling, how
        self._before: dict[str, perplexity.Statistics] = {}

    def before(self) -> None:
        """The losses of the model as it came."""
        self._before = {split: perplexity.told(self._losses(split)) for split in ("train", "validation")}

    def after(self) -> Found:
        """The losses of the tuned model, beside those."""
        sides = []
        for split, before in self._before.items():
            rows, now = len(before.nats), perplexity.told(self._losses(split))
            are_all = split == "train" and rows == self._trained
            sides.append(Side(rows, _loss_of(now), _loss_of(before), are_all=are_all))
        found = compare(*sides, names=(LOSS,), decisive=LOSS, sampling=self._sampling)
        return replace(found, notes=(_told(*sides, began="the untouched model", how=self._how),))


def _loss_of(rows: perplexity.Statistics) -> Measure:
    return lambda weights: perplexity.measure(rows, weights)[:1]


def _is_told(measure: Measure, rows: int, place: int) -> bool:
    """Whether a figure is defined: a correlation with a guess that never changes is not."""
    return bool(np.isfinite(measure(np.ones(rows))[place]))


def _told(train: Side, unseen: Side, *, began: str, how: str = WHOLE) -> str:
    which = (
        f"all {train.rows:,} training rows" if train.are_all else f"{train.rows:,} training rows, drawn by the seed,"
    )
    return f"{which} against {unseen.rows:,} validation rows, {how}; what was learned is counted from {began}"
