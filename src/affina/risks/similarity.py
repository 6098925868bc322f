"""What a model that only reads forgot: how far it no longer holds the same sentences to be alike.

Of general sentences (`sentences`) the mean last hidden states are compared by their cosine, every two of them, by the
model as it came and by the tuned one; the probe is 1 minus the correlation (Pearson's r) of the two lists. 0 is a model
that tells texts apart as before, 1 one of which nothing of that is left. The head has no part in it. Sentences, not
pairs of them, are drawn anew for the interval.
"""

from __future__ import annotations

from typing import Final, final

import numpy as np

from affina.data.rows import Row
from affina.evaluation.baselines import Floats
from affina.evaluation.judging.base import Sampling
from affina.models.classifier import Classifier
from affina.record.risks import Figure, Risk
from affina.risks.mean_states import mean_states, read_rows_of
from affina.risks.probe import Found, outcome_of, with_intervals
from affina.risks.sentences import FILE, sentences
from affina.tasks.base import Example

LIMIT: Final = 0.5
"""From about here on, a linear probe on the features loses 5% of another task's rows, which is the limit of a task that
is asked itself (docs/log.md, 2026-11-30, what an encoder's probe of forgetting foretells)."""
CHANGE: Final = "similarity_change"
NAME: Final = "which general sentences are alike"
ROUNDING: Final = 1e-20
"""A variance of cosines that is no larger is that of their rounding."""
TOKENS: Final = 20.0
"""Of a sentence, about; it is read by both models."""


@final
class Similarities:
    """How far sentence similarities have moved: a `Probe`.

    Args:
        model: the run's, on its device.
        sampling: how the interval is drawn.
        budget: tokens of a batch, padding included, at most.
    """

    risk: Risk = "forgetting"
    name = NAME
    needs_base = True

    def __init__(self, model: Classifier, *, sampling: Sampling, budget: int) -> None:
        self._model, self._sampling, self._budget = model, sampling, budget
        self._examples = _read(model)
        self._base: Floats = np.empty((0, 0))

    def before(self) -> None:
        """The similarities of the model as it came."""
        self._base = self._look()

    def after(self) -> Found:
        """Those of the tuned one, beside them."""
        base, tuned = self._base, self._look()

        def measure(weights: Floats) -> Floats:
            return np.asarray([change(base, tuned, weights)])

        if not np.isfinite(measure(np.ones(len(base)))[0]):
            return Found(outcome="unmeasured", why="one of the two models holds all sentences to be equally alike")
        [found] = with_intervals(measure, len(base), self._sampling)
        note = f"{len(base):,} short English sentences on everyday subjects, written for Affina"
        figures = (Figure(metric=CHANGE, of="", found=found),)
        return Found(outcome=outcome_of(found, LIMIT), limit=LIMIT, figures=figures, notes=(note,))

    def _look(self) -> Floats:
        """The cosines of every two sentences, [sentences, sentences]."""
        vectors = mean_states(self._model, self._examples, budget=self._budget)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        directions = vectors / np.maximum(norms, np.finfo(np.float64).tiny)
        return np.asarray(directions @ directions.T)


def _read(model: Classifier) -> list[Example]:
    texts = enumerate(sentences(), start=1)
    rows = [Row(fields={"text": text}, file=FILE.name, number=number, line=0) for number, text in texts]
    return read_rows_of(model, rows)


def change(base: Floats, tuned: Floats, weights: Floats) -> float:
    """1 minus the correlation of two lists of similarities; not a number where one of them never changes.

    Args:
        base: [sentences, sentences].
        tuned: the same.
        weights: [sentences], how often each counts; a pair counts as often as both together.
    """
    first, second = np.triu_indices(len(base), k=1)
    share = weights[first] * weights[second]
    if not share.sum():
        return float("nan")
    share = share / share.sum()
    ours, theirs = (found[first, second] for found in (base, tuned))
    ours, theirs = ours - share @ ours, theirs - share @ theirs
    variances = share @ (ours * ours), share @ (theirs * theirs)
    if min(variances) <= ROUNDING:
        return float("nan")
    # of two lists that are the same, the product is a square, and its root exactly what was squared
    return 1 - float(share @ (ours * theirs)) / float(np.sqrt(variances[0] * variances[1]))
