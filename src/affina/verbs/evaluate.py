"""Verb: evaluate. A finished run's model on a labelled file, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

from affina.data.checks import check_known_labels
from affina.data.reading import read_texts
from affina.evaluation import metrics
from affina.record.payloads import Scores
from affina.verbs.runs import open_run


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores on a file, next to what the run measured before its training.

    Attributes:
        scores: the tuned model's.
        baselines: name to the scores that the run recorded, on its own rows.
    """

    scores: Scores
    baselines: Mapping[str, Scores]

    def as_json(self) -> dict[str, Any]:
        """`{"metrics": {NAME: {value, low, high, n}}, "baselines": {WHO: {NAME: {...}}}}`."""
        return {
            "metrics": _plain(self.scores),
            "baselines": {who: {"split": scores.split, **_plain(scores)} for who, scores in self.baselines.items()},
        }


def evaluate(
    run: str | PathLike[str],
    data: str | PathLike[str],
    *,
    device: str = "auto",
    notify: Callable[[str], None] = lambda _: None,
) -> Evaluation:
    """Measure a run's model on labelled rows.

    Args:
        run: the run folder.
        data: a file with the columns that the run was trained on.
        device: auto, cpu, cuda or mps.
        notify: told of texts that were cut.

    Raises:
        RunError: the run has no model.
        DataError: the file cannot be used, or has a label that the run does not know.
    """
    opened = open_run(fspath(run), device=device)
    rows = read_texts(fspath(data), opened.data.columns, labelled=True)
    check_known_labels(rows, known=opened.task.labels, train="the training data")
    places = {label: place for place, label in enumerate(opened.task.labels)}
    spec = opened.recipe.evaluate
    scores = metrics.score(
        opened.predict(rows, notify=notify),
        [places[row.fields["label"]] for row in rows],
        opened.task.labels,
        who="tuned",
        split=fspath(data),
        resamples=spec.resamples,
        confidence=spec.confidence,
        seed=opened.recipe.seed,
    )
    recorded = {record.who: record for record in opened.records if isinstance(record, Scores)}
    return Evaluation(scores, {who: found for who, found in recorded.items() if who != "tuned"})


def _plain(scores: Scores) -> dict[str, Any]:
    return {
        name: {"value": figure.value, "low": figure.low, "high": figure.high, "n": figure.n}
        for name, figure in scores.metrics.items()
    }
