"""The runs of a comparison, one after the other: what is finished is not run again, what fails stops no other.

Each candidate is run with the first seed, then each with the next, so that there is a whole table early. What happens
in a run is not known here: `start` gives its process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from affina.comparing import halving, timing
from affina.comparing.happenings import Began, Halved, Happening, Noticed, Over, Stepped
from affina.comparing.place import as_finished, run_folder, tidy
from affina.comparing.planned import Plan
from affina.comparing.process import Ended
from affina.comparing.reading import validation_score
from affina.errors import AffinaError, Interrupted, Problem
from affina.recipe.schema import Recipe
from affina.record.compared import Candidate, CandidateRun, Rung
from affina.record.measures import title
from affina.reporting.formats import counted, metric
from affina.runtime.children import Tell

Clock = Callable[[], float]
ALIKE: Final = 2
"""So many candidates that fail for one reason, and none that does not: the reason is none of theirs."""


class Process(Protocol):
    """A run's process, as `process.RunProcess` is one."""

    def listen(self, tell: Tell) -> Ended:
        """Pass on what the run says until it has ended."""
        ...

    def stop(self) -> None:
        """Ask the run to write a checkpoint and end."""
        ...


Start = Callable[[Recipe, float], Process]
"""Starts the run of a recipe with a share of its budget."""


@dataclass(slots=True)
class Progress:
    """How far a comparison has come.

    Attributes:
        runs: those that are over.
        rungs: the rounds of successive halving that are over.
        dropped: candidate to why it was stopped early.
    """

    runs: list[CandidateRun] = field(default_factory=list)
    rungs: list[Rung] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)

    def failed(self, candidate: Candidate) -> bool:
        """Whether one of its runs has failed."""
        return any(run.candidate == candidate.name and run.state == "failed" for run in self.runs)


