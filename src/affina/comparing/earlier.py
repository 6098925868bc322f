"""What an earlier process left in the folder of a comparison: finished runs, which are not run again.

A run is known by its record; what was written down of it beside that, such as the time of its process, is taken from
`compare.json`. This module changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from affina.comparing.place import as_finished, is_finished, run_folder
from affina.comparing.planned import Plan
from affina.record.compared import Candidate, CandidateRun
from affina.record.folder import RunFolder


@dataclass(frozen=True, slots=True)
class Earlier:
    """Finished runs of before.

    Attributes:
        known: folder to run, of those that the plan asks for.
        others: runs of other candidates, seeds or rounds, whose records are still there.
    """

    known: Mapping[str, CandidateRun] = field(default_factory=dict)
    others: tuple[CandidateRun, ...] = ()

    def besides(self, runs: Sequence[CandidateRun]) -> list[CandidateRun]:
        """Those that are not among `runs`."""
        there = {run.folder for run in runs}
        return [run for run in (*self.known.values(), *self.others) if run.folder not in there]


def find_earlier(plan: Plan, folder: Path, written: Sequence[CandidateRun]) -> Earlier:
    """Look for finished runs.

    Args:
        plan: what is compared.
        folder: of the comparison.
        written: the runs in its `compare.json`.

    Raises:
        RunError: a folder holds a run of another recipe, or another process is busy with it.
    """
    finished = {run.folder: run for run in written if run.state == "finished"}
    known: dict[str, CandidateRun] = {}
    asked = set()
    for candidate, seed, share in _asked(plan):
        name = run_folder(candidate.folder, seed, share)
        asked.add(name)
        if is_finished(folder / name, plan.recipe(candidate, seed, run=str(folder / name)), share=share):
            known[name] = finished.get(name) or as_finished(folder, candidate, seed, share, wall=None)
    others = (run for name, run in finished.items() if name not in asked)
    return Earlier(known, tuple(run for run in others if RunFolder(folder / run.folder).journal.is_file()))


def _asked(plan: Plan) -> Iterator[tuple[Candidate, int, float]]:
    """Every run that the plan may come to: candidate, seed and share of the budget."""
    for candidate in plan.candidates:
        yield from ((candidate, plan.seeds[0], turn.share) for turn in plan.rounds)
        yield from ((candidate, seed, 1.0) for seed in plan.seeds)
