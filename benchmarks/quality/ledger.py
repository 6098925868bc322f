"""The results file: one JSON object with the conditions and a list of runs, saved whole after each of them.

A run's identity is what was asked (`IDENTITY`); a new run replaces the one with its identity. No path or host is named.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from affina.record.files import write_text
from affina.runtime import machine

HERE: Final = Path(__file__).parent
IDENTITY: Final = ("set", "contender", "setting", "learning_rate", "seed", "cut")
"""`cut` is the number of training rows that a trial was cut to, or null."""
PACKAGES: Final = ("torch", "transformers", "accelerate", "affina")
Run = dict[str, Any]
Key = tuple[Any, ...]
_PATH: Final = re.compile(r"(?<![\w.:/])~?/(?:[^\s/'\":]+/)*(?=[^\s/'\":]+)")


def key(run: Mapping[str, Any]) -> Key:
    """What makes it the run it is."""
    return tuple(run[name] for name in IDENTITY)


def without_paths(text: str) -> str:
    """The text with each absolute path cut to its last part."""
    return _PATH.sub("", text)


class Results:
    """The runs so far, by identity; what is added is on disk when `add` returns.

    Args:
        path: the JSON file; read if it is there.
        conditions: what holds for all runs of this session, for the file's head.
    """

    def __init__(self, path: Path, conditions: Mapping[str, Any]) -> None:
        self._path = path
        self._conditions = dict(conditions)
        self._runs: dict[Key, Run] = {key(run): run for run in runs_of(path)}

    def is_done(self, identity: Key) -> bool:
        """Whether that run finished; one that failed or was skipped is tried again the next time."""
        return self._runs.get(identity, {}).get("status") == "done"

    def runs(self) -> dict[Key, Run]:
        """All of them by identity, in the order in which they were added."""
        return dict(self._runs)

    def forget(self, identity: Key) -> None:
        """Leave that run out from the next save on: it is known under another identity."""
        self._runs.pop(identity, None)

    def add(self, run: Run) -> None:
        """Take a run in and save the file; what is known to have finished is not replaced by a skip or a failure."""
        if run["status"] != "done" and self.is_done(key(run)):
            return
        self._runs.pop(key(run), None)
        self._runs[key(run)] = run
        versions = dict(self._conditions["versions"])
        for each in self._runs.values():
            versions |= {"setfit": each["versions"]["setfit"]} if "versions" in each else {}
        seeds = sorted({each["seed"] for each in self._runs.values()})
        head = self._conditions | {"versions": versions, "date": now(), "seeds": seeds}
        text = json.dumps({**head, "runs": list(self._runs.values())}, indent=1, ensure_ascii=False)
        write_text(self._path, text + "\n")


def conditions(*, threads: int, jobs: int) -> dict[str, Any]:
    """Versions and machine, of this session; each run has its own threads, jobs, date and commit besides."""
    versions = {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES}
    return {
        "what": "Affina's defaults, transformers' Trainer and SetFit, from starter/encoder; benchmarks/quality/run.py",
        "versions": versions,
        "machine": machine.facts(machine.choose_device("auto")),
        "threads": threads,
        "jobs": jobs,
    }


def runs_of(path: Path) -> list[Run]:
    """The runs of a results file; none where it is not there."""
    found: list[Run] = json.loads(path.read_text(encoding="utf-8"))["runs"] if path.is_file() else []
    return found


def words(doc: str | None, *, out: Path) -> argparse.ArgumentParser:
    """What each benchmark takes that saves run by run: where the data sets and the results are, and to run nothing.

    Args:
        doc: the benchmark's own, shown by --help.
        out: the results file where the user names none.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AFFINA_DATA", "../shared/data")))
    return parser


def save(out: Path, runs: Sequence[Run], *, what: str) -> None:
    """Write the runs of a benchmark that does one at a time.

    Args:
        out: the file.
        runs: all of them so far.
        what: they are, in a sentence.
    """
    head = conditions(threads=int(os.environ.get("OMP_NUM_THREADS", "0")) or (os.cpu_count() or 1), jobs=1)
    text = json.dumps({**head, "what": what, "runs": list(runs)}, indent=1, ensure_ascii=False)
    write_text(out, f"{text}\n")


def commit() -> str | None:
    """The project's commit, marked where `src` differs from it; None outside a repository."""
    try:
        found = _git("rev-parse", "--short", "HEAD")
        return found + ("+changes" if _git("status", "--porcelain", "--", "../../src") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=HERE, check=True, capture_output=True, text=True).stdout.strip()
