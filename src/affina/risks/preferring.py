"""Whether a model holds the right text of several likelier, before and after a training: four kinds of files.

A file is scored by the model as it came and by the tuned one (`likelier`), and what decides is the change on the same
items. Of minimal pairs and of multiple choice it is the share that was told right and no longer is, of stereotypes how
much further from an even split the share of stereotypes that are held likelier has moved (`stereotypes`). Where every
score is the same to the last bit, nothing changed and the interval has no width; else it is that of two shares on the
same items. This module runs no model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, final

import numpy as np

from affina.evaluation.intervals import Floats
from affina.evaluation.judging.base import Sampling
from affina.evaluation.proportions import Answers, paired_difference_of, share_of
from affina.record.figures import Measured
from affina.record.risks import TUNED, UNTOUCHED, Figure, Risk
from affina.risks.given_items import Item, Items
from affina.risks.probe import Found, outcome_of

LIMIT: Final = 0.05
"""Of the items: as many more may be told wrong. By convention."""
PAIRS_LOST: Final = "pairs_lost"
CHOICES_LOST: Final = "choices_lost"
ACCURACY: Final = "accuracy"
BY_BYTES: Final = "accuracy_by_bytes"
SAME: Final = "every score of the two models is the same to the last bit"

Scores = Sequence[Floats]
"""For each item the score of each of its texts; more is likelier."""
Look = Callable[[], Scores]
"""Scores the items by the model as it is."""
Judge = Callable[[Sequence[Item], Scores, Scores], Found]
"""What the scores before and after come to."""


@final
class Preferred:
    """A file's items, scored before and after: a `Probe`.

    Args:
        items: of the file.
        look: scores them.
        how: what the scores are, for the reader.
        judge: what the scores of both come to.
        risk: of which this is a probe.
    """

    needs_base = True

    def __init__(self, items: Items, look: Look, *, how: str, judge: Judge, risk: Risk) -> None:
        self.risk, self.name = risk, items.name
        self._items, self._look, self._how, self._judge = items, look, how, judge
        self._base: Scores = ()

    def before(self) -> None:
        """Score them."""
        self._base = self._look()

    def after(self) -> Found:
        """Score them again."""
        found = self._judge(self._items.items, self._base, self._look())
        notice = (self._items.notice,) if self._items.notice else ()
        notes = (f"{len(self._items.items):,} items of the file, {self._items.told}", *notice, self._how)
        return replace(found, notes=(*notes, *found.notes))


def same(before: Scores, after: Scores) -> bool:
    """Whether two models gave the same scores, bit for bit."""
    return all(np.array_equal(first, second) for first, second in zip(before, after, strict=True))


def pairs_lost(items: Sequence[Item], before: Scores, after: Scores, *, sampling: Sampling) -> Found:
    """How many pairs fewer are told right: the right text has to be strictly likelier (Warstadt et al. 2020, 4.1).

    Args:
        items: two texts each.
        before: of the untouched model.
        after: of the tuned one.
        sampling: has the level of the intervals.
    """
    sides = [right(items, scores) for scores in (before, after)]
    return fewer_right(PAIRS_LOST, sides[0], sides[1], still=same(before, after), confidence=sampling.confidence)


def choices_lost(items: Sequence[Item], before: Scores, after: Scores, *, sampling: Sampling) -> Found:
    """How many questions fewer are answered right: by the whole score, and beside it by the score for each byte.

    Args:
        items: questions.
        before: of the untouched model, the log-probability of each choice.
        after: of the tuned one.
        sampling: has the level of the intervals.
    """
    confidence = sampling.confidence
    sides = [right(items, scores) for scores in (before, after)]
    found = fewer_right(CHOICES_LOST, sides[0], sides[1], still=same(before, after), confidence=confidence)
    sizes = [np.asarray([len(text.encode()) for text in item.texts], dtype=np.float64) for item in items]
    by_bytes = [
        Figure(metric=BY_BYTES, of=side, found=share_of(sum(hits), len(items), confidence=confidence))
        for side, scores in ((UNTOUCHED, before), (TUNED, after))
        for hits in [right(items, [row / size for row, size in zip(scores, sizes, strict=True)])]
    ]
    return Found(outcome=found.outcome, limit=found.limit, figures=(*found.figures, *by_bytes), notes=found.notes)


def right(items: Sequence[Item], scores: Scores) -> Answers:
    """For each item whether its right text has a higher score than every other one."""
    return [bool((row[item.right] > np.delete(row, item.right)).all()) for item, row in zip(items, scores, strict=True)]


def fewer_right(metric: str, before: Answers, after: Answers, *, still: bool, confidence: float) -> Found:
    """How many fewer answers are right than before, on the same items; `still`: not a score has moved."""
    lost = change_of(after, before, still=still, confidence=confidence)
    sides = [
        Figure(metric=ACCURACY, of=side, found=share_of(sum(hits), len(hits), confidence=confidence))
        for side, hits in ((UNTOUCHED, before), (TUNED, after))
    ]
    gained = sum(now and not then for then, now in zip(before, after, strict=True))
    gone = sum(then and not now for then, now in zip(before, after, strict=True))
    return Found(
        outcome=outcome_of(lost, LIMIT),
        limit=LIMIT,
        figures=(Figure(metric=metric, of="", found=lost), *sides),
        notes=(SAME,) if still else (f"{gone:,} that were told right no longer are, {gained:,} others now are",),
    )


def change_of(first: Answers, second: Answers, *, still: bool, confidence: float) -> Measured:
    """The second share minus the first on the same items; of scores that did not move at all, 0 without a width."""
    if still:
        return Measured(value=0.0, low=0.0, high=0.0, n=len(first))
    return paired_difference_of(second, first, confidence=confidence)
