"""Doing one run: its rows as files, its script in a process of its own, and what came of it as plain figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import sets
from ledger import HERE, Run, commit, now, without_paths

import plan

NO_SETFIT: Final = "no environment with SetFit was named (--setfit-python)"


class RunFailedError(Exception):
    """A contender's process ended with an error; the message is its last line."""


@dataclass(kw_only=True)
class Contenders:
    """Runs tasks.

    Attributes:
        data: the folder with the data sets.
        folder: a temporary one, for the rows as files.
        model: the folder of starter/encoder, which all start from.
        setfit_python: the Python of SetFit's environment, if there is one.
        threads: of each process.
    """

    data: Path
    folder: Path
    model: Path
    setfit_python: Path | None
    threads: int
    commit: str | None = field(default_factory=commit)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, ready: plan.Ready) -> Run:
        """The run's identity, conditions and figures; `status` is done, failed or skipped."""
        task = ready.task
        asked = {**asdict(task), "threads": self.threads, "date": now(), "commit": self.commit}
        if task.contender == "setfit" and self.setfit_python is None:
            return {**asked, "status": "skipped", "reason": NO_SETFIT}
        if ready.do == "skip":
            return {**asked, "status": "skipped", "reason": ready.reason}
        started = time.perf_counter()
        try:
            rows, folder = self._rows(task)
            figures = self._process(self._command(ready, folder))
        except (RunFailedError, ValueError) as error:
            return {**asked, "status": "failed", "reason": without_paths(str(error))}
        took = round(time.perf_counter() - started, 1)
        return {**asked, "status": "done", "wall_seconds": took, "rows": rows, **figures}

    def _rows(self, task: plan.Task) -> tuple[dict[str, int], Path]:
        """The set's files, written once for all contenders."""
        seed = task.seed if task.set.startswith(sets.FEW) else 0
        folder = self.folder / f"{task.set}-{seed}"
        with self._lock:
            splits = sets.make(task.set, self.data, seed=seed, rows=task.cut)
            if not folder.exists():
                sets.write(splits, folder)
        return {name: len(rows) for name, rows in splits._asdict().items()}, folder

    def _command(self, ready: plan.Ready, folder: Path) -> list[str]:
        task = ready.task
        python = str(self.setfit_python) if task.contender == "setfit" else sys.executable
        words = [python, str(HERE / f"{task.contender}_run.py"), "--folder", str(folder), "--seed", str(task.seed)]
        if task.contender != "affina":
            words += ["--model", str(self.model)]
        if task.contender == "setfit":
            words += ["--most-steps", str(plan.SETFIT_STEPS)]
        if task.contender == "trainer":
            words += ["--setting", task.setting]
        if task.setting == "grid":
            words += ["--learning-rate", str(task.learning_rate), "--epochs", str(ready.epochs)]
        return words

    def _process(self, command: list[str]) -> dict[str, Any]:
        """The JSON line that a script printed.

        Raises:
            RunFailedError: it ended with an error.
        """
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.threads), "TOKENIZERS_PARALLELISM": "false"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            raise RunFailedError(lines[-1].strip())
        found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return found
