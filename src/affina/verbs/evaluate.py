"""Verb: evaluate. A finished run's model on a labelled file, with intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

from affina.data.gathering import one_set
from affina.data.places import locate
from affina.data.reading import read_texts
from affina.data.rows import Row
from affina.evaluation.judging.base import Sampling
from affina.record.measures import WRITING
from affina.record.payloads import Scores
from affina.runtime import products
from affina.verbs.runs import OpenRun, open_run, read_run, tell_of_shared
from affina.verbs.writers import open_writer


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores on a file, next to what the run measured before its training.

    Attributes:
        run: the run folder.
        data: the file that was measured on.
        scores: the tuned model's.
        baselines: name to the scores that the run recorded, on its own rows.
    """

    run: str
    data: str
    scores: Scores
    baselines: Mapping[str, Scores]

    def as_json(self) -> dict[str, Any]:
        """`{"run", "data", "metrics": {NAME: {value, low, high, n}}, "baselines": {WHO: {NAME: {...}}}, "classes"}`.

        A metric that is not defined on these rows has null for its value and the ends.
        """
        return {
            "run": self.run,
            "data": self.data,
            "metrics": self.scores.as_json(),
            "baselines": {who: {"split": scores.split, **scores.as_json()} for who, scores in self.baselines.items()},
            "classes": [dataclasses.asdict(row) for row in self.scores.classes],
        }


@products.scoped()
def evaluate(
    run: str | PathLike[str],
    data: str | PathLike[str],
    *,
    device: str = "auto",
    notify: Callable[[str], None] = lambda _: None,
) -> Evaluation:
    """Measure a run's model on rows with their labels, numbers or answers.

    Args:
        run: the run folder.
        data: a file, or another source of one set of rows, with the columns that the run was trained on.
        device: auto, cpu, cuda or mps.
        notify: told of texts that were cut or divided, of rows that were left out or are also in the training files,
            and of what of the record could not be read.

    Raises:
        RunError: the run has no model.
        DataError: the file cannot be used, or has a label that the run does not know.
    """
    found = read_run(fspath(run), notify=notify)
    if found.data.task in WRITING:
        writer = open_writer(found, device=device)
        return Evaluation(fspath(run), fspath(data), writer.evaluate(fspath(data), notify=notify), found.baselines)
    opened = open_run(found, device=device)
    rows = _labelled(opened, fspath(data), notify)
    tell_of_shared(found.trained_on(rows), notify)
    spec = opened.recipe.evaluate
    scores = opened.judge.score(
        opened.predict(rows, notify=notify),
        opened.answering.targets(rows),
        opened.thresholds,
        who="tuned",
        split=fspath(data),
        sampling=Sampling(resamples=spec.resamples, confidence=spec.confidence, seed=opened.recipe.seed),
    )
    return Evaluation(fspath(run), fspath(data), scores, found.baselines)


def _labelled(opened: OpenRun, data: str, notify: Callable[[str], None]) -> tuple[Row, ...]:
    """The file's rows with their labels, read as those of the training; what is noticed in the cells is told."""
    labelling = opened.labelling
    rows = read_texts(one_set(locate(data)), opened.data.columns, labelled=True, lists=labelling.takes_lists)
    rows, findings = labelling.read(rows, split="test")
    for finding in findings:
        notify(f"{finding.count:,} {finding.meaning}")
    labelling.check_known(rows, known=opened.labels, train="the training data")
    return rows
