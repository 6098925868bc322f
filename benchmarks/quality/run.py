"""Does Affina with its defaults beat transformers' Trainer, and SetFit where rows are few? Every set, in one command.

    python benchmarks/quality/run.py --jobs 2
    python benchmarks/quality/run.py --sets trec --seeds 1 --rows 300 --out trial.json    # a trial of the benchmark

Each run is a process of its own and is saved when it ends; the same command again goes on, and tries again what failed.
`--setfit-python` names the Python of an environment with setfit-requirements.txt; without it SetFit's runs are skipped.
Then `python benchmarks/quality/table.py` writes the table into the README.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import sets
from contenders import Contenders
from estimate import Estimate, clock, size
from ledger import HERE, Results, conditions
from schedule import work

import plan
from affina.models.source import locate

OUT = HERE.parent / "results" / "quality.json"


def main() -> int:
    """Plan, run and save; the exit status is 1 where a run failed."""
    given = _arguments()
    threads = max(1, cores() // given.jobs)
    results = Results(given.out, conditions(threads=threads, jobs=given.jobs))
    sizes = {name: size(sets.make(name, given.data, seed=0, rows=given.rows)) for name in given.sets}
    estimate = Estimate(sizes, threads=threads, free=() if given.setfit_python else ("setfit",))
    estimate.learn_all(results.runs().values())
    found = plan.tasks(
        given.sets, seeds=given.seeds, only=given.only, cut=given.rows, defaults_seeds=given.defaults_seeds
    )
    todo = plan.ordered(plan.left(found, results.runs()), estimate)
    print(f"{len(found)} runs, {len(found) - len(todo)} of them done; {given.jobs} at once, {threads} threads each")
    for task in todo:
        print(f"  {task}: about {clock(estimate(task))}")
    print(f"about {clock(sum(map(estimate, todo)) / given.jobs)} in all", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        contenders = Contenders(
            data=given.data,
            folder=Path(folder),
            model=locate("starter/encoder").folder,
            setfit_python=given.setfit_python,
            threads=threads,
        )
        failed = work(todo, results, contenders, estimate=estimate, jobs=given.jobs)
    return 1 if failed else 0


def cores() -> int:
    """The processor cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=sets.NAMES, default=list(sets.NAMES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--defaults-seeds", type=int, default=1, help="of these, those of the peer's defaults as well")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once; they share the cores")
    parser.add_argument("--only", nargs="+", choices=plan.CONTENDERS, default=list(plan.CONTENDERS))
    parser.add_argument("--rows", type=int, help="training rows at most, for a trial")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AFFINA_DATA", "../shared/data")))
    parser.add_argument("--setfit-python", type=Path)
    given = parser.parse_args()
    if not (given.data / "banking77").is_dir():
        parser.error(f"no data sets in {given.data}: name their folder with --data or AFFINA_DATA")
    if given.setfit_python and not given.setfit_python.is_file():
        parser.error(f"--setfit-python {given.setfit_python}: no such file")
    return given


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        sys.exit(130)
