"""Runs of candidates that never were: a start that writes a made-up record, for tests that train nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from affina.comparing.process import Ended
from affina.errors import AffinaError
from affina.recipe.schema import Recipe
from affina.record.figures import Measured
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.record.payloads import Chosen, Evaluated, Finished, Payload, Scores, Started, Step
from affina.record.row_results import RowResults
from affina.record.starts import ModelLoaded

ROWS = 200


def right_on(count: int, *, who: str = "tuned", rows: int = ROWS, first: int = 0) -> RowResults:
    """Results by row of a predictor that is right on the last `count` of `rows`."""
    hits = [place >= rows - count for place in range(rows)]
    expected = [place % 2 for place in range(rows)]
    return RowResults(
        who=who,
        split="test",
        rows=tuple(f"{first + place:08x}" for place in range(rows)),
        values={"accuracy": tuple(map(float, hits))},
        expected=tuple(expected),
        predicted=tuple(truth if hit else 1 - truth for truth, hit in zip(expected, hits, strict=True)),
    )


def drawn(accuracy: float, *, seed: int = 0, rows: int = ROWS) -> RowResults:
    """The same of one that is right at random."""
    hits = np.random.default_rng(seed).random(rows) < accuracy
    return replace(
        right_on(0, rows=rows), values={"accuracy": tuple(hits.astype(float).tolist())}, expected=(), predicted=()
    )


def scores_of(found: RowResults) -> Scores:
    """The accuracy of results by row."""
    values = found.values["accuracy"]
    mean = sum(values) / len(values)
    figure = Measured(value=mean, low=max(0.0, mean - 0.05), high=min(1.0, mean + 0.05), n=len(values))
    return Scores(who=found.who, split=found.split, metrics={"accuracy": figure})


def record(
    results: RowResults,
    *,
    recipe: Recipe | None = None,
    validation: float = 0.5,
    trained: int = 1000,
    seconds: float = 10.0,
    memory: int = 2**30,
    baseline: int | None = 60,
) -> list[Payload]:
    """The record of a run that came to `results` on the test rows, and to `validation` on its validation rows."""
    asked = (recipe or Recipe()).model_dump(mode="json")
    below = [] if baseline is None else [right_on(baseline, who="majority", rows=len(results.rows))]
    return [
        Started(time="2026-01-02T03:04", versions={"affina": "0"}, machine={"cores": 2}, asked=asked, resolved=asked),
        ModelLoaded(reference="tiny", family="bert", parameters=10_000, trained=trained, fingerprint="f" * 8),
        Chosen(key="evaluate.metric", value="accuracy", reason="test"),
        Chosen(key="train.learning_rate", value=1e-4, reason="test"),
        *(line for one in below for line in (scores_of(one), one)),
        Step(step=1, of=1, epoch=1, loss=1, learning_rate=1e-4, gradient_norm=1, rows=9, tokens=9, seconds=seconds),
        Evaluated(step=1, epoch=1, metrics={"accuracy": validation, "loss": 1.0}, best=True),
        scores_of(results),
        results,
        Finished(
            steps=1, best_step=1, stopped="end of the plan", seconds={"total": 2 * seconds}, rows_per_second=1,
            tokens_per_second=1, peak_memory_bytes=memory,
        ),
    ]  # fmt: skip


def write_run(folder: Path, lines: list[Payload], *, bytes_to_ship: int = 100) -> None:
    """A run folder with this record and a model of so many bytes."""
    with Journal(RunFolder(folder).journal) as journal:
        for line in lines:
            journal.append(line)
    for path in (RunFolder(folder).model, RunFolder(folder).checkpoints):
        path.mkdir(exist_ok=True)
        (path / "weights").write_bytes(b"w" * bytes_to_ship)
    (RunFolder(folder).model / "README.md").write_text("a card is not counted", encoding="utf-8")


@dataclass
class OnPaper:
    """A start whose runs write what `made` says: a record, or an error, or None for a run that is interrupted.

    Attributes:
        made: called with the recipe and the share of the budget.
        started: the folders and shares of the runs, in order.
    """

    made: Callable[[Recipe, float], list[Payload] | AffinaError | None]
    started: list[tuple[str, float]] = field(default_factory=list)

    def __call__(self, recipe: Recipe, share: float) -> OnPaper._Process:
        self.started.append((Path(recipe.run).name, share))
        return self._Process(self.made(recipe, share), recipe)

    @dataclass
    class _Process:
        outcome: list[Payload] | AffinaError | None
        recipe: Recipe

        def listen(self, tell: Callable[[str, Any], None]) -> Ended:
            tell("notice", "on paper")
            tell("step", (1, 2))
            if self.outcome is None:
                return Ended("interrupted")
            if isinstance(self.outcome, AffinaError):
                return Ended("failed", self.outcome)
            write_run(Path(self.recipe.run), self.outcome)
            return Ended("finished")

        def stop(self) -> None:
            self.outcome = None


def by_method(right: Mapping[str, int], validation: Mapping[str, float] | None = None) -> Callable[..., list[Payload]]:
    """Runs that are right on so many rows by their method, the same for each seed."""

    def made(recipe: Recipe, share: float) -> list[Payload]:
        name = recipe.method if isinstance(recipe.method, str) else recipe.method.name
        lines = record(right_on(right[name]), recipe=recipe, validation=(validation or {}).get(name, 0.5))
        if share == 1:
            return lines
        spec = recipe.model_copy(update={"train": recipe.train.model_copy(update={"epochs": 1.0})})
        return record(right_on(right[name]), recipe=spec, validation=(validation or {}).get(name, 0.5))

    return made
