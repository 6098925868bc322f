"""How a model with a head is asked for the probes of bias: by its head, and by a linear probe, untouched and tuned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from affina.data.drawing import drawn_places
from affina.data.rows import Row
from affina.evaluation.baselines import START_STRENGTH
from affina.evaluation.intervals import Floats
from affina.pipeline.answering.measuring import predict, prober_of
from affina.pipeline.prepared import Prepared
from affina.pipeline.treating import Asked, judged_split
from affina.risks.swaps import Views

if TYPE_CHECKING:
    from affina.pipeline.answering.subject import Answering

MOST_FITTED: Final = 1_000
"""Training rows that a linear probe is fitted on."""
READ: Final = 6
"""Passes over a row: as it is and swapped, by the head and by two linear probes."""
EACH: Final = 2
"""Training rows that the linear probes are fitted on for a row that is swapped, at the least."""


def asked_of(subject: Answering, run: Prepared) -> Asked:
    """The head, and the linear probe that is fitted anew on the model as it is."""
    train, trained = subject.examples["train"], 2 * float(np.mean(subject.lengths["train"]))
    read = READ * float(np.mean(subject.lengths[judged_split(run)]))

    def views(left: float) -> Views:
        most = min(MOST_FITTED, len(train))
        rows = most if left >= most * trained else int(left / trained)
        fitted = [train[place] for place in drawn_places(len(train), most=rows, seed=run.recipe.seed)]
        targets = subject.judge.targets(fitted)

        def shipped(texts: Sequence[Row]) -> Floats:
            return predict(subject, run, subject.task.encode(texts))

        def alike(texts: Sequence[Row]) -> Floats:
            prober = prober_of(subject, run)
            probe = subject.judge.fit(prober.features(fitted), targets, strength=START_STRENGTH)
            return probe.predict(prober.features(subject.task.encode(texts)))

        how = (
            f"the untouched model answers by a linear probe, fitted on {rows:,} training rows; the difference is that"
            " of two such probes, on the untouched and on the tuned model"
        )
        return Views(shipped, alike, how)

    return Asked(read, read + EACH * trained, views)
