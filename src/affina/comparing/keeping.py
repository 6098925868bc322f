"""A comparison as far as it has come, put together for `compare.json`: what was asked, what ran, and how it stands."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from affina.comparing.earlier import Earlier
from affina.comparing.judging import Judged, judge
from affina.comparing.planned import Plan
from affina.comparing.reading import Result, read_result
from affina.comparing.running import Progress
from affina.data.loading import Loaded
from affina.data.rows import Row
from affina.recipe.base import AUTO
from affina.record.compared import FORMAT, Candidate, CandidateRun, Compared, RowsUsed, Standing
from affina.reporting.degenerate import degenerate_of
from affina.reporting.formats import listed
from affina.reporting.verdict import TITLES

SPLITS = ("train", "validation", "test")


def rows_used(loaded: Loaded) -> RowsUsed:
    """The rows that all candidates are trained and scored on."""
    splits = loaded.splits.by_name
    return RowsUsed(
        files=dict(loaded.files),
        rows={name: len(rows) for name, rows in splits.items()},
        sha256={name: _hash(rows) for name, rows in splits.items()},
    )


def _hash(rows: Sequence[Row]) -> str:
    whole = hashlib.sha256()
    for row in rows:
        for role, text in sorted(row.fields.items()):
            whole.update(f"{role}\0{text}\0".encode(errors="surrogatepass"))
    return whole.hexdigest()


@dataclass(frozen=True, slots=True)
class Keeper:
    """Puts together what is to be written down.

    Attributes:
        plan: what is compared.
        folder: of the comparison.
        rows: that all share.
        started: when it was begun, as a record has it.
        earlier: what an earlier process finished: it is kept while this one has not come to it.
    """

    plan: Plan
    folder: Path
    rows: RowsUsed
    started: str
    earlier: Earlier

    def compared(self, progress: Progress) -> Compared:
        """The comparison as far as it has come."""
        runs = [*progress.runs, *self.earlier.besides(progress.runs)]
        results = self._results(progress, runs)
        spec = self.plan.base.evaluate
        judged = judge(results, resamples=spec.resamples, confidence=spec.confidence)
        standings = tuple(self._standings(progress, judged))
        every = [run for runs in results.values() for run in runs]
        began = every[0].gathered.started[-1] if every and every[0].gathered.started else None
        return Compared(
            format=FORMAT,
            folder=str(self.folder),
            command=self.plan.command,
            started=self.started,
            written=now(),
            finished=all(self._is_over(one) for one in standings),
            base=self.plan.base.model_dump(mode="json"),
            data=self.rows,
            seeds=self.plan.seeds,
            halving=self.plan.halving,
            candidates=self.plan.candidates,
            runs=tuple(runs),
            rungs=tuple(progress.rungs),
            metric=judged.metric if judged else "",
            split=judged.split if judged else "",
            rows=judged.rows if judged else 0,
            confidence=spec.confidence,
            standings=standings,
            baselines=judged.baselines if judged else (),
            versions=began.versions if began else {},
            machine=began.machine if began else {},
            notes=tuple(_notes(self.plan, judged, results)),
        )

    def _results(self, progress: Progress, runs: Sequence[CandidateRun]) -> dict[str, list[Result]]:
        """The finished runs of each candidate that is in the running, in the order of the seeds."""
        found: dict[str, list[Result]] = {}
        for candidate in self.plan.candidates:
            whole = {run.seed: run for run in runs if run.candidate == candidate.name and run.share == 1}
            mine = [whole[seed] for seed in self.plan.seeds if seed in whole]
            if mine and not progress.failed(candidate) and candidate.name not in progress.dropped:
                found[candidate.name] = [read_result(self.folder, run) for run in mine]
        return found

    def _is_over(self, one: Standing) -> bool:
        return one.state != "open" and (one.state != "finished" or len(one.seeds) == len(self.plan.seeds))

    def _standings(self, progress: Progress, judged: Judged | None) -> Iterator[Standing]:
        """Those with a result, the best first; then those that were stopped early, failed, or have not begun."""
        ranked = {one.name: one for one in judged.standings} if judged else {}
        yield from ranked.values()
        others = [candidate for candidate in self.plan.candidates if candidate.name not in ranked]
        yield from sorted((_without_result(one, progress) for one in others), key=lambda one: one.state)


def _without_result(candidate: Candidate, progress: Progress) -> Standing:
    failed = next((run for run in progress.runs if run.candidate == candidate.name and run.state == "failed"), None)
    if failed is not None:
        return Standing(name=candidate.name, state="failed", reason=failed.reason)
    if candidate.name in progress.dropped:
        return Standing(name=candidate.name, state="dropped", reason=progress.dropped[candidate.name])
    return Standing(name=candidate.name, state="open", reason="not run yet")


def _notes(plan: Plan, judged: Judged | None, results: Mapping[str, Sequence[Result]]) -> Iterator[str]:
    """What would mislead a reader who does not know it."""
    every = [run for runs in results.values() for run in runs]
    if judged is None:
        return
    if judged.split == "validation":
        yield "There are no test rows: the figures flatter, since the validation rows also chose the weights."
    if plan.base.train.learning_rate != AUTO:
        yield (
            f"train.learning_rate={plan.base.train.learning_rate:g} was given: candidates share it, and it is not the "
            "rate that suits each of them."
        )
    unfinished = [name for name, runs in results.items() if len(runs) < len(plan.seeds)]
    if unfinished:
        yield f"Not all seeds have run yet of {listed(unfinished)}."
    degenerate = [(run, wrong) for run in every if (wrong := degenerate_of(run.gathered)) is not None]
    if degenerate:
        yield f"{TITLES['void']}: " + "; ".join(f"{_named([run])}, {wrong.told}" for run, wrong in degenerate) + "."
    apart = {one.gathered.model.fingerprint for one in every if one.gathered.model}
    named = {one.gathered.model.reference for one in every if one.gathered.model}
    if len(apart) > len(named):
        yield "A base model has changed between the runs, so they are not of one model."
    starts = [run.gathered.started[-1] for run in every if run.gathered.started]
    if any((one.versions, one.machine) != (starts[0].versions, starts[0].machine) for one in starts):
        yield "Versions or machines differ between the runs; each run's own report names them. Times may not compare."
    if again := [run for run in every if run.gathered.restarted is not None]:
        yield f"Stuck, and started again with another rate: {_named(again)}. Their time is of both starts."
    if resumed := [run for run in every if run.gathered.went_on_at is not None]:
        yield (
            f"Stopped and gone on with: {_named(resumed)}. Their peak memory is that of the last part, their time that "
            "of all."
        )


def _named(runs: Sequence[Result]) -> str:
    return listed([f"{run.run.candidate} (seed {run.run.seed})" for run in runs])


def now() -> str:
    """The time as records have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
