"""Going through the plan: some runs at once, each saved when it ends, with a line of progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol

from estimate import Estimate, clock
from ledger import Key, Results, Run, key

import plan


class Runner(Protocol):
    """What does one run; it records a failure in what it returns and raises nothing."""

    def run(self, ready: plan.Ready, /) -> Run:
        """The finished, failed or skipped run."""


def work(todo: Iterable[plan.Task], results: Results, runner: Runner, *, estimate: Estimate, jobs: int) -> int:
    """Do every task, in order but for those that wait for another, and return how many failed.

    Args:
        todo: the tasks, in order.
        results: takes each run in when it ends.
        runner: does one run.
        estimate: of the time; corrected as runs end.
        jobs: runs at once.
    """
    waiting, running = list(todo), dict[Future[Run], plan.Task]()
    count, failed, ended = len(waiting), 0, 0
    with ThreadPoolExecutor(jobs) as pool:
        while waiting or running:
            while len(running) < jobs and (found := _next(waiting, running.values(), results)):
                asked, step = found
                waiting.remove(asked)
                if not results.is_done(step.task.key):
                    running[pool.submit(runner.run, step)] = asked
                else:  # the grid's choice led to a run that is there
                    ended += 1
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task, run = running.pop(future), future.result()
                if task.key != key(run):
                    results.forget(task.key)
                results.add(run)
                ended, failed = ended + 1, failed + (run["status"] == "failed")
                if run["status"] == "done":
                    estimate.learn(task, run["wall_seconds"])
                left = sum(map(estimate, [*waiting, *running.values()])) / jobs
                print(f"[{ended}/{count}] {_line(run)}; about {clock(left)} left", flush=True)
    return failed


def _next(
    waiting: list[plan.Task], running: Iterable[plan.Task], results: Results
) -> tuple[plan.Task, plan.Ready] | None:
    """The first task that need not wait, with what it came to."""
    to_come = {task.key for task in (*waiting, *running)}
    runs = results.runs()
    pending: Callable[[Key], bool] = to_come.__contains__
    found = ((task, plan.ready(task, runs, pending=pending)) for task in waiting)
    return next(((task, step) for task, step in found if step.do != "wait"), None)


def _line(run: Run) -> str:
    asked = plan.Task(**{name: run[name] for name in plan.Task.__dataclass_fields__})
    if run["status"] != "done":
        return f"{asked}: {run['status']}, {run['reason']}"
    return f"{asked}: accuracy {100 * run['accuracy']:.1f}% in {clock(run['wall_seconds'])}"