@dataclass(slots=True)
class Running:
    """Runs what a plan asks for.

    Attributes:
        plan: what is compared.
        folder: of the comparison.
        known: folder to run, of those that an earlier process finished.
        start: starts a run.
        tell: is told what happens.
        keep: called after each run of this process, to write down how far it has come.
        clock: seconds.
    """

    plan: Plan
    folder: Path
    known: Mapping[str, CandidateRun]
    start: Start
    tell: Callable[[Happening], None]
    keep: Callable[[Progress], None]
    clock: Clock = time.monotonic
    progress: Progress = field(default_factory=Progress)
    process: Process | None = None
    waiting: list[timing.Piece] = field(default_factory=list)
    scores: dict[str, tuple[str, float | None]] = field(default_factory=dict)
    stopping: bool = False

    def stop(self) -> None:
        """End after the run on its way has written a checkpoint."""
        self.stopping = True
        if self.process is not None:
            self.process.stop()

    def run(self) -> Progress:
        """Run everything that is not finished.

        Raises:
            Interrupted: it was stopped; the same call goes on.
            AffinaError: the first candidates failed for one reason, which is none of theirs.
        """
        left = self._halve()
        self.waiting = [timing.Piece(candidate.name, 1.0) for _ in self.plan.seeds for candidate in left]
        for seed in self.plan.seeds:
            for candidate in left:
                self._one(candidate, seed, share=1.0)
        return self.progress

    def _halve(self) -> list[Candidate]:
        """The candidates that are run in full."""
        left, turns, seeds = list(self.plan.candidates), self.plan.rounds, len(self.plan.seeds)
        for place, turn in enumerate(turns):
            later = halving.shares(turns[place + 1 :], candidates=turn.keep, seeds=seeds)
            this = [timing.Piece(candidate.name, turn.share) for candidate in left]
            self.waiting = [*this, *(timing.Piece("", share) for share in later)]  # whose these are is not known yet
            scores: dict[str, float | None] = {}
            watched = ""
            for candidate in left:
                run = self._one(candidate, self.plan.seeds[0], share=turn.share)
                told = self._score(run) if run is not None and run.state == "finished" else None
                scores[candidate.name] = told[1] if told else None
                watched = told[0] if told else watched
            stay = halving.kept(scores, watched, keep=turn.keep)
            rung = Rung(share=turn.share, metric=watched, scores=scores, kept=stay)
            self.progress.rungs.append(rung)
            for candidate in left:
                if candidate.name not in stay and not self.progress.failed(candidate):
                    self.progress.dropped[candidate.name] = _why_dropped(rung, scores[candidate.name])
            left = [candidate for candidate in left if candidate.name in stay]
            self.tell(Halved(rung))
        return left

    def _one(self, candidate: Candidate, seed: int, *, share: float) -> CandidateRun | None:
        """One run; None where the candidate has failed before."""
        self.waiting = self.waiting[1:]
        if self.progress.failed(candidate):
            return None
        name = run_folder(candidate.folder, seed, share)
        run = self.known.get(name)
        if run is None:
            self._check_going_on()
            total = len(self.progress.runs) + 1 + len(self.waiting)
            self.tell(Began(candidate.name, seed, len(self.progress.runs) + 1, total))
            recipe = self.plan.recipe(candidate, seed, run=str(self.folder / name))
            run = self._in_a_process(candidate, seed, share, recipe)
        tidy(self.folder / name, run)
        self.progress.runs.append(run)
        if name not in self.known:
            self.keep(self.progress)
        return run

    def _in_a_process(self, candidate: Candidate, seed: int, share: float, recipe: Recipe) -> CandidateRun:
        began = self.clock()

        def told(kind: str, value: Any) -> None:
            if kind == "notice":
                self.tell(Noticed(f"{candidate.name}: {value}"))
            elif kind == "step":
                step, of = value
                going = timing.Going(candidate.name, share, self.clock() - began, step / max(of, 1))
                self.tell(Stepped(step, of, self._left(going)))

        self.process = self.start(recipe, share)
        if self.stopping:  # told so while the process was started
            self.process.stop()
        ended = self.process.listen(told)
        self.process = None
        wall = round(self.clock() - began, 2)
        if ended.state == "interrupted":
            raise self.interrupted()
        if ended.state == "finished":
            run = as_finished(self.folder, candidate, seed, share, wall=wall)
            watched, score = self._score(run)
            self.tell(Over(run, watched, score, self._left(None, over=run)))
            return run
        error = ended.error or AffinaError()
        run = CandidateRun(
            candidate=candidate.name,
            seed=seed,
            share=share,
            folder=run_folder(candidate.folder, seed, share),
            state="failed",
            reason=_reason(error),
            status=error.exit_status,
            wall_seconds=wall,
        )
        self._check_reason_is_its_own(run, error)
        self.tell(Over(run, "", None, self._left(None, over=run)))
        return run

    def _score(self, run: CandidateRun) -> tuple[str, float | None]:
        """What a finished run came to on the validation rows, read from its record once."""
        if run.folder not in self.scores:
            self.scores[run.folder] = validation_score(self.folder, run)
        return self.scores[run.folder]

    def _check_reason_is_its_own(self, run: CandidateRun, error: AffinaError) -> None:
        """Stop where the first candidates all fail for one reason, such as a model that is not there."""
        alike = [other for other in self.progress.runs if other.state == "failed" and other.reason == run.reason]
        if len(alike) + 1 >= ALIKE and len(alike) == len(self.progress.runs):
            raise error

    def _check_going_on(self) -> None:
        if self.stopping:
            raise self.interrupted()

    def interrupted(self) -> Interrupted:
        """That it was stopped, and how it goes on."""
        over = len({*self.known, *(run.folder for run in self.progress.runs if run.state == "finished")})
        return Interrupted(
            Problem(
                where=f"the comparison {self.folder}",
                expected="to come to its end",
                found=f"it was stopped, with {counted(over, 'finished runs')}",
                fix="give the same command again: finished runs are kept, the one on its way goes on",
            )
        )

    def _left(self, going: timing.Going | None, *, over: CandidateRun | None = None) -> float | None:
        runs = [*self.progress.runs, *([over] if over else [])]
        known = [timing.Piece(run.candidate, run.share, run.wall_seconds) for run in runs if run.state == "finished"]
        failed = {run.candidate for run in runs if run.state == "failed"}
        waiting = [piece for piece in self.waiting if piece.candidate not in failed]
        return timing.time_left(known, waiting, going)


def _why_dropped(rung: Rung, score: float | None) -> str:
    last = rung.scores[rung.kept[-1]] if rung.kept else None
    ours, theirs = ("none" if value is None else metric(rung.metric, value) for value in (score, last))
    return (
        f"stopped early, after {rung.share:.0%} of the budget: {title(rung.metric)} on the validation rows {ours}, "
        f"of the last that stayed {theirs}"
    )


def _reason(error: AffinaError) -> str:
    """The first problem in one line."""
    if not error.problems:
        return "no reason was given"
    first = error.problems[0]
    return f"{first.where}: expected {first.expected}; found {first.found}. Fix: {first.fix}"
