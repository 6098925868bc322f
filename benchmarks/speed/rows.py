"""How a run's time and memory grow with its rows: made-up rows, read, tokenized and trained on for a few steps.

    python benchmarks/speed/rows.py                             # 10^3 to 10^6 rows; goes on where it stopped
    python benchmarks/speed/rows.py --rows 10000000             # ten million, most of an hour of a core
    python benchmarks/speed/rows.py --table                     # what there is

Each count is a process of its own, whose memory is read twenty times a second: all that is resident, and the part of it
that no file stands behind. What the rows take is the highest of it above the run of 1,000 rows, which holds the same
model, its gradients and its libraries.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from affina.models.source import locate
from affina.record import journal
from affina.record.payloads import Finished

HERE: Final = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "quality"))
from ledger import commit, now, runs_of, save, words  # noqa: E402 - the other benchmarks' own

OUT: Final = HERE.parent / "results" / "speed-rows.json"
WHAT: Final = "time and memory by rows, starter/encoder, made-up rows; benchmarks/speed/rows.py"
COUNTS: Final = (1_000, 10_000, 100_000, 1_000_000)
LEAST: Final = COUNTS[0]
STEPS: Final = 5
LABELS: Final = 7
EVERY: Final = 0.05
"""Seconds between two looks."""
COMMAND: Final = "from affina.cli.main import run; run()"
Run = dict[str, Any]


def main() -> None:
    """Run what is missing, and show the table; a count that fails is told, and the others go on."""
    given = _arguments()
    runs, failed = runs_of(given.out), []
    for count in sorted({LEAST, *given.rows}) if not given.table else ():
        if any(run["rows"] == count for run in runs):
            continue
        try:
            runs.append(_run(count))
        except RuntimeError as error:
            print(f"{count} rows failed: {error}", file=sys.stderr, flush=True)
            failed.append(count)
            continue
        save(given.out, runs, what=WHAT)
        print(json.dumps(runs[-1]), flush=True)
    print("\n".join(table(runs)))
    sys.exit(int(bool(failed)))


def write(path: Path, count: int) -> None:
    """`count` rows of 5 to 12 made-up words with one of seven labels, no two of which are the same text."""
    chance = random.Random(0)  # noqa: S311 - not a secret
    known = ["".join(chance.choices("abcdefghijklmnoprstuvw", k=chance.randint(3, 8))) for _ in range(3_000)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(count):
            text = " ".join(chance.choices(known, k=chance.randint(5, 12)))
            writer.writerow([f"{text} {number}", f"label {number % LABELS}"])


def _run(count: int) -> Run:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "train.csv", count)
        recipe = {
            "data.train": folder / "train.csv",
            "model": locate("starter/encoder").folder,
            "run": folder / "run",
            "train.max_steps": STEPS,
            "data.test": "none",
            "evaluate.baselines": "false",
            "evaluate.rows": 500,
            "risks.measure": "never",
        }
        command = [sys.executable, "-c", COMMAND, "train", *(f"{key}={value}" for key, value in recipe.items())]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "AFFINA_CACHE": str(folder / "cache")}
        started = time.perf_counter()
        with (folder / "said").open("w+", encoding="utf-8") as said:
            child = subprocess.Popen(command, stdout=said, stderr=said, env=environment)
            looks = []
            while child.poll() is None:
                looks.append(_held(child.pid))
                time.sleep(EVERY)
            if child.returncode:
                raise RuntimeError((folder / "said").read_text(encoding="utf-8"))
        seconds = time.perf_counter() - started
        size = (folder / "train.csv").stat().st_size
        records = journal.read(folder / "run" / "record.jsonl")
    return {
        "rows": count,
        "file_mb": round(size / 1e6, 1),
        "seconds": round(seconds, 1),
        "peak_mib": max(resident for resident, _ in looks),
        "peak_own_mib": max(own for _, own in looks),
        "stages": next(line.seconds for line in records if isinstance(line, Finished)),
        "commit": commit(),
        "date": now(),
    }


def _held(process: int) -> tuple[int, int]:
    """MiB that a process holds now: all that is resident, and what of it lies in no file."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0, 0
    found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "RssAnon"))}
    return int(found.get("VmRSS", 0)) // 1024, int(found.get("RssAnon", 0)) // 1024


def table(runs: Sequence[Run]) -> Iterator[str]:
    """A line for each count."""
    yield "| rows | file | seconds | highest memory | above the run of 1,000 rows |"
    yield "|---:|---:|---:|---:|---:|"
    least = next((run["peak_mib"] for run in runs if run["rows"] == LEAST), 0)
    for run in sorted(runs, key=lambda run: run["rows"]):
        above = f"{run['peak_mib'] - least:,} MiB"
        yield f"| {run['rows']:,} | {run['file_mb']} MB | {run['seconds']:,.0f} | {run['peak_mib']:,} MiB | {above} |"


def _arguments() -> argparse.Namespace:
    parser = words(__doc__, out=OUT)
    parser.add_argument("--rows", type=int, nargs="+", default=list(COUNTS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
